//! The two dialects and where they differ: path, request body, parser.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::{ChatRequest, Delta, Options, ParseError, ollama, openai};

/// How a language model's server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Ollama's own API.
    Ollama,
    /// The OpenAI-compatible API of llama.cpp, vLLM and others.
    OpenAi,
}

/// The text names no dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a dialect; use ollama or openai")]
pub struct UnknownDialect {
    pub given: String,
}

impl Dialect {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ollama => "ollama",
            Self::OpenAi => "openai",
        }
    }

    pub fn parser(self) -> Parser {
        match self {
            Self::Ollama => Parser::Ollama(ollama::Parser::default()),
            Self::OpenAi => Parser::OpenAi(openai::Parser::default()),
        }
    }

    pub(crate) fn chat_url(self, endpoint: &Url) -> Url {
        self.url(endpoint, ["api", "chat"], ["chat", "completions"])
    }

    /// Where text is continued and the candidates for the next token are told. Ollama tells them nowhere that we know of.
    pub(crate) fn completions_url(self, endpoint: &Url) -> Option<Url> {
        match self {
            Self::Ollama => None,
            Self::OpenAi => Some(self.url(endpoint, ["", ""], ["completions", ""])),
        }
    }

    pub(crate) fn models_url(self, endpoint: &Url) -> Url {
        self.url(endpoint, ["api", "tags"], ["models", ""])
    }

    pub(crate) fn chat_body(self, options: &Options, request: &ChatRequest) -> Value {
        match self {
            Self::Ollama => ollama::chat_body(options, request),
            Self::OpenAi => openai::chat_body(options, request),
        }
    }

    pub(crate) fn model_names(self, body: &Value) -> Option<Vec<String>> {
        let (list, name) = match self {
            Self::Ollama => ("models", "name"),
            Self::OpenAi => ("data", "id"),
        };
        let models = body.get(list)?.as_array()?;
        Some(models.iter().filter_map(|model| model.get(name)?.as_str().map(str::to_owned)).collect())
    }

    /// People write an OpenAI-compatible endpoint with and without its `/v1`; both are right.
    fn url(self, endpoint: &Url, ollama: [&str; 2], openai: [&str; 2]) -> Url {
        let base = endpoint.path().trim_end_matches('/');
        let (prefix, parts) = match self {
            Self::Ollama => (base.to_owned(), ollama),
            Self::OpenAi if base.ends_with("/v1") => (base.to_owned(), openai),
            Self::OpenAi => (format!("{base}/v1"), openai),
        };
        let mut url = endpoint.clone();
        url.set_path(format!("{prefix}/{}", parts.join("/")).trim_end_matches('/'));
        url
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        match text {
            "ollama" => Ok(Self::Ollama),
            "openai" => Ok(Self::OpenAi),
            given => Err(UnknownDialect { given: given.to_owned() }),
        }
    }
}

/// The bytes of one answer, fed as they come, → deltas.
#[derive(Debug)]
pub enum Parser {
    Ollama(ollama::Parser),
    OpenAi(openai::Parser),
}

impl Parser {
    /// Appends what `bytes` complete to `deltas`. Deltas found before an error are there, too.
    pub fn push(&mut self, bytes: &[u8], deltas: &mut Vec<Delta>) -> Result<(), ParseError> {
        match self {
            Self::Ollama(parser) => parser.push(bytes, deltas),
            Self::OpenAi(parser) => parser.push(bytes, deltas),
        }
    }

