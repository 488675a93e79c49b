// Where things lie, seen from the compiled files.

import { fileURLToPath } from "node:url";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export const DASHBOARDS = at("../dashboards/");
export const ROOT = at("../../../");
