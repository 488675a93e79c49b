//! A chat completion as it is asked for, read field by field. Fields that nobody here knows are left alone: clients are newer
//! than servers. Fields that are known and can't be honoured are refused, because their sender counts on them.

use std::collections::HashSet;

use aether_proto::{ChatMessage, ErrorCode, Image, PersonId, Sampling, ToolCall, ToolDefinition};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::fields::{Field, Object};
use crate::problem::Problem;

/// All texts of the messages together, in bytes.
const MOST_TEXT: usize = 1 << 20;
const MOST_MESSAGES: usize = 4096;
const MOST_STOPS: usize = 4;
const MOST_TOOLS: usize = 128;
const LONGEST_TOOL_NAME: usize = 64;
/// What stands for the words of somebody who sent nothing but pictures.
const ONLY_IMAGES: &str = "[image]";
const MEDIA_TYPES: [&str; 4] = ["image/png", "image/jpeg", "image/webp", "image/gif"];

/// What is asked, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    pub model: String,
    pub messages: Vec<ChatMessage>,
    /// What the person said last: the text of the last user message.
    pub words: String,
    /// Which of the messages that is.
    pub words_at: usize,
    pub sampling: Sampling,
    pub tools: Vec<ToolDefinition>,
    pub tool_choice: String,
    pub stream: bool,
    pub include_usage: bool,
    pub user: Option<PersonId>,
}

impl Request {
    pub fn read(body: &Object<'_>) -> Result<Self, Problem> {
        let model = body.required("model")?;
        if model.text()?.is_empty() {
            return Err(model.wrong("must not be empty"));
        }
        let (messages, words_at, words) = read_messages(&body.required("messages")?)?;
        refuse_unsupported(body)?;
        let tools = body.get("tools").map(|field| read_tools(&field)).transpose()?.unwrap_or_default();
        let tool_choice = match body.get("tool_choice") {
            None => String::new(),
            Some(field) => read_tool_choice(&field, &tools)?,
        };
        let stream_options = body.get("stream_options").map(|field| field.object()).transpose()?;
        let include_usage = stream_options.and_then(|options| options.get("include_usage"));
        Ok(Self {
            model: model.text()?.to_owned(),
            messages,
            words,
            words_at,
            sampling: read_sampling(body)?,
            tools,
            tool_choice,
            stream: body.get("stream").map(|field| field.flag()).transpose()?.unwrap_or(false),
            include_usage: include_usage.map(|field| field.flag()).transpose()?.unwrap_or(false),
            user: body.get("user").map(|field| field.parse()).transpose()?,
        })
    }

    /// The calls that the messages after the last assistant's answer.
    pub fn answered_calls(&self) -> impl Iterator<Item = &str> {
        let last = self.messages.iter().rev().take_while(|message| message.role == "tool");
        last.map(|message| message.tool_call_id.as_str())
    }

    /// Where a stored conversation has no place for something, its field.
    pub fn not_for_a_stored_conversation(&self) -> Option<String> {
        let is_odd = |message: &ChatMessage| {
            message.role == "tool" || !message.tool_calls.is_empty() || !message.images.is_empty()
        };
        if !self.tools.is_empty() {
            return Some("tools".to_owned());
        }
        let odd = self.messages.iter().position(is_odd)?;
        Some(format!("messages[{odd}]"))
    }
}

fn read_messages(field: &Field<'_>) -> Result<(Vec<ChatMessage>, usize, String), Problem> {
    let items = field.list()?;
    if items.is_empty() {
        return Err(field.wrong("must not be empty"));
    }
    if items.len() > MOST_MESSAGES {
        return Err(field.wrong(format_args!("must be at most {MOST_MESSAGES} messages, not {}", items.len())));
    }
    let (mut messages, mut text, mut calls) = (Vec::with_capacity(items.len()), 0, HashSet::new());
    for item in &items {
        let message = read_message(item)?;
        text += message.content.len() + message.tool_calls.iter().map(|call| call.arguments.len()).sum::<usize>();
        if text > MOST_TEXT {
            let message =
                format!("the texts of `messages` are more than the {MOST_TEXT} bytes that they may be together");
            return Err(Problem::new(ErrorCode::TooLarge, message).at(item.path()));
        }
        if message.role == "tool" && !calls.contains(&message.tool_call_id) {
            let id = &message.tool_call_id;
            return Err(Problem::field(
                format!("{}.tool_call_id", item.path()),
                format_args!(
                    "`{}.tool_call_id` is {id:?}, and no assistant message before it called that",
                    item.path()
                ),
            ));
        }
        calls.extend(message.tool_calls.iter().map(|call| call.id.clone()));
        messages.push(message);
    }
    let last = messages.iter().enumerate().rev().find(|(_, message)| message.role == "user");
    let Some((words_at, message)) = last else {
        return Err(field.wrong("must hold a message with the role `user`"));
    };
    let words = match message.content.trim() {
        "" if !message.images.is_empty() => ONLY_IMAGES.to_owned(),
        "" => {
            return Err(Problem::field(
                format!("messages[{words_at}].content"),
                format_args!("`messages[{words_at}].content` must not be empty: there is nothing to answer"),
            ));
        }
        text => text.to_owned(),
    };
    Ok((messages, words_at, words))
}

