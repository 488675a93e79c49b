// The OpenAI client for Node against a running Aether: what people's programs do, and what they are told when it is wrong.
//
// AETHER_BASE_URL is the gateway's address with /v1, AETHER_KEY a key with the scope `chat`, and LLM_URL the language model's
// server, which is asked whether it still generates. Prints one line of JSON per check and ends with 1 at the first that fails.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import process from "node:process";

import OpenAI from "openai";

const { AETHER_BASE_URL: baseURL, AETHER_KEY: apiKey, LLM_URL: llm } = process.env;
// Answers on a busy machine without a graphics card.
const PATIENCE_MS = 120_000;
const OFF_THE_RECORD = { headers: { "X-Off-The-Record": "true" } };

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: PATIENCE_MS });
const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather in a city right now.",
    parameters: {
      type: "object",
      properties: { city: { type: "string", description: "Name of the city." } },
      required: ["city"],
    },
  },
};
const ASKED_FOR_WEATHER = [{ role: "user", content: "What is the weather in Paris right now?" }];

const user = (content) => [{ role: "user", content }];
const ask = (words, more = {}, options = OFF_THE_RECORD) =>
  client.chat.completions.create({ model: "aether", messages: user(words), ...more }, options);

/** The error that the client makes of what should fail, with the shape that every OpenAI error has. */
async function refused(status, kind, request, options = undefined) {
  const whole = { model: "aether", messages: user("Hello"), max_tokens: 4, ...request };
  try {
    await client.chat.completions.create(whole, options);
  } catch (error) {
    assert.equal(error.status, status, error.message);
    assert.ok(error instanceof kind, `${error.constructor.name} instead of ${kind.name}`);
    for (const field of ["message", "type", "param", "code"]) assert.ok(field in error.error, `no ${field}`);
    assert.ok(error.error.message, "an error without a sentence");
    return error;
  }
  return assert.fail(`accepted: ${JSON.stringify(request).slice(0, 200)}`);
}

async function generating() {
  const slots = await (await fetch(`${llm}/slots`)).json();
  return slots.some((slot) => slot.is_processing);
}

async function until(what, condition, seconds) {
  const deadline = Date.now() + seconds * 1000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function models() {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.equal(names[0], "aether");
  assert.ok(names.length >= 2, names.join());
  assert.equal((await client.models.retrieve(names[1])).id, names[1]);
  await assert.rejects(client.models.retrieve("no-such-model"), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, "model_not_found");
    return true;
  });
}

async function chat() {
  const reply = await ask("Say hello in one short sentence.", { max_tokens: 24 });
  assert.equal(reply.object, "chat.completion");
  const [choice] = reply.choices;
  assert.equal(choice.message.role, "assistant");
  assert.ok(choice.message.content.trim());
  assert.ok(["stop", "length"].includes(choice.finish_reason));
  const { prompt_tokens, completion_tokens, total_tokens } = reply.usage;
  assert.ok(prompt_tokens > 0 && completion_tokens > 0 && completion_tokens <= 24);
  assert.equal(total_tokens, prompt_tokens + completion_tokens);
  const short = await ask("Count from one to one hundred.", { max_completion_tokens: 5 });
  assert.equal(short.choices[0].finish_reason, "length");
}

async function stop() {
  const counting = ["Count from one to ten in digits, separated by commas.", { max_tokens: 32, temperature: 0, stop: "3" }];
  const { choices } = await ask(...counting);
  assert.ok(!choices[0].message.content.includes("3"), choices[0].message.content);
  assert.equal(choices[0].finish_reason, "stop");
  // Stopped before its first word it is no failure, only empty.
  const [words, numbers] = counting;
  const begin = choices[0].message.content.trim()[0];
  const empty = await ask(words, { ...numbers, stop: begin, stream: true });
  let text = "";
  let reason = null;
  for await (const chunk of empty) {
    text += chunk.choices[0].delta.content ?? "";
    reason = chunk.choices[0].finish_reason ?? reason;
  }
  assert.deepEqual([text, reason], ["", "stop"]);
}

async function stream() {
  const options = { max_tokens: 24, stream: true, stream_options: { include_usage: true } };
  const chunks = [];
  for await (const chunk of await ask("Name three colours.", options)) chunks.push(chunk);
  assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  assert.equal(last.usage.total_tokens, last.usage.prompt_tokens + last.usage.completion_tokens);
  assert.ok(chunks.every((chunk) => chunk.usage === null), "usage before the end");
  assert.equal(chunks[0].choices[0].delta.role, "assistant");
  const reasons = chunks.map((chunk) => chunk.choices[0].finish_reason);
  assert.ok(["stop", "length"].includes(reasons.pop()));
  assert.ok(reasons.every((reason) => reason === null));
  assert.ok(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join("").trim());
}

