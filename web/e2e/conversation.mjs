/**
 * A whole conversation in a real browser, against a running Aether: joining, being heard, hearing, typing, interrupting.
 *
 *     node e2e/conversation.mjs --url <link with token> --microphone <wav> --out <folder>
 *         [--second-microphone <wav>] [--chromium /usr/bin/chromium] [--lead-ms 7000] [--patience-ms 120000]
 *
 * The recording becomes the browser's microphone, after some silence in which the agent greets. One JSON line per step; the
 * first step that fails ends it with a reason. The sound that arrived while the spoken question was answered is in
 * `answer.wav`, pictures of the page beside it.
 */

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

import { encode, withSilenceBefore } from "./wav.mjs";
import { Ear } from "./ear.mjs";

const { values: options } = parseArgs({
  options: {
    url: { type: "string" },
    microphone: { type: "string" },
    "second-microphone": { type: "string" },
    out: { type: "string" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    "lead-ms": { type: "string", default: "7000" },
    "patience-ms": { type: "string", default: "120000" },
  },
});
for (const needed of ["url", "microphone", "out"]) {
  if (!options[needed]) {
    console.error(`say --${needed}; the first lines of e2e/conversation.mjs tell how`);
    process.exit(2);
  }
}
const patience = Number(options["patience-ms"]);
/** How long the voice may go on after an interruption. */
const SILENT_WITHIN_MS = 2_000;
const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };

/** Open browsers, closed at the end however it comes. */
const browsers = [];
let current = "start";

async function step(name, run) {
  current = name;
  const begun = performance.now();
  const found = (await run()) ?? {};
  console.log(JSON.stringify({ step: name, ok: true, ...found, took_ms: Math.round(performance.now() - begun) }));
  return found;
}

function expect(condition, sentence) {
  if (!condition) throw new Error(sentence);
}

/** A browser whose microphone is the recording. */
async function person(recording, file) {
  const microphone = join(options.out, file);
  await writeFile(microphone, withSilenceBefore(await readFile(recording), Number(options["lead-ms"])));
  const browser = await chromium.launch({
    executablePath: options.chromium,
    args: [
      "--no-sandbox",
      "--use-fake-device-for-media-stream",
      "--use-fake-ui-for-media-stream",
      `--use-file-for-fake-audio-capture=${microphone}%noloop`,
      "--autoplay-policy=no-user-gesture-required",
      // Candidates by address: a made-up name can't be resolved everywhere.
      "--disable-features=WebRtcHideLocalIpsWithMdns",
    ],
  });
  browsers.push(browser);
  const context = await browser.newContext({ viewport: SIZES.desktop, permissions: ["microphone"], reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    if (/Content Security Policy/i.test(message.text())) faults.push(message.text());
  });
  return { page, faults };
}

async function talk(page) {
  await page.goto(options.url);
  await page.getByText("Everything is ready").waitFor();
  await page.getByRole("button", { name: "Talk" }).click();
  await page.locator(".room:is([data-agent-state=listening], [data-agent-state=thinking], [data-agent-state=speaking])").waitFor();
}

/** The answer that follows this line. */
const answerTo = (line) => line.locator("xpath=following-sibling::article[contains(@class, 'answer')][1]");

const ended = (line) => line.and(line.page().locator("[data-end]:not([data-end=open])")).waitFor();
/** As it is seen; what only a screen reader says is left out. */
const wordsOf = (line) =>
  line.locator(".words").evaluate((words) =>
    [...words.childNodes]
      .filter((node) => !node.classList?.contains("visually-hidden"))
      .map((node) => node.textContent)
      .join(""),
  );

/** The n-th answer, counted from one. */
const answer = (page, number) => page.locator(".answer").nth(number - 1);
const answers = (page) => page.locator(".answer").count();

async function type(page, text) {
  const before = await page.locator(".said[data-modality=text][data-stage=final]").count();
  const number = (await answers(page)) + 1;
  await page.getByLabel("Message to the agent").fill(text);
  await page.keyboard.press("Enter");
  await page.locator(".said[data-modality=text][data-stage=final]").nth(before).waitFor();
  await answer(page, number).waitFor();
  return answer(page, number);
}