fn read_message(item: &Field<'_>) -> Result<ChatMessage, Problem> {
    let object = item.object()?;
    let role = object.required("role")?;
    let mut message = ChatMessage {
        role: match role.text()? {
            "developer" => "system",
            known @ ("system" | "user" | "assistant" | "tool") => known,
            other => {
                let wrong = format!("must be system, developer, user, assistant or tool, not {other:?}");
                return Err(role.wrong(wrong));
            }
        }
        .to_owned(),
        name: object.get("name").map(|name| name.text()).transpose()?.unwrap_or_default().to_owned(),
        ..ChatMessage::default()
    };
    if message.role == "assistant"
        && let Some(calls) = object.get("tool_calls")
    {
        message.tool_calls = read_tool_calls(&calls)?;
    }
    if message.role == "tool" {
        object.required("tool_call_id")?.text()?.clone_into(&mut message.tool_call_id);
    }
    match object.get("content") {
        // An assistant that only calls tools says nothing.
        None if message.role == "assistant" && !message.tool_calls.is_empty() => {}
        None => drop(object.required("content")?),
        Some(content) => read_content(&content, &mut message)?,
    }
    Ok(message)
}

fn read_content(content: &Field<'_>, message: &mut ChatMessage) -> Result<(), Problem> {
    if !content.value().is_array() {
        if !content.value().is_string() {
            return Err(content.wrong("must be a text or a list of parts"));
        }
        content.text()?.clone_into(&mut message.content);
        return Ok(());
    }
    for part in content.list()? {
        let object = part.object()?;
        let kind = object.required("type")?;
        match kind.text()? {
            "text" => message.content.push_str(object.required("text")?.text()?),
            "refusal" if message.role == "assistant" => {
                message.content.push_str(object.required("refusal")?.text()?);
            }
            "image_url" if message.role == "user" => {
                message.images.push(read_image(&object.required("image_url")?.object()?.required("url")?)?);
            }
            "image_url" => return Err(kind.wrong("is `image_url`, which only a user message may hold")),
            other => return Err(kind.wrong(format_args!("must be `text` or `image_url`, not {other:?}"))),
        }
    }
    Ok(())
}

/// `data:image/png;base64,…`. Nothing is fetched from anywhere: whoever has a picture sends it.
fn read_image(url: &Field<'_>) -> Result<Image, Problem> {
    let text = url.text()?;
    let Some(data) = text.strip_prefix("data:") else {
        return Err(
            url.wrong("must be a `data:` URL: pictures are not fetched from elsewhere, send the picture itself")
        );
    };
    let Some((media_type, encoded)) = data.split_once(";base64,") else {
        return Err(url.wrong("must read `data:<media type>;base64,<data>`"));
    };
    if !MEDIA_TYPES.contains(&media_type) {
        return Err(url.wrong(format_args!("must be one of {}, not {media_type:?}", MEDIA_TYPES.join(", "))));
    }
    let data = STANDARD.decode(encoded).map_err(|error| url.wrong(format_args!("is not valid base64: {error}")))?;
    if data.is_empty() {
        return Err(url.wrong("holds no data"));
    }
    Ok(Image { media_type: media_type.to_owned(), data })
}

fn read_tool_calls(field: &Field<'_>) -> Result<Vec<ToolCall>, Problem> {
    let mut calls = Vec::new();
    for (index, item) in (0..).zip(field.list()?) {
        let object = item.object()?;
        let function = object.required("function")?.object()?;
        calls.push(ToolCall {
            index,
            id: object.required("id")?.text()?.to_owned(),
            name: function.required("name")?.text()?.to_owned(),
            arguments: function.required("arguments")?.text()?.to_owned(),
        });
    }
    Ok(calls)
}

