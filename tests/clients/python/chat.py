"""The OpenAI client for Python against a running Aether: what people's programs do, and what they are told when it is wrong.

AETHER_BASE_URL is the gateway's address with /v1, AETHER_KEY a key with the scope `chat`, and LLM_URL the language model's
server, which is asked whether it still generates. Prints one line of JSON per check and ends with 1 at the first that fails.
"""

import json
import os
import sys
import time
import traceback
import urllib.request
import uuid

import openai

KEY = os.environ["AETHER_KEY"]
LLM = os.environ["LLM_URL"]
# Answers on a busy machine without a graphics card.
PATIENCE_SECONDS = 120
OFF_THE_RECORD = {"X-Off-The-Record": "true"}

client = openai.OpenAI(base_url=os.environ["AETHER_BASE_URL"], api_key=KEY, max_retries=0, timeout=PATIENCE_SECONDS)
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city right now.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Name of the city."}},
            "required": ["city"],
        },
    },
}
ASKED_FOR_WEATHER = [{"role": "user", "content": "What is the weather in Paris right now?"}]


def ask(words: str, **more):
    return client.chat.completions.create(
        model="aether", messages=[{"role": "user", "content": words}], extra_headers=OFF_THE_RECORD, **more
    )


def raises(status: int, kind: type, **request):
    """The error that the client makes of what should fail, with the shape that every OpenAI error has."""
    request = {"model": "aether", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4, **request}
    try:
        client.chat.completions.create(**request)
    except openai.APIStatusError as error:
        assert error.status_code == status, f"{error.status_code} instead of {status}: {error.message}"
        assert isinstance(error, kind), f"{type(error).__name__} instead of {kind.__name__}"
        assert set(error.body) >= {"message", "type", "param", "code"}, error.body
        assert error.body["message"], "an error without a sentence"
        return error
    raise AssertionError(f"accepted: {str(request)[:200]}")


def generating() -> bool:
    with urllib.request.urlopen(f"{LLM}/slots", timeout=10) as reply:
        return any(slot["is_processing"] for slot in json.load(reply))


