import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { EventSocket, reconnectIn } from "../src/gateway/event-socket";

/** A socket whose other end is the test. */
class Line {
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  isClosed = false;
  close() {
    this.isClosed = true;
  }
}

function listening() {
  const lines: Line[] = [];
  const told: string[] = [];
  let tried = 0;
  const open = vi.fn(() => {
    const line = new Line();
    lines.push(line);
    return line as unknown as WebSocket;
  });
  const socket = new EventSocket(open, {
    told: (text) => told.push(text),
    tried: () => {
      tried += 1;
    },
  });
  const last = () => lines.at(-1) ?? new Line();
  return { socket, open, lines, last, told, tried: () => tried };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(1);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("the wait before another attempt", () => {
  it("doubles with each failure, up to half a minute", () => {
    expect([0, 1, 2, 3, 4, 5, 6, 60].map((failures) => reconnectIn(failures, 1))).toEqual([
      1_000, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000,
    ]);
  });

  it("is not the same for everybody, and never nothing", () => {
    expect(reconnectIn(1, 0)).toBe(500);
    expect(reconnectIn(60, 0)).toBe(15_000);
  });
});

describe("the socket", () => {
  it("tells what comes as text, and says when it has opened", () => {
    const { socket, last, told, tried } = listening();
    socket.start();
    last().onopen?.();
    last().onmessage?.({ data: "{}" });
    last().onmessage?.({ data: new ArrayBuffer(2) });
    expect(told).toEqual(["{}"]);
    expect(tried()).toBe(1);
  });

  it("is opened again, later each time it can't be", () => {
    const { socket, open, last, tried } = listening();
    socket.start();
    for (const wait of [1_000, 2_000, 4_000]) {
      const before = open.mock.calls.length;
      last().onclose?.();
      vi.advanceTimersByTime(wait - 1);
      expect(open).toHaveBeenCalledTimes(before);
      vi.advanceTimersByTime(1);
      expect(open).toHaveBeenCalledTimes(before + 1);
    }
    expect(tried(), "after each failure what is unseen is looked for").toBe(3);
  });

  it("counts one that closes as soon as it has opened as a failure, and one that held as none", () => {
    const { socket, open, last } = listening();
    socket.start();
    for (const wait of [1_000, 2_000]) {
      last().onopen?.();
      last().onclose?.();
      vi.advanceTimersByTime(wait);
    }
    expect(open).toHaveBeenCalledTimes(3);
    last().onopen?.();
    vi.advanceTimersByTime(10_000);
    last().onclose?.();
    vi.advanceTimersByTime(1_000);
    expect(open).toHaveBeenCalledTimes(4);
  });

  it("survives a token that is no protocol's name", () => {
    const { socket, open } = listening();
    open.mockImplementationOnce(() => {
      throw new SyntaxError("a protocol with a space");
    });
    socket.start();
    vi.advanceTimersByTime(1_000);
    expect(open).toHaveBeenCalledTimes(2);
  });

  it("can be hurried while it waits, and not otherwise", () => {
    const { socket, open, last } = listening();
    socket.start();
    socket.hurry();
    expect(open).toHaveBeenCalledTimes(1);
    last().onclose?.();
    socket.hurry();
    expect(open).toHaveBeenCalledTimes(2);
    vi.advanceTimersByTime(60_000);
    expect(open).toHaveBeenCalledTimes(2);
  });

  it("says nothing more once it is stopped", () => {
    const { socket, open, last, told } = listening();
    socket.start();
    const line = last();
    line.onopen?.();
    socket.stop();
    expect(line.isClosed).toBe(true);
    line.onmessage?.({ data: "{}" });
    line.onclose?.();
    vi.advanceTimersByTime(60_000);
    expect(told).toEqual([]);
    expect(open).toHaveBeenCalledTimes(1);
  });
});
