import { describe, expect, it } from "vitest";

import { keyBytes, obstacleOf, type Browser } from "../src/preferences/browser-push";
import { readRule, sentenceOfRule } from "../src/preferences/rule";
import { readSettings } from "../src/preferences/settings";
import { readTarget } from "../src/preferences/target";

describe("what was learned", () => {
  const sentence = (fields: object) => {
    const rule = readRule({ rule_id: "r1", ...fields });
    return rule && sentenceOfRule(rule);
  };

  it.each([
    [
      { source: "github", kind: "build.failed", decision: "digest", reason: "you dismissed it 3 times" },
      "build.failed from github: in the digest, because you dismissed it 3 times",
    ],
    [{ source: "github", decision: "never", reason: "Because you muted it." }, "Everything from github: not told, because you muted it"],
    [{ kind: "build.failed", decision: "now" }, "build.failed: at once"],
    [{ decision: "weekly" }, "Everything: weekly"],
    [{ decision: 7 }, "Everything: as learned"],
    [{ decision: "toString" }, "Everything: toString"],
  ])("is a sentence: %j", (fields, expected) => {
    expect(sentence(fields)).toBe(expected);
  });

  it("is nothing without an id: it could not be undone", () => {
    for (const value of [null, {}, [], "r1", { rule_id: 1 }]) expect(readRule(value)).toBeUndefined();
  });
});

describe("the settings", () => {
  const whole = {
    quiet_from: "22:00",
    quiet_until: "07:00",
    time_zone: "Europe/Berlin",
    digest_at: ["09:00", "18:00"],
    most_per_hour: 6,
  };

  it("are read as they come, the key beside them", () => {
    expect(readSettings({ ...whole, push_key: "BEl6" })).toEqual({ settings: whole, pushKey: "BEl6" });
    expect(readSettings({ ...whole, push_key: null }).pushKey).toBeUndefined();
  });

  it("have quiet hours from and until, or none", () => {
    const quiet = (quiet_from: unknown, quiet_until: unknown) => readSettings({ ...whole, quiet_from, quiet_until }).settings;
    for (const [from, until] of [
      [null, null],
      ["22:00", null],
      ["22:00", "25:00"],
      [22, 7],
    ]) {
      expect(quiet(from, until)).toMatchObject({ quiet_from: null, quiet_until: null });
    }
    expect(quiet("22:00:00", "07:00:00")).toMatchObject({ quiet_from: "22:00", quiet_until: "07:00" });
  });

  it("have defaults for what can't be read", () => {
    const none = { quiet_from: null, quiet_until: null, time_zone: "UTC", digest_at: [], most_per_hour: 0 };
    for (const value of [null, {}, { digest_at: "09:00", most_per_hour: -1 }, { digest_at: [9, "9:00"], most_per_hour: 1.5 }]) {
      expect(readSettings(value).settings).toEqual(none);
    }
  });
});

describe("a place to be told at", () => {
  it("is read with its secret where there is one", () => {
    const target = { target_id: "t1", channel: "webhook", address: "https://x", least_urgency: "high", broken: null };
    expect(readTarget({ ...target, secret: "s" })).toEqual({ ...target, broken: "", secret: "s" });
    expect(readTarget({ target_id: "t1", least_urgency: "unknown" })).toMatchObject({ least_urgency: "low", secret: undefined });
    expect(readTarget({ channel: "email" })).toBeUndefined();
  });
});

describe("this browser", () => {
  const able: Browser = { isSecure: true, hasPush: true, permission: "default" };

  it("can be notified unless something stands in the way, which is said", () => {
    expect(obstacleOf(able, "key")).toBeUndefined();
    expect(obstacleOf({ ...able, permission: "granted" }, "key")).toBeUndefined();
    const obstacles = [
      obstacleOf({ ...able, isSecure: false, hasPush: false }, "key"),
      obstacleOf({ ...able, hasPush: false, permission: undefined }, "key"),
      obstacleOf(able, undefined),
      obstacleOf({ ...able, permission: "denied" }, "key"),
    ];
    expect(obstacles.every((sentence) => sentence?.endsWith("."))).toBe(true);
    expect(new Set(obstacles).size).toBe(4);
    expect(obstacles[0]).toContain("https://");
  });

  it("takes the gateway's key as bytes", () => {
    expect([...keyBytes("-_8B")]).toEqual([0xfb, 0xff, 0x01]);
    expect(keyBytes(Buffer.alloc(65, 4).toString("base64url"))).toHaveLength(65);
  });
});
