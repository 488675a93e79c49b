/**
 * Pictures of the page's states, to look at before calling a change done.
 *
 *     node dev/pictures.mjs --out <folder> [--only <beginning of a name>] [--chromium /usr/bin/chromium]
 */

import { mkdir } from "node:fs/promises";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { createServer } from "vite";

const { values } = parseArgs({
  options: { out: { type: "string" }, only: { type: "string", default: "" }, chromium: { type: "string", default: "/usr/bin/chromium" } },
});
if (!values.out) throw new Error("say where the pictures go: --out <folder>");

const SIZES = { phone: { width: 390, height: 844 }, narrow: { width: 360, height: 640 }, desktop: { width: 1280, height: 800 } };
const TOKEN = "#token=aetherpage_e30.stand-in";

const bell = async (page, tab) => {
  await page.getByRole("button", { name: /^Notifications/ }).click();
  if (tab) await page.getByRole("tab", { name: tab }).click();
};
/** The end of what scrolls in the drawer. */
const toEnd = (page) => page.getByRole("tabpanel").evaluate((panel) => panel.scrollTo(0, panel.scrollHeight));

/** Name, address, and what to do before the picture; the stand-in's mood, where it is not `ready`. */
const SCENES = [
  ["door", "/", undefined],
  ["start", `/${TOKEN}`, (page) => page.getByText("Everything is ready").waitFor()],
  ["loading", `/${TOKEN}`, (page) => page.getByText("still loading").first().waitFor(), "loading"],
  ...["empty", "partial", "thinking", "interrupted", "record", "told", "troubles"].map((state) => [
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
      await page.getByText("The dentist").click();
      await page.getByText("Noted").waitFor();
    },
  ],
  [
    "notifications",
    `/${TOKEN}`,
    async (page) => {
      await bell(page);
      await page.getByText("A package arrives").waitFor();
    },
  ],
  [
    "notifications-end",
    `/${TOKEN}`,
    async (page) => {
      await bell(page);
      await page.getByText("A package arrives").waitFor();
      await toEnd(page);
    },
  ],
  [
    "notification-muted",
    `/${TOKEN}`,
    async (page) => {
      await bell(page);
      await page.getByRole("button", { name: "Never tell me" }).first().click();
      await page.getByText("Learned:").waitFor();
      await page.getByRole("button", { name: "Later" }).nth(1).click();
    },
  ],
  [
    "notifications-none",
    `/${TOKEN}`,
    async (page) => {
      await bell(page);
      await page.getByText("Nothing yet").waitFor();
    },
    "nothing",
  ],
  [
    "notifications-broken",
    `/${TOKEN}`,
    async (page) => {
      await bell(page);
      await page.getByText("the database does not answer").waitFor();
    },
    "broken",
  ],
  [
    "tasks",
    `/${TOKEN}`,
    async (page) => {
      await bell(page, "Tasks");
      await page.getByText("take the bread out").waitFor();
    },
  ],
  [
    "tasks-none",
    `/${TOKEN}`,
    async (page) => {
      await bell(page, "Tasks");
      await page.getByText("Nothing is left to do").waitFor();
    },
    "nothing",
  ],
  [
    "preferences",
    `/${TOKEN}`,
    async (page) => {
      await bell(page, "Preferences");
      await page.getByText("in the digest, because").waitFor();
      await page.getByLabel("Quiet hours").waitFor();
    },
  ],
  [
    "preferences-end",
    `/${TOKEN}`,
    async (page) => {
      await bell(page, "Preferences");
      await page.getByLabel("Quiet hours").waitFor();
      await page.getByRole("combobox", { name: "Tell me also by" }).selectOption("webhook");
      await page.getByRole("textbox", { name: "URL" }).fill("https://example.org/hook");
      await page.getByRole("button", { name: "Add", exact: true }).click();
      await page.getByText("Copy it now").waitFor();
      await page.getByRole("button", { name: "Notify me in this browser" }).click();
      await page.getByText("does not let this page notify").waitFor();
      await toEnd(page);
    },
  ],
  [
    "preferences-broken",
    `/${TOKEN}`,
    async (page) => {
      await bell(page, "Preferences");
      await page.getByText("the database does not answer").first().waitFor();
    },
    "broken",
  ],
  ["toast", `/${TOKEN}`, (page) => page.getByRole("button", { name: "Dismiss" }).waitFor(), "telling"],
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
        if (!name.startsWith(values.only)) continue;
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
