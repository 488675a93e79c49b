// Writes dashboards/*.json from what is described here. Grafana reads only those.

import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { FILES } from "./dashboards.js";
import { DASHBOARDS } from "./places.js";

for (const name of readdirSync(DASHBOARDS)) {
  if (name.endsWith(".json") && !FILES.has(name)) rmSync(join(DASHBOARDS, name));
}
for (const [name, text] of FILES) writeFileSync(join(DASHBOARDS, name), text);
