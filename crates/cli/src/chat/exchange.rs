use reqwest::{Method, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Talk, Thread};
use crate::{Error, api, sse::Events};

const CONVERSATION: &str = "x-conversation-id";
const OFF_THE_RECORD: &str = "x-off-the-record";

/// One message, and the answer as it comes.
pub struct Exchange {
    response: Response,
    events: Events,
    streamed: bool,
    pub answer: Answer,
}

/// What has come of an answer until now.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub text: String,
    pub conversation: Option<String>,
    pub model: Option<String>,
    /// Why it ended; an answer without a reason was cut off.
    pub finish_reason: Option<String>,
    pub usage: Option<Value>,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Value>,
    #[serde(default)]
    error: Option<Problem>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default, alias = "message")]
    delta: Delta,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
}

#[derive(Deserialize)]
struct Problem {
    message: String,
}

impl Exchange {
    /// Sends the message; dropping the exchange hangs up, which ends the answer everywhere.
    pub async fn begin(talk: &Talk, thread: &Thread, text: &str) -> Result<Self, Error> {
        // The agent's own name stands for whichever model it uses.
        let mut body = json!({ "model": "aether", "messages": thread.messages(text), "stream": talk.stream });
        if talk.stream {
            body["stream_options"] = json!({ "include_usage": true });
        }
        let mut request = talk.api.request(Method::POST, &["v1", "chat", "completions"])?.json(&body);
        if let Some(conversation) = thread.header() {
            request = request.header(CONVERSATION, conversation);
        }
        if thread.is_off_the_record() {
            request = request.header(OFF_THE_RECORD, "true");
        }
        let response = match talk.api.send(request).await {
            Err(error) if error.is_not_found() && thread.id().is_some() => {
                return Err(Error::Input(format!(
                    "there is no conversation {}: `aether session list` shows yours",
                    thread.id().unwrap_or_default()
                )));
            }
            outcome => outcome?,
        };
        // What is off the record can't be gone on with, whatever it is called.
        let kept = (!thread.is_off_the_record()).then_some(response.headers());
        let conversation =
            kept.and_then(|headers| headers.get(CONVERSATION)).and_then(|id| id.to_str().ok()).map(str::to_owned);
        let answer = Answer { conversation, ..Answer::default() };
        Ok(Self { response, events: Events::default(), streamed: talk.stream, answer })
    }

    /// The next piece of the answer; nothing when it is over. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            while let Some(data) = self.events.next() {
                if data == "[DONE]" {
                    return Ok(None);
                }
                let piece = self.answer.take(&data)?;
                if !piece.is_empty() {
                    return Ok(Some(piece));
                }
            }
            match self.response.chunk().await.map_err(api::Error::Broken)? {
                Some(bytes) if self.streamed => {
                    self.events.push(&bytes).map_err(|error| api::Error::Unexpected(error.to_string()))?;
                }
                Some(bytes) => self.answer.text.push_str(&String::from_utf8_lossy(&bytes)),
                None if self.streamed => {
                    return if self.answer.finish_reason.is_some() { Ok(None) } else { Err(cut_off()) };
                }
                None => return self.whole(),
            }
        }
    }

    /// Everything that is still to come.
    pub async fn rest(&mut self) -> Result<(), Error> {
        while self.next().await?.is_some() {}
        Ok(())
    }

    /// A body that is one object.
    fn whole(&mut self) -> Result<Option<String>, Error> {
        if self.answer.finish_reason.is_some() {
            return Ok(None);
        }
        let body = std::mem::take(&mut self.answer.text);
        let text = self.answer.take(&body)?;
        if self.answer.finish_reason.is_none() { Err(cut_off()) } else { Ok(Some(text)) }
    }
}

impl Answer {
    /// Adds one event, or the only object; returns what it brought of the text.
    fn take(&mut self, data: &str) -> Result<String, Error> {
        let chunk: Chunk = serde_json::from_str(data).map_err(|error| api::Error::Unexpected(error.to_string()))?;
        if let Some(problem) = chunk.error {
            return Err(Error::Input(problem.message));
        }
        self.model = chunk.model.or_else(|| self.model.take());
        self.usage = chunk.usage.or_else(|| self.usage.take());
        let mut piece = String::new();
        for choice in chunk.choices {
            piece.push_str(&choice.delta.content.unwrap_or_default());
            self.finish_reason = choice.finish_reason.or_else(|| self.finish_reason.take());
        }
        self.text.push_str(&piece);
        Ok(piece)
    }

    pub fn as_json(&self) -> Value {
        json!({
            "answer": self.text, "conversation": self.conversation, "model": self.model,
            "finish_reason": self.finish_reason, "usage": self.usage,
        })
    }
}

fn cut_off() -> Error {
    Error::Input("the answer was cut off before its end".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_grows_by_its_events() {
        let mut answer = Answer::default();
        let mut pieces = Vec::new();
        for data in [
            r#"{"model":"aether","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#,
            r#"{"model":"aether","choices":[{"index":0,"delta":{"content":"Mont "},"finish_reason":null}]}"#,
            r#"{"model":"aether","choices":[{"index":0,"delta":{"content":"Blanc"},"finish_reason":null}]}"#,
            r#"{"model":"aether","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#,
            r#"{"model":"aether","choices":[],"usage":{"total_tokens":12}}"#,
        ] {
            pieces.push(answer.take(data).unwrap());
        }
        assert_eq!(pieces, ["", "Mont ", "Blanc", "", ""]);
        assert_eq!((answer.text.as_str(), answer.finish_reason.as_deref()), ("Mont Blanc", Some("stop")));
        assert_eq!(answer.usage.unwrap()["total_tokens"], 12);
    }

    #[test]
    fn a_whole_answer_is_one_event() {
        let mut answer = Answer::default();
        let body = r#"{"model":"aether","choices":[{"index":0,"message":{"role":"assistant","content":"Yes."},"finish_reason":"stop"}]}"#;
        assert_eq!(answer.take(body).unwrap(), "Yes.");
        assert_eq!(answer.as_json()["answer"], "Yes.");
    }

    #[test]
    fn an_error_in_the_stream_is_told_in_its_own_words() {
        let error = Answer::default().take(r#"{"error":{"message":"the model is away","type":"server_error"}}"#);
        assert_eq!(error.unwrap_err().to_string(), "the model is away");
        assert!(Answer::default().take("<html>").is_err());
    }
}
