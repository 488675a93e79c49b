// All dashboards, and the text of their files.

import { bus } from "./dashboards/bus.js";
import { engines } from "./dashboards/engines.js";
import { memoryAndJobs } from "./dashboards/memory-and-jobs.js";
import { rooms } from "./dashboards/rooms.js";
import { turnLatency } from "./dashboards/turn-latency.js";
import { dashboard } from "./panels.js";

export const FILES: ReadonlyMap<string, string> = new Map(
  [turnLatency, rooms, engines, bus, memoryAndJobs].map((page) => [
    `${page.uid}.json`,
    `${JSON.stringify(dashboard(page), null, 2)}\n`,
  ]),
);
