/**
 * What happens, told over the gateway's socket, for as long as this is wanted. A socket that closes is opened again, the
 * longer after the more often that failed. What happened meanwhile is not told again: `tried` says when to look for it.
 */

export type Listener = {
  /** One event, as text. */
  readonly told: (text: string) => void;
  /** The socket has opened, or could not be. */
  readonly tried: () => void;
};

/** The shortest and the longest wait before another attempt. */
const SOON = 1_000;
const LATE = 30_000;
/** A socket that held for so long was no failure. */
const STEADY = 10_000;

/** How long to wait after so many failures in a row. `chance`, from 0 to 1, keeps pages from coming back all at once. */
export function reconnectIn(failures: number, chance: number): number {
  const longest = Math.min(LATE, SOON * 2 ** Math.max(0, failures - 1));
  return longest * (0.5 + chance / 2);
}

export class EventSocket {
  private socket: WebSocket | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;

  constructor(
    private readonly open: () => WebSocket,
    private readonly listener: Listener,
  ) {}

  start(): void {
    this.connect();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const socket = this.socket;
    this.socket = undefined;
    socket?.close();
  }

  /** Ends a wait: there is reason to believe that the gateway can be reached again. */
  hurry(): void {
    if (this.timer === undefined) return;
    clearTimeout(this.timer);
    this.connect();
  }

  private connect(): void {
    this.timer = undefined;
    let socket: WebSocket;
    try {
      socket = this.open();
    } catch {
      this.failed();
      return;
    }
    this.socket = socket;
    const isCurrent = () => this.socket === socket;
    let openedAt: number | undefined;
    socket.onopen = () => {
      openedAt = Date.now();
      if (isCurrent()) this.listener.tried();
    };
    socket.onmessage = (message: MessageEvent<unknown>) => {
      if (isCurrent() && typeof message.data === "string") this.listener.told(message.data);
    };
    socket.onclose = () => {
      if (!isCurrent()) return;
      if (openedAt === undefined) this.failed();
      else this.wait(Date.now() - openedAt >= STEADY ? 0 : this.failures + 1);
    };
  }

  private failed(): void {
    this.wait(this.failures + 1);
    this.listener.tried();
  }

  private wait(failures: number): void {
    this.socket = undefined;
    this.failures = failures;
    this.timer = setTimeout(() => {
      this.connect();
    }, reconnectIn(failures, Math.random()));
  }
}
