/**
 * Page tokens as this page handles them: found in the link, looked at for when they end, never sent anywhere but to the
 * gateway. What is in one is the gateway's business; only its end is read here, and a token that can't be read is renewed at
 * once to learn it.
 */

export type PageToken = {
  readonly text: string;
  /** Milliseconds since 1970; unknown for a token that says nothing legible. */
  readonly expiresAt: number | undefined;
};

const MARK = "aetherpage_";

/** The token in a link's fragment, such as `#token=aetherpage_…`. */
export function tokenOfFragment(fragment: string): string | undefined {
  const token = new URLSearchParams(fragment.replace(/^#/, "")).get("token")?.trim();
  return token === undefined || token === "" ? undefined : token;
}

/** The same link without the token, for the address bar. Other parts of the fragment stay. */
export function withoutToken(address: string): string {
  const url = new URL(address);
  const parts = new URLSearchParams(url.hash.replace(/^#/, ""));
  parts.delete("token");
  url.hash = parts.toString();
  return url.toString().replace(/#$/, "");
}

export function isPageToken(text: string): boolean {
  return text.startsWith(MARK);
}

/** Reads when a token ends from its claims. */
export function readToken(text: string): PageToken {
  return { text, expiresAt: endOf(text) };
}

/** The end as the gateway gives it: seconds since 1970, or a date. */
export function readExpiry(value: unknown): number | undefined {
  if (typeof value === "number" && Number.isFinite(value)) return value * 1000;
  if (typeof value !== "string") return undefined;
  const parsed = Date.parse(value);
  return Number.isNaN(parsed) ? undefined : parsed;
}

export function hasEnded(token: PageToken, now: number): boolean {
  return token.expiresAt !== undefined && token.expiresAt <= now;
}

/** The shortest and the longest wait for a renewal. Timers of browsers can't count further than 24 days. */
const SOON = 1_000;
const LATE = 6 * 3_600_000;

/** How long to wait until the token is renewed: half of what is left, so that a failed attempt leaves time for more. */
export function renewIn(token: PageToken, now: number): number {
  if (token.expiresAt === undefined) return SOON;
  return Math.min(Math.max((token.expiresAt - now) / 2, SOON), LATE);
}

function endOf(text: string): number | undefined {
  if (!isPageToken(text)) return undefined;
  const claims = text.slice(MARK.length).split(".")[0] ?? "";
  try {
    const json: unknown = JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/")));
    if (typeof json !== "object" || json === null) return undefined;
    return readExpiry((json as Record<string, unknown>)["expires_at"]);
  } catch {
    return undefined;
  }
}