    /// The bytes have ended: an answer that had not is [`ParseError::Truncated`].
    pub fn finish(&mut self, deltas: &mut Vec<Delta>) -> Result<(), ParseError> {
        match self {
            Self::Ollama(parser) => parser.finish(deltas),
            Self::OpenAi(parser) => parser.finish(deltas),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_may_end_in_a_slash_or_in_v1() {
        let chat = |dialect: Dialect, endpoint: &str| dialect.chat_url(&endpoint.parse().unwrap()).to_string();
        for endpoint in ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/"] {
            assert_eq!(chat(Dialect::OpenAi, endpoint), "http://h:1/v1/chat/completions");
        }
        assert_eq!(chat(Dialect::OpenAi, "https://h/proxy/v1"), "https://h/proxy/v1/chat/completions");
        assert_eq!(chat(Dialect::Ollama, "http://h:1/"), "http://h:1/api/chat");
        assert_eq!(Dialect::OpenAi.models_url(&"http://h:1".parse().unwrap()).as_str(), "http://h:1/v1/models");
        assert_eq!(Dialect::Ollama.models_url(&"http://h:1".parse().unwrap()).as_str(), "http://h:1/api/tags");
    }

    #[test]
    fn a_dialect_is_read_from_its_name() {
        for dialect in [Dialect::Ollama, Dialect::OpenAi] {
            assert_eq!(dialect.as_str().parse(), Ok(dialect));
        }
        assert_eq!("gemini".parse::<Dialect>(), Err(UnknownDialect { given: "gemini".into() }));
    }

    #[test]
    fn a_request_holds_what_its_dialect_knows() {
        use serde_json::json;

        let options = |dialect| Options {
            context_tokens: Some(4096),
            ..Options::new("http://h:1".parse().unwrap(), dialect, "m")
        };
        let plain = ChatRequest::new(vec![crate::Message::user("Hi")]);
        let full = ChatRequest {
            temperature: Some(0.5),
            seed: Some(7),
            stop: vec!["\n".into()],
            slot: Some(1),
            ..plain.clone()
        };
        let messages = json!([{ "role": "user", "content": "Hi" }]);
        let body = |dialect: Dialect, request| dialect.chat_body(&options(dialect), request);
        assert_eq!(
            body(Dialect::OpenAi, &plain),
            json!({
                "model": "m", "messages": messages, "max_tokens": 512, "stream": true,
                "stream_options": { "include_usage": true },
            })
        );
        assert_eq!(
            body(Dialect::OpenAi, &full),
            json!({
                "model": "m", "messages": messages, "max_tokens": 512, "stream": true,
                "stream_options": { "include_usage": true },
                "temperature": 0.5, "seed": 7, "stop": ["\n"], "id_slot": 1, "cache_prompt": true,
            })
        );
        assert_eq!(
            body(Dialect::Ollama, &full),
            json!({
                "model": "m", "messages": messages, "stream": true, "think": false, "keep_alive": -1,
                "options": { "num_predict": 512, "temperature": 0.5, "seed": 7, "stop": ["\n"], "num_ctx": 4096 },
            })
        );
    }

    #[test]
    fn the_shape_of_an_answer_is_asked_for_in_both_dialects() {
        use serde_json::json;

        let schema = json!({ "type": "object", "properties": { "title": { "type": "string" } } });
        let request =
            ChatRequest { response_schema: Some(schema.clone()), ..ChatRequest::new(vec![crate::Message::user("Hi")]) };
        let body =
            |dialect: Dialect| dialect.chat_body(&Options::new("http://h:1".parse().unwrap(), dialect, "m"), &request);
        assert_eq!(body(Dialect::Ollama)["format"], schema);
        let format = &body(Dialect::OpenAi)["response_format"];
        assert_eq!(format["type"], "json_schema");
        assert_eq!(format["json_schema"]["schema"], schema);
    }

    #[test]
    fn each_dialect_has_its_own_shape_of_tools_calls_and_images() {
        use serde_json::json;

        use crate::{Image, Message, ToolCall, ToolChoice, ToolSpec};

        let call = ToolCall { id: "c".into(), name: "clock".into(), arguments: "{\"zone\":\"here\"}".into() };
        let image = Image { media_type: "image/png".into(), data: vec![1, 2, 3] };
        let tool = |name: &str| ToolSpec {
            name: name.into(),
            description: "Tells the time.".into(),
            parameters: json!({ "type": "object" }),
        };
        let request = ChatRequest {
            model: Some("eyes".into()),
            tools: vec![tool("clock"), tool("watch")],
            tool_choice: ToolChoice::Named("clock".into()),
            top_p: Some(0.5),
            ..ChatRequest::new(vec![
                Message { images: vec![image], ..Message::user("Hi") },
                Message::asking(vec![call]),
                Message::returned("c", "late"),
            ])
        };
        let body =
            |dialect: Dialect| dialect.chat_body(&Options::new("http://h:1".parse().unwrap(), dialect, "m"), &request);
        let function = |name: &str| {
            let parameters = json!({ "type": "object" });
            let function = json!({ "name": name, "description": "Tells the time.", "parameters": parameters });
            json!({ "type": "function", "function": function })
        };

        let openai = body(Dialect::OpenAi);
        assert_eq!((&openai["model"], &openai["top_p"]), (&json!("eyes"), &json!(0.5)));
        assert_eq!(openai["tools"], json!([function("clock")]));
        let call = &openai["response_format"]["json_schema"]["schema"]["anyOf"];
        assert_eq!(call[0]["properties"]["name"]["const"], "clock", "nothing but this call is an answer");
        let url = json!({ "url": "data:image/png;base64,AQID" });
        let parts = json!([{ "type": "text", "text": "Hi" }, { "type": "image_url", "image_url": url }]);
        let call = json!({ "name": "clock", "arguments": "{\"zone\":\"here\"}" });
        assert_eq!(
            openai["messages"],
            json!([
                { "role": "user", "content": parts },
                { "role": "assistant", "content": "", "tool_calls": [{ "id": "c", "type": "function", "function": call }] },
                { "role": "tool", "content": "late", "tool_call_id": "c" },
            ])
        );

        let ollama = body(Dialect::Ollama);
        assert_eq!((&ollama["model"], &ollama["options"]["top_p"]), (&json!("eyes"), &json!(0.5)));
        assert_eq!(ollama["tools"], json!([function("clock")]));
        let call = json!({ "name": "clock", "arguments": { "zone": "here" } });
        assert_eq!(
            ollama["messages"],
            json!([
                { "role": "user", "content": "Hi", "images": ["AQID"] },
                { "role": "assistant", "content": "", "tool_calls": [{ "function": call }] },
                { "role": "tool", "content": "late" },
            ])
        );
    }
}