async function assembled() {
  const words = "What is the capital of France? Answer in one word.";
  const runner = client.chat.completions.stream({ model: "aether", messages: user(words), stop: ["."], max_tokens: 200 });
  let text = "";
  runner.on("content", (delta) => {
    text += delta;
  });
  assert.equal(await runner.finalContent(), text);
  assert.ok(text.trim());
}

async function tools() {
  const forced = { type: "function", function: { name: "get_weather" } };
  const request = { model: "aether", messages: ASKED_FOR_WEATHER, tools: [WEATHER], max_tokens: 64 };
  const { choices } = await client.chat.completions.create({ ...request, tool_choice: forced });
  assert.equal(choices[0].message.tool_calls[0].function.name, "get_weather");

  const runner = client.chat.completions.stream({ ...request, tool_choice: "required" });
  const completion = await runner.finalChatCompletion();
  assert.equal(completion.choices[0].finish_reason, "tool_calls");
  const { message } = completion.choices[0];
  const [call] = message.tool_calls;
  assert.ok(call.id && call.function.name === "get_weather", JSON.stringify(call));
  assert.ok(JSON.parse(call.function.arguments).city, call.function.arguments);

  const result = { role: "tool", tool_call_id: call.id, content: '{"sky": "rain", "celsius": 11}' };
  const answer = await client.chat.completions.create({
    ...request,
    messages: [...ASKED_FOR_WEATHER, message, result],
    tool_choice: "none",
    temperature: 0,
  });
  assert.match(answer.choices[0].message.content, /rain|11/i);
}

async function conversation() {
  const say = async (words, id) => {
    const request = { model: "aether", messages: user(words), max_tokens: 32, temperature: 0 };
    const { data, response } = await client.chat.completions
      .create(request, { headers: { "X-Conversation-Id": id } })
      .withResponse();
    return [response.headers.get("x-conversation-id"), data.choices[0].message.content];
  };
  const [id] = await say("My cat is called Tom.", "new");
  const [again, answer] = await say("What is my cat called?", id);
  assert.equal(again, id);
  assert.match(answer, /tom/i);
  await refused(404, OpenAI.NotFoundError, {}, { headers: { "X-Conversation-Id": randomUUID() } });
}

async function errors() {
  const stranger = new OpenAI({ baseURL, apiKey: "sk-nobody", maxRetries: 0 });
  await assert.rejects(stranger.models.list(), (error) => {
    assert.ok(error instanceof OpenAI.AuthenticationError);
    assert.equal(error.code, "invalid_api_key");
    return true;
  });
  const unknown = await refused(404, OpenAI.NotFoundError, { model: "no-such-model" });
  assert.equal(unknown.code, "model_not_found");
  assert.equal(unknown.param, "model");
  const wrong = [
    ["messages", { messages: [] }],
    ["messages", { messages: [{ role: "wizard", content: "hello" }] }],
    ["temperature", { temperature: "hot" }],
    ["stop", { stop: 7 }],
  ];
  for (const [field, request] of wrong) {
    const { param } = await refused(400, OpenAI.BadRequestError, request);
    assert.ok(param?.startsWith(field), `${field}: ${param}`);
  }
  await refused(413, OpenAI.APIError, { messages: user("word ".repeat(500_000)) });
}

async function abort() {
  const events = await ask("Tell me a very long story about a ship on the sea.", { max_tokens: 1500, stream: true });
  let pieces = 0;
  for await (const chunk of events) {
    pieces += chunk.choices[0]?.delta.content ? 1 : 0;
    if (pieces === 3) {
      assert.ok(await generating(), "the story was over before it was broken off");
      events.controller.abort();
      break;
    }
  }
  await until("the language model stops", async () => !(await generating()), 5);
  const controller = new AbortController();
  const waiting = ask("Tell me a very long story about a ship.", { max_tokens: 1500 }, { signal: controller.signal });
  await until("the language model works", generating, 30);
  controller.abort();
  await assert.rejects(waiting, OpenAI.APIUserAbortError);
  await until("the language model stops", async () => !(await generating()), 5);
  assert.ok((await ask("Say hello.", { max_tokens: 4 })).choices[0].message.content);
}

const wanted = process.argv.slice(2);
for (const check of [models, chat, stop, stream, assembled, tools, conversation, errors, abort]) {
  if (wanted.length > 0 && !wanted.includes(check.name)) continue;
  const began = Date.now();
  const line = { check: check.name, ok: true };
  try {
    await check();
  } catch (error) {
    Object.assign(line, { ok: false, error: `${error}`, where: error.stack });
  }
  line.took_ms = Date.now() - began;
  console.log(JSON.stringify(line));
  if (!line.ok) process.exit(1);
}