fn read_tools(field: &Field<'_>) -> Result<Vec<ToolDefinition>, Problem> {
    let items = field.list()?;
    if items.len() > MOST_TOOLS {
        return Err(field.wrong(format_args!("must be at most {MOST_TOOLS} tools, not {}", items.len())));
    }
    let (mut tools, mut names) = (Vec::with_capacity(items.len()), HashSet::new());
    for item in items {
        let object = item.object()?;
        let kind = object.required("type")?;
        if kind.text()? != "function" {
            return Err(kind.wrong(format_args!("must be `function`, not {:?}", kind.text()?)));
        }
        let function = object.required("function")?.object()?;
        let name = function.required("name")?;
        let text = name.text()?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if text.is_empty() || text.len() > LONGEST_TOOL_NAME || !text.bytes().all(is_plain) {
            return Err(name.wrong(format_args!("must be at most {LONGEST_TOOL_NAME} letters, digits, `_` and `-`")));
        }
        if !names.insert(text.to_owned()) {
            return Err(name.wrong(format_args!("is {text:?} as that of a tool before it")));
        }
        let parameters = match function.get("parameters") {
            None => r#"{"type":"object","properties":{}}"#.to_owned(),
            Some(parameters) => {
                parameters.object()?;
                parameters.value().to_string()
            }
        };
        tools.push(ToolDefinition {
            name: text.to_owned(),
            description: function
                .get("description")
                .map(|text| text.text())
                .transpose()?
                .unwrap_or_default()
                .to_owned(),
            parameters,
        });
    }
    Ok(tools)
}

fn read_tool_choice(field: &Field<'_>, tools: &[ToolDefinition]) -> Result<String, Problem> {
    match field.value() {
        Value::String(word) if matches!(word.as_str(), "auto" | "none") => Ok(word.clone()),
        Value::String(word) if word == "required" => {
            if tools.is_empty() {
                Err(field.wrong("needs `tools` to choose from"))
            } else {
                Ok(word.clone())
            }
        }
        Value::Object(_) => {
            let name = field.object()?.required("function")?.object()?.required("name")?;
            let wanted = name.text()?;
            if tools.iter().any(|tool| tool.name == wanted) {
                return Ok(wanted.to_owned());
            }
            Err(name.wrong(format_args!("is {wanted:?}, which is none of `tools`")))
        }
        _ => Err(field.wrong("must be `auto`, `none`, `required` or a function by its name")),
    }
}

fn read_sampling(body: &Object<'_>) -> Result<Sampling, Problem> {
    #[expect(clippy::cast_possible_truncation, reason = "temperatures and shares have few digits")]
    let number = |name: &str, most: f64| {
        body.get(name).map(|field| Ok::<_, Problem>(field.number(0.0..=most)? as f32)).transpose()
    };
    let max_output_tokens = body
        .any(&["max_completion_tokens", "max_tokens"])
        .map(|field| field.integer(1..=u64::from(u32::MAX)))
        .transpose()?
        .and_then(|tokens| u32::try_from(tokens).ok());
    Ok(Sampling {
        max_output_tokens,
        temperature: number("temperature", 2.0)?,
        top_p: number("top_p", 1.0)?,
        seed: body.get("seed").map(|field| read_seed(&field)).transpose()?,
        stop: body.get("stop").map(|field| read_stop(&field)).transpose()?.unwrap_or_default(),
    })
}

/// Any whole number of 64 bits with a sign. Models count seeds from 0: one below is another number, and always the same.
fn read_seed(field: &Field<'_>) -> Result<u64, Problem> {
    match field.value().as_i64() {
        Some(seed) => Ok(seed.cast_unsigned() & i64::MAX.cast_unsigned()),
        None => field.integer(0..=i64::MAX.cast_unsigned()),
    }
}

fn read_stop(field: &Field<'_>) -> Result<Vec<String>, Problem> {
    let texts = if field.value().is_array() { field.list()? } else { vec![field.clone()] };
    if texts.len() > MOST_STOPS {
        return Err(field.wrong(format_args!("must be at most {MOST_STOPS} texts, not {}", texts.len())));
    }
    let text = |field: &Field<'_>| match field.text()? {
        "" => Err(field.wrong("must not be empty")),
        text => Ok(text.to_owned()),
    };
    texts.iter().map(text).collect()
}

fn refuse_unsupported(body: &Object<'_>) -> Result<(), Problem> {
    if let Some(n) = body.get("n")
        && n.integer(1..=128)? != 1
    {
        return Err(n.wrong("must be 1: there is one answer to a question"));
    }
    if let Some(logprobs) = body.get("logprobs")
        && logprobs.flag()?
    {
        return Err(logprobs.wrong("is not supported: leave it out"));
    }
    if let Some(format) = body.get("response_format") {
        let kind = format.object()?.required("type")?;
        if kind.text()? != "text" {
            return Err(kind.wrong(format_args!("is {:?}, which is not supported: only `text` is", kind.text()?)));
        }
    }
    for name in ["functions", "function_call"] {
        if let Some(field) = body.get(name) {
            return Err(field.wrong("is not supported: use `tools`"));
        }
    }
    if let Some(modalities) = body.get("modalities")
        && let Some(other) = modalities.list()?.iter().find(|modality| modality.value() != "text")
    {
        return Err(other.wrong("must be `text`: to be heard, join a room"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
