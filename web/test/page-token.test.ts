import { describe, expect, it } from "vitest";

import { hasEnded, readExpiry, readToken, renewIn, tokenOfFragment, withoutToken } from "../src/access/page-token";

const NOW = 1_800_000_000_000;

function tokenWith(claims: unknown): string {
  const json = Buffer.from(JSON.stringify(claims)).toString("base64url");
  return `aetherpage_${json}.c2lnbmF0dXJl`;
}

describe("a page token", () => {
  it("is found in the link's fragment and nowhere else", () => {
    expect(tokenOfFragment("#token=aetherpage_a.b")).toBe("aetherpage_a.b");
    expect(tokenOfFragment("#room=home&token=aetherpage_a.b")).toBe("aetherpage_a.b");
    expect(tokenOfFragment("#token=")).toBeUndefined();
    expect(tokenOfFragment("")).toBeUndefined();
  });

  it("leaves the address without a trace, and the rest of the address as it was", () => {
    expect(withoutToken("http://localhost:8000/#token=aetherpage_a.b")).toBe("http://localhost:8000/");
    expect(withoutToken("http://localhost:8000/?a=1#x=2&token=t")).toBe("http://localhost:8000/?a=1#x=2");
  });

  it("says when it ends, whatever signs its claims hold", () => {
    const token = readToken(tokenWith({ person: "Ådå ÿ??>", expires_at: NOW / 1000 + 60 }));
    expect(token.expiresAt).toBe(NOW + 60_000);
    expect(hasEnded(token, NOW)).toBe(false);
    expect(hasEnded(token, NOW + 60_000)).toBe(true);
  });

  it.each(["aetherpage_", "aetherpage_%%%.x", "aether_key_secret", tokenWith(null), tokenWith({ expires_at: "soon" })])(
    "is taken without a known end when it can't be read: %s",
    (text) => {
      expect(readToken(text)).toEqual({ text, expiresAt: undefined });
      expect(hasEnded(readToken(text), NOW)).toBe(false);
    },
  );

  it("is renewed when half of its time is over, at once where the end is unknown or near, and at least every six hours", () => {
    const inHours = (hours: number) => ({ text: "t", expiresAt: NOW + hours * 3_600_000 });
    expect(renewIn(inHours(8), NOW)).toBe(4 * 3_600_000);
    expect(renewIn(inHours(100 * 24), NOW)).toBe(6 * 3_600_000);
    expect(renewIn(inHours(-1), NOW)).toBe(1_000);
    expect(renewIn({ text: "t", expiresAt: undefined }, NOW)).toBe(1_000);
  });

  it("ends at a number of seconds or at a date", () => {
    expect(readExpiry(1_800_000_000)).toBe(NOW);
    expect(readExpiry("2027-01-15T08:00:00Z")).toBe(NOW);
    expect(readExpiry(undefined)).toBeUndefined();
  });
});