def until(what: str, condition, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def models():
    names = [model.id for model in client.models.list()]
    assert names[0] == "aether" and len(names) >= 2, names
    assert client.models.retrieve("aether").id == "aether"
    assert client.models.retrieve(names[1]).id == names[1]
    try:
        client.models.retrieve("no-such-model")
    except openai.NotFoundError as error:
        assert error.code == "model_not_found", error.body
    else:
        raise AssertionError("a model that is none was found")


def chat():
    reply = ask("Say hello in one short sentence.", max_tokens=24)
    choice = reply.choices[0]
    assert reply.object == "chat.completion" and reply.id and reply.created > 1_700_000_000, reply
    assert choice.index == 0 and choice.message.role == "assistant" and choice.message.content.strip(), choice
    assert choice.finish_reason in ("stop", "length"), choice
    usage = reply.usage
    assert usage.prompt_tokens > 0 and 0 < usage.completion_tokens <= 24, usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage


def limits():
    for name in ("max_tokens", "max_completion_tokens"):
        reply = ask("Count from one to one hundred.", **{name: 5})
        assert reply.choices[0].finish_reason == "length", reply
        assert 0 < reply.usage.completion_tokens <= 5, reply.usage


def stop():
    numbers = {"max_tokens": 32, "temperature": 0}
    whole = ask("Count from one to ten in digits, separated by commas.", **numbers).choices[0].message.content
    assert "3" in whole, whole
    reply = ask("Count from one to ten in digits, separated by commas.", stop=["3", "neverwhere"], **numbers).choices[0]
    assert "3" not in reply.message.content and reply.finish_reason == "stop", reply
    assert len(reply.message.content) < len(whole), (reply.message.content, whole)
    nothing = ask("Count from one to ten in digits, separated by commas.", stop=whole.strip()[0], **numbers).choices[0]
    assert (nothing.message.content, nothing.finish_reason) == ("", "stop"), nothing


def sampling():
    def story(seed: int, temperature: float) -> str:
        system = {"role": "system", "content": "You write stories."}
        words = {"role": "user", "content": "Begin a story about a ship."}
        reply = client.chat.completions.create(
            model="aether",
            messages=[system, words],
            seed=seed,
            temperature=temperature,
            top_p=0.95,
            max_tokens=16,
            extra_headers=OFF_THE_RECORD,
        )
        return reply.choices[0].message.content

    wild = [story(seed, 1.8) for seed in (1, 2, 3)]
    assert len(set(wild)) > 1, f"seed and temperature change nothing: {wild}"
    # The first of two equal requests fills the prompt's cache, and what is read from it differs in the last digits.
    cold = [story(seed, 0.0) for seed in (4, 5, 6)]
    assert cold[1] == cold[2], f"at temperature 0 the model has no choice: {cold}"


def stream():
    chunks = list(ask("Name three colours.", max_tokens=24, stream=True, stream_options={"include_usage": True}))
    assert len({chunk.id for chunk in chunks}) == 1 and all(c.object == "chat.completion.chunk" for c in chunks)
    *deltas, last = chunks
    assert last.choices == [] and last.usage.completion_tokens > 0, last
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens, last.usage
    assert all(chunk.usage is None for chunk in deltas), "usage before the end"
    assert deltas[0].choices[0].delta.role == "assistant", deltas[0]
    reasons = [chunk.choices[0].finish_reason for chunk in deltas]
    assert reasons[-1] in ("stop", "length") and not any(reasons[:-1]), reasons
    text = "".join(chunk.choices[0].delta.content or "" for chunk in deltas)
    assert text.strip() and len(deltas) > 4, f"{len(deltas)} chunks: {text}"
    silent = list(ask("Name three colours.", max_tokens=8, stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in silent), "usage that nobody asked for"


def assembled():
    # The client's own assembly takes only answers that have ended by themselves.
    words = [{"role": "user", "content": "What is the capital of France? Answer in one word."}]
    with client.chat.completions.stream(model="aether", messages=words, stop=["."], max_tokens=200) as events:
        pieces = [event.delta for event in events if event.type == "content.delta"]
        whole = events.get_final_completion().choices[0].message.content
    assert "".join(pieces) == whole and whole.strip(), (pieces, whole)


def tools():
    reply = client.chat.completions.create(
        model="aether", messages=ASKED_FOR_WEATHER, tools=[WEATHER], tool_choice="required", max_tokens=64
    )
    choice = reply.choices[0]
    assert choice.finish_reason == "tool_calls", choice
    call = choice.message.tool_calls[0]
    assert call.type == "function" and call.id and call.function.name == "get_weather", call
    assert json.loads(call.function.arguments)["city"], call

    result = {"role": "tool", "tool_call_id": call.id, "content": '{"sky": "rain", "celsius": 11}'}
    answer = client.chat.completions.create(
        model="aether",
        messages=[*ASKED_FOR_WEATHER, choice.message, result],
        tools=[WEATHER],
        tool_choice="none",
        max_tokens=48,
        temperature=0,
    ).choices[0]
    assert answer.message.content.strip() and not answer.message.tool_calls, answer
    assert "rain" in answer.message.content.lower() or "11" in answer.message.content, answer.message.content


def streamed_tools():
    forced = {"type": "function", "function": {"name": "get_weather"}}
    with client.chat.completions.stream(
        model="aether", messages=ASKED_FOR_WEATHER, tools=[WEATHER], tool_choice=forced, max_tokens=64
    ) as events:
        for _ in events:
            pass
        choice = events.get_final_completion().choices[0]
    assert choice.message.tool_calls, f"the function was not called: {choice}"
    call = choice.message.tool_calls[0]
    assert call.id and call.function.name == "get_weather", call
    assert json.loads(call.function.arguments)["city"], call
    assert not choice.message.content, f"a call is no text: {choice.message.content}"
    assert choice.finish_reason in ("tool_calls", "stop"), choice


def conversation():
    def say(words: str, header: str):
        reply = client.chat.completions.with_raw_response.create(
            model="aether",
            messages=[{"role": "user", "content": words}],
            max_tokens=32,
            temperature=0,
            extra_headers={"X-Conversation-Id": header},
        )
        return reply.headers["X-Conversation-Id"], reply.parse().choices[0].message.content

    conversation, _ = say("My dog is called Rex.", "new")
    assert str(uuid.UUID(conversation)) == conversation.lower(), conversation
    again, answer = say("What is my dog called?", conversation)
    assert again == conversation, (again, conversation)
    assert "rex" in answer.lower(), answer
    for nobodys in (str(uuid.uuid4()), "not an id"):
        raises(404, openai.NotFoundError, extra_headers={"X-Conversation-Id": nobodys})


def errors():
    stranger = client.with_options(api_key=KEY[:-1] + ("x" if KEY[-1] != "x" else "y"))
    for call in (stranger.models.list, lambda: client.with_options(api_key="sk-nobody").models.list()):
        try:
            call()
        except openai.AuthenticationError as error:
            assert error.code == "invalid_api_key", error.body
        else:
            raise AssertionError("a key that is none was accepted")

    unknown = raises(404, openai.NotFoundError, model="no-such-model")
    assert unknown.code == "model_not_found" and unknown.param == "model", unknown.body
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    wrong = {
        "messages": [
            {"messages": []},
            {"messages": "hello"},
            {"messages": [{"role": "wizard", "content": "hello"}]},
            {"messages": [{"role": "user", "content": 7}]},
            {"messages": [{"role": "user", "content": [picture]}]},
        ],
        "temperature": [{"temperature": "hot"}, {"temperature": 99}],
        "max_tokens": [{"max_tokens": -1}],
        "tool_choice": [{"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "other"}}}],
        "tools": [{"tools": [{"type": "function", "function": {"name": "no good name", "parameters": {}}}]}],
    }
    for field, requests in wrong.items():
        for request in requests:
            error = raises(400, openai.BadRequestError, **request)
            assert (error.param or "").startswith(field), f"{request} names {error.param!r}"
    raises(413, openai.APIStatusError, messages=[{"role": "user", "content": "word " * 500_000}])


def abort():
    events = ask("Tell me a very long story about a ship on the sea.", max_tokens=1500, stream=True)
    pieces = 0
    for chunk in events:
        pieces += bool(chunk.choices and chunk.choices[0].delta.content)
        if pieces == 3:
            break
    assert generating(), "the story was over before it was broken off"
    events.close()
    until("the language model stops", lambda: not generating(), 5)
    assert ask("Say hello.", max_tokens=4).choices[0].message.content, "and answers the next one"


CHECKS = [models, chat, limits, stop, sampling, stream, assembled, tools, streamed_tools, conversation, errors, abort]


def main() -> int:
    wanted = sys.argv[1:]
    for check in CHECKS:
        if wanted and check.__name__ not in wanted:
            continue
        began = time.monotonic()
        line = {"check": check.__name__, "ok": True}
        try:
            check()
        except Exception as error:
            line |= {"ok": False, "error": f"{type(error).__name__}: {error}", "where": traceback.format_exc()}
        line["took_ms"] = round((time.monotonic() - began) * 1000)
        print(json.dumps(line), flush=True)
        if not line["ok"]:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