async function run() {
  await mkdir(options.out, { recursive: true });
  const { page, faults } = await person(options.microphone, "microphone.wav");
  const room = page.locator(".room");

  await step("joined", async () => {
    await talk(page);
    expect(!page.url().includes("aetherpage_"), "the token is still in the address bar");
    const place = await page.evaluate(() => document.activeElement.textContent.trim());
    expect(place === "Conversation with Aether", `after joining the focus is at "${place}"`);
    // Every state that LiveKit's hook reports from here on.
    await page.evaluate(() => {
      const room = document.querySelector(".room");
      const seen = (window.seenStates = new Set([room.dataset.agentState]));
      new MutationObserver(() => seen.add(room.dataset.agentState)).observe(room, { attributeFilter: ["data-agent-state"] });
    });
    return { state: await room.getAttribute("data-agent-state") };
  });
  const ear = await Ear.open(page);

  await step("greeting", async () => {
    await ended(answer(page, 1));
    return { text: await wordsOf(answer(page, 1)) };
  });

  const spoken = ".said[data-own=true][data-modality=voice][data-stage=final]";
  await step("question", async () => {
    await page.locator(spoken).first().waitFor();
    return { text: await wordsOf(page.locator(spoken).first()) };
  });

  await step("answer", async () => {
    const from = ear.now();
    const line = answerTo(page.locator(spoken).first());
    await line.waitFor();
    await ended(line);
    await ear.silence(await from);
    const samples = await ear.samples(await from);
    await writeFile(join(options.out, "answer.wav"), encode(samples, ear.rate));
    const loudest = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    expect(loudest > 0.02, `nothing was heard of the answer: its loudest sample is ${loudest.toFixed(4)}`);
    await line.locator(".latency").waitFor();
    return {
      text: await wordsOf(line),
      audio: "answer.wav",
      audio_ms: Math.round((samples.length / ear.rate) * 1000),
      answered_after: (await line.locator(".total").innerText()).replace(/\s+/g, " "),
    };
  });

  await step("livekit_hooks", async () => {
    const states = await page.evaluate(() => [...window.seenStates]);
    expect(states.includes("listening") && states.includes("speaking"), `LiveKit's hook saw only ${states.join(", ")}`);
    const captions = Number(await room.getAttribute("data-transcriptions"));
    expect(captions >= 2, `LiveKit's hook reports ${captions} captions; there were a question and an answer`);
    return { states, captions, source: await room.getAttribute("data-transcription-source") };
  });

  await step("typed", async () => {
    const line = await type(page, "What is two plus two?");
    await ended(line);
    expect((await line.getAttribute("data-end")) === "completed", "the typed question was not answered to its end");
    return { text: await wordsOf(line) };
  });

  await step("interrupted", async () => {
    const line = await type(page, "Tell me a long story about a lighthouse keeper, in at least ten sentences.");
    await page.locator(".room[data-agent-state=speaking]").waitFor();
    await ear.sound();
    const pressed = await ear.now();
    await page.getByRole("button", { name: "Interrupt" }).click();
    await page.locator(".room:not([data-agent-state=speaking])").waitFor({ timeout: SILENT_WITHIN_MS });
    const silentAfter = (await ear.silence(pressed)) - pressed;
    expect(silentAfter <= SILENT_WITHIN_MS, `the voice went on for ${Math.round(silentAfter)} ms after the interruption`);
    await ended(line);
    const end = await line.getAttribute("data-end");
    expect(end === "interrupted", `an interrupted answer ended as ${end}`);
    return { silent_after_ms: Math.round(silentAfter), text: await wordsOf(line) };
  });

  await step("unheard_is_grey", async () => {
    // Who types reads the answer; only who spoke has missed something. Another microphone plays the recording once more.
    const before = await page.locator(spoken).count();
    const number = (await answers(page)) + 1;
    const choice = page.getByLabel("Choice of microphone");
    const others = await choice.locator("option").evaluateAll((all) => all.map((option) => option.value));
    const other = others.find((id) => id !== "default" && id !== "");
    expect(other !== undefined, `there is no other microphone to choose among ${others.length}`);
    await choice.selectOption(other);
    await page.locator(spoken).nth(before).waitFor();
    const line = answer(page, number);
    await line.waitFor();
    await page.locator(".room[data-agent-state=speaking]").waitFor();
    await page.keyboard.press("Escape");
    await line.locator(".unheard").waitFor();
    const [grey, ink] = await line.evaluate((element) =>
      [".unheard", ".words"].map((part) => getComputedStyle(element.querySelector(part)).color),
    );
    expect(grey !== ink, `what was not heard looks like the rest: ${grey}`);
    return { unheard: await line.locator(".unheard").innerText(), grey, ink };
  });

  await step("written_only", async () => {
    const voice = page.getByRole("switch", { name: "Voice" });
    await ear.silence(await ear.now());
    await voice.click();
    await page.locator(".switch[aria-checked=false]", { hasText: "Voice" }).waitFor();
    const from = await ear.now();
    const line = await type(page, "Say yes.");
    await ended(line);
    const loudest = (await ear.samples(from)).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    expect(loudest < 0.01, `a muted agent was heard: its loudest sample is ${loudest.toFixed(4)}`);
    await voice.click();
    await page.locator(".switch[aria-checked=true]", { hasText: "Voice" }).waitFor();
    return { text: await wordsOf(line) };
  });

  await step("off_the_record", async () => {
    const record = page.getByRole("switch", { name: "Off the record" });
    await record.click();
    await page.locator(".room[data-off-the-record=true]").waitFor();
    await record.click();
    await page.locator(".room[data-off-the-record=false]").waitFor();
    return {};
  });

  if (options["second-microphone"]) {
    await step("second_person", async () => {
      const second = await person(options["second-microphone"], "second-microphone.wav");
      await talk(second.page);
      const theirs = page.locator(".said[data-own=false][data-modality=voice][data-stage=final]").first();
      await theirs.waitFor();
      const found = { text: await wordsOf(theirs), name: await theirs.locator(".who").innerText() };
      await second.page.getByRole("button", { name: "Leave" }).click();
      return found;
    });
  }

  await step("keyboard", async () => {
    // What is disabled takes no focus; something to send makes its button one of the stops.
    await page.getByLabel("Message to the agent").fill("…");
    await page.evaluate(() => document.activeElement.blur());
    const stops = [];
    for (let count = 0; count < 40; count++) {
      await page.keyboard.press("Tab");
      const stop = await page.evaluate(() => {
        const element = document.activeElement;
        const label = element.labels?.[0]?.innerText ?? element.getAttribute("aria-label") ?? element.innerText ?? "";
        const ring = getComputedStyle(element).outlineStyle !== "none" || element.matches("textarea");
        return { name: label.replace(/\s+/g, " ").trim(), tag: element.tagName, ring };
      });
      if (stop.tag === "BODY") break;
      stops.push(stop);
    }
    await page.getByLabel("Message to the agent").fill("");
    const names = stops.map((stop) => stop.name);
    for (const needed of ["Past conversations", "Leave", "Transcript", "Message to the agent", "Send", "Microphone", "Choice of microphone", "Voice of the agent", "Off the record"]) {
      expect(names.includes(needed), `Tab does not reach "${needed}", only ${JSON.stringify(names)}`);
    }
    for (const stop of stops) {
      expect(stop.name !== "", `a ${stop.tag} that Tab reaches has no name`);
      expect(stop.ring, `"${stop.name}" does not show that it has the focus`);
    }
    return { stops: names.length };
  });

  await step("pictures", async () => {
    // The keyboard walked through the transcript; the pictures show its end.
    const toEnd = page.getByRole("button", { name: "To the latest words" });
    if (await toEnd.isVisible()) await toEnd.click();
    await toEnd.waitFor({ state: "detached" });
    const files = [];
    for (const [size, viewport] of Object.entries(SIZES)) {
      for (const colorScheme of ["light", "dark"]) {
        await page.setViewportSize(viewport);
        await page.emulateMedia({ colorScheme });
        await page.waitForFunction(
          ([width, dark]) => innerWidth === width && matchMedia("(prefers-color-scheme: dark)").matches === dark,
          [viewport.width, colorScheme === "dark"],
        );
        const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(tooWide <= 0, `at ${size} width the page is ${tooWide} pixels wider than the window`);
        const file = `room-${size}-${colorScheme}.png`;
        await page.screenshot({ path: join(options.out, file) });
        files.push(file);
      }
    }
    await page.setViewportSize(SIZES.desktop);
    return { files };
  });

  await step("past_conversations", async () => {
    await page.getByRole("button", { name: "Past conversations" }).click();
    await page.locator(".session").first().click();
    await page.locator(".drawer .said .words").first().waitFor();
    await page.screenshot({ path: join(options.out, "past-desktop-dark.png") });
    await page.keyboard.press("Escape");
    await page.locator(".drawer").waitFor({ state: "detached" });
    return {};
  });

  await step("left", async () => {
    await page.getByRole("button", { name: "Leave" }).click();
    await page.getByRole("button", { name: "Talk" }).waitFor();
    expect(faults.length === 0, `the page reported: ${faults.join("; ")}`);
    return {};
  });
}

try {
  await run();
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error);
  console.log(JSON.stringify({ step: current, ok: false, reason }));
  console.error(`${current}: ${reason}`);
  const page = browsers[0]?.contexts()[0]?.pages()[0];
  await page?.screenshot({ path: join(options.out, "failed.png") }).catch(() => undefined);
  const seen = await page?.locator("body").innerText({ timeout: 1_000 }).catch(() => "");
  if (seen) console.error(`the page showed:\n${seen}`);
  process.exitCode = 1;
} finally {
  await Promise.all(browsers.map((browser) => browser.close().catch(() => undefined)));
}
