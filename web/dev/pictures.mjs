/**
 * Pictures of the page's states, to look at before calling a change done.
 *
 *     node dev/pictures.mjs --out <folder> [--chromium /usr/bin/chromium]
 */

import { mkdir } from "node:fs/promises";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { createServer } from "vite";

const { values } = parseArgs({
  options: { out: { type: "string" }, chromium: { type: "string", default: "/usr/bin/chromium" } },
});
if (!values.out) throw new Error("say where the pictures go: --out <folder>");

const SIZES = { phone: { width: 390, height: 844 }, narrow: { width: 360, height: 640 }, desktop: { width: 1280, height: 800 } };
const TOKEN = "#token=aetherpage_e30.stand-in";

/** Name, address, and what to do before the picture. */
const SCENES = [
  ["door", "/", undefined],
  ["start", `/${TOKEN}`, (page) => page.getByText("Everything is ready").waitFor()],
  ["loading", `/${TOKEN}`, (page) => page.getByText("still loading").first().waitFor(), "loading"],
  ...["empty", "partial", "thinking", "interrupted", "record", "troubles"].map((state) => [
    state,
    `/dev/gallery.html?state=${state}`,
    (page) => page.getByRole("log").waitFor(),
  ]),
  ["latency", "/dev/gallery.html?state=partial", (page) => page.locator("details summary").last().click()],
  [
    "past",
    `/${TOKEN}`,
    async (page) => {
      await page.getByRole("button", { name: "Past conversations" }).click();
      await page.getByText("Yesterday").waitFor();
    },
  ],
  [
    "past-one",
    `/${TOKEN}`,
    async (page) => {
      await page.getByRole("button", { name: "Past conversations" }).click();
      await page.getByText("dentist").click();
      await page.getByText("Noted").waitFor();
    },
  ],
];

await mkdir(values.out, { recursive: true });
const server = await createServer({ configFile: new URL("vite.config.ts", import.meta.url).pathname, server: { port: 0 } });
await server.listen();
const { port } = server.httpServer.address();
const browser = await chromium.launch({ executablePath: values.chromium, args: ["--no-sandbox"] });
try {
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of ["light", "dark"]) {
      for (const [name, path, prepare, mood = "ready"] of SCENES) {
        const context = await browser.newContext({ viewport, colorScheme, reducedMotion: "reduce", deviceScaleFactor: 1 });
        const page = await context.newPage();
        page.on("pageerror", (error) => console.error(`${name}: ${error.message}`));
        await page.goto(`http://localhost:${port}/stand-in/mood/${mood}`);
        await page.goto(`http://localhost:${port}${path}`);
        await prepare?.(page);
        const tooWide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
        if (tooWide) console.error(`${name} at ${size}: wider than the window`);
        await page.screenshot({ path: `${values.out}/${name}-${size}-${colorScheme}.png` });
        await context.close();
      }
    }
  }
} finally {
  await browser.close();
  await server.close();
}
