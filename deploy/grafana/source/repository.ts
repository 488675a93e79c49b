// The files that are checked.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { FILES } from "./dashboards.js";
import { ROOT } from "./places.js";

export interface Repository {
  /** Paths begin at the root of the repository. */
  read(path: string): string;
  has(path: string): boolean;
  /** Every file below a folder. */
  list(folder: string): string[];
  /** What the dashboards' files are to be. */
  dashboards: ReadonlyMap<string, string>;
}

export const OURS: Repository = {
  read: (path) => readFileSync(join(ROOT, path), "utf8"),
  has: (path) => existsSync(join(ROOT, path)),
  list: (folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length)),
  dashboards: FILES,
};
