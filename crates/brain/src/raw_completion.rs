//! `llm.request`: a completion without persona, history or memory.
//!
//! What somebody waits for is streamed. Background work starts only while nobody waits for anything; when somebody comes, it
//! is given up and begun again later, so its answer is sent in one piece when it is whole.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use aether_bus::IncomingCall;
use aether_llm::{ChatRequest, Delta, FinishReason, Message};
use aether_proto::{Done, Error, ErrorCode, LlmClass, LlmInput, LlmOutput, TextChunk, Usage, llm_output};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::input::invalid;
use crate::mind::{Mind, llm_error};
use crate::turn::milliseconds;

/// The longest prompt, in bytes: more than any local model's context.
const MAX_PROMPT: usize = 512 * 1024;
/// So long before a caller's deadline background work that others stood in the way of is given back.
const BEFORE_THE_DEADLINE: Duration = Duration::from_secs(1);
/// Who has as much time as this is not in the way between two turns of a conversation.
const UNHURRIED: Duration = Duration::from_secs(60);
/// Of a caller without a deadline.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

pub type Call = IncomingCall<LlmInput, LlmOutput>;

/// Answers one `llm.request` call.
pub async fn serve(mind: Arc<Mind>, call: Call) -> Result<(), Error> {
    let request = read(&mind, &call)?;
    let over = call.cancelled();
    let work = async {
        match call.open().class() {
            LlmClass::Background => in_background(&mind, &call, request).await,
            LlmClass::Interactive | LlmClass::Unspecified => {
                let _interactive = mind.gate.interactive();
                stream(&mind, &call, request).await
            }
        }
    };
    over.run_until_cancelled(work).await.unwrap_or(Err(aether_bus::CallEnded.into()))
}

fn read(mind: &Mind, call: &Call) -> Result<ChatRequest, Error> {
    let LlmInput { messages, max_output_tokens, temperature, response_schema, .. } = call.open();
    if messages.is_empty() {
        return Err(invalid("a completion needs at least one message"));
    }
    if messages.iter().map(|message| message.content.len()).sum::<usize>() > MAX_PROMPT {
        return Err(invalid(format_args!("the messages are longer than {MAX_PROMPT} bytes")));
    }
    let messages = messages.iter().map(|message| match message.role.as_str() {
        "system" => Ok(Message::system(&message.content)),
        "user" => Ok(Message::user(&message.content)),
        "assistant" => Ok(Message::assistant(&message.content)),
        other => Err(invalid(format_args!("{other:?} is not a role: use system, user or assistant"))),
    });
    let messages = messages.collect::<Result<_, _>>()?;
    let response_schema = match response_schema.as_str() {
        "" => None,
        text => Some(
            serde_json::from_str(text)
                .map_err(|error| invalid(format_args!("`response_schema` is no JSON: {error}")))?,
        ),
    };
    Ok(ChatRequest {
        max_tokens: NonZeroU32::new(*max_output_tokens).unwrap_or(mind.options.max_output_tokens),
        temperature: *temperature,
        response_schema,
        total: call.context().deadline(),
        ..ChatRequest::new(messages)
    })
}

async fn stream(mind: &Mind, call: &Call, request: ChatRequest) -> Result<(), Error> {
    let started = Instant::now();
    let mut first_token = Duration::ZERO;
    let mut index = 0;
    let mut completion = mind.llm.chat(request, call.cancelled());
    while let Some(delta) = completion.next().await {
        match delta.map_err(|error| unanswered(&error))? {
            Delta::Text(text) => {
                if index == 0 {
                    first_token = started.elapsed();
                }
                send(call, llm_output::Output::TextChunk(TextChunk { index, text })).await?;
                index += 1;
            }
            // Without tools there are no calls.
            Delta::Thinking(_) | Delta::ToolCall(_) | Delta::MalformedCall(_) => {}
            Delta::Usage(counted) => send(call, llm_output::Output::Usage(usage(mind, &counted))).await?,
            Delta::Done(reason) => return send(call, done(reason, first_token, started)).await,
        }
    }
    Err(ErrorCode::Internal.error("the answer ended without an end"))
}

async fn in_background(mind: &Mind, call: &Call, request: ChatRequest) -> Result<(), Error> {
    // Somebody who talks on and on is no fault of the model's: the caller learns which of the two it was.
    let patience = call.context().deadline().map_or(FOR_EVER, |left| left.saturating_sub(BEFORE_THE_DEADLINE));
    let too_late = Instant::now() + patience;
    let rest = if patience >= UNHURRIED { mind.options.background_rest } else { Duration::ZERO };
    let _turn = timeout_at(too_late, mind.gate.background()).await.map_err(|_| busy())?;
    let started = Instant::now();
    let mut was_displaced = false;
    let whole = loop {
        timeout_at(too_late, mind.gate.free(rest)).await.map_err(|_| busy())?;
        // Dropping the attempt aborts its request, so that the server stops generating.
        tokio::select! {
            biased;
            () = mind.gate.taken() => was_displaced = true,
            () = sleep_until(too_late), if was_displaced => return Err(busy()),
            whole = collect(mind, call, request.clone()) => break whole?,
        }
    };
    let first_token = started.elapsed();
    if !whole.text.is_empty() {
        send(call, llm_output::Output::TextChunk(TextChunk { index: 0, text: whole.text })).await?;
    }
    if let Some(usage) = whole.usage {
        send(call, llm_output::Output::Usage(usage)).await?;
    }
    send(call, done(whole.finish, first_token, started)).await
}

fn busy() -> Error {
    ErrorCode::Overloaded.error("people talked all the time, so what nobody waits for was not begun or not finished")
}

/// A model that refuses what it is asked is there, and will refuse it again.
fn unanswered(error: &aether_llm::Error) -> Error {
    match error.fault_of_the_request() {
        Some(_) => invalid(aether_telemetry::with_causes(error)),
        None => llm_error(error),
    }
}

struct Whole {
    text: String,
    usage: Option<Usage>,
    finish: FinishReason,
}

async fn collect(mind: &Mind, call: &Call, request: ChatRequest) -> Result<Whole, Error> {
    let mut whole = Whole { text: String::new(), usage: None, finish: FinishReason::Stop };
    let mut completion = mind.llm.chat(request, call.cancelled());
    while let Some(delta) = completion.next().await {
        match delta.map_err(|error| unanswered(&error))? {
            Delta::Text(text) => whole.text.push_str(&text),
            // Without tools there are no calls.
            Delta::Thinking(_) | Delta::ToolCall(_) | Delta::MalformedCall(_) => {}
            Delta::Usage(counted) => whole.usage = Some(usage(mind, &counted)),
            Delta::Done(reason) => return Ok(Whole { finish: reason, ..whole }),
        }
    }
    Err(ErrorCode::Internal.error("the answer ended without an end"))
}

fn usage(mind: &Mind, counted: &aether_llm::Usage) -> Usage {
    Usage {
        model: mind.llm.options().model.clone(),
        input_tokens: counted.input_tokens,
        output_tokens: counted.output_tokens,
    }
}

fn done(reason: FinishReason, first_token: Duration, started: Instant) -> llm_output::Output {
    llm_output::Output::Done(Done {
        finish_reason: reason.as_str().to_owned(),
        first_token_ms: milliseconds(first_token),
        total_ms: milliseconds(started.elapsed()),
        model_first_token_us: u32::try_from(first_token.as_micros()).unwrap_or(u32::MAX),
        ..Done::default()
    })
}

async fn send(call: &Call, output: llm_output::Output) -> Result<(), Error> {
    Ok(call.send(&LlmOutput { output: Some(output) }).await?)
}
