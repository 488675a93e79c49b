//! A conversation that the caller brings along: read and checked once, and put into the order of a prompt. Pure.

use aether_llm::{Image, Message, Role, ToolCall, ToolChoice, ToolSpec};
use aether_proto::{ChatMessage, Error, Open};
use serde_json::{Value, json};

use crate::input::invalid;

const MAX_MESSAGES: usize = 2048;
const MAX_TOOLS: usize = 128;
const MAX_STOPS: usize = 16;
/// All pictures of one conversation together, in bytes.
const MAX_IMAGES: usize = 16 * 1024 * 1024;
const MEDIA_TYPES: [&str; 4] = ["image/png", "image/jpeg", "image/webp", "image/gif"];

/// What the caller wants otherwise than the brain would do it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    pub messages: Option<Vec<Message>>,
    pub max_output_tokens: Option<std::num::NonZeroU32>,
    pub temperature: Option<f32>,
    pub top_p: Option<f32>,
    pub seed: Option<u64>,
    pub stop: Vec<String>,
    pub tools: Vec<ToolSpec>,
    pub tool_choice: ToolChoice,
}

impl Given {
    pub fn read(open: &Open) -> Result<Self, Error> {
        let messages = match &open.conversation {
            None => None,
            Some(conversation) => Some(read_messages(&conversation.messages)?),
        };
        let sampling = open.sampling.clone().unwrap_or_default();
        let within = |name: &str, value: Option<f32>, highest: f32| match value {
            Some(value) if !(0.0..=highest).contains(&value) => {
                Err(invalid(format_args!("{name} is {value}; it goes from 0 to {highest}")))
            }
            value => Ok(value),
        };
        if sampling.max_output_tokens == Some(0) {
            return Err(invalid("max_output_tokens is 0: an answer needs at least one token"));
        }
        if sampling.stop.len() > MAX_STOPS || sampling.stop.iter().any(String::is_empty) {
            return Err(invalid(format_args!("stop takes at most {MAX_STOPS} texts, none of them empty")));
        }
        let tools = read_tools(open)?;
        let tool_choice = match open.tool_choice.as_str() {
            "" | "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" if tools.is_empty() => return Err(invalid("tool_choice is required, but there are no tools")),
            "required" => ToolChoice::Required,
            name if tools.iter().any(|tool| tool.name == name) => ToolChoice::Named(name.to_owned()),
            name => return Err(invalid(format_args!("tool_choice names {name:?}, which is not among the tools"))),
        };
        Ok(Self {
            messages,
            max_output_tokens: sampling.max_output_tokens.and_then(std::num::NonZeroU32::new),
            temperature: within("temperature", sampling.temperature, 2.0)?,
            top_p: within("top_p", sampling.top_p, 1.0)?,
            seed: sampling.seed,
            stop: sampling.stop,
            tools,
            tool_choice,
        })
    }

    pub fn has_images(&self) -> bool {
        self.messages.iter().flatten().any(|message| !message.images.is_empty())
    }

    /// The parameters of a tool that are no JSON schema, as programs name them.
    pub fn faulty_schema(&self) -> Option<String> {
        let at = self.tools.iter().position(|tool| jsonschema::validator_for(&tool.parameters).is_err())?;
        Some(format!("tools[{at}].function.parameters"))
    }

    /// Whether an answer without a word is one: to what a program brought along, or where it said what ends it.
    pub const fn may_be_answered_with_nothing(&self) -> bool {
        self.messages.is_some() || self.max_output_tokens.is_some() || !self.stop.is_empty()
    }
}

fn read_messages(given: &[ChatMessage]) -> Result<Vec<Message>, Error> {
    if given.is_empty() || given.len() > MAX_MESSAGES {
        return Err(invalid(format_args!("a conversation has 1 to {MAX_MESSAGES} messages, not {}", given.len())));
    }
    let images: usize = given.iter().flat_map(|message| &message.images).map(|image| image.data.len()).sum();
    if images > MAX_IMAGES {
        return Err(invalid(format_args!("the images have {images} bytes, more than {MAX_IMAGES}")));
    }
    given.iter().enumerate().map(|(at, message)| read_message(at, message)).collect()
}

fn read_message(at: usize, given: &ChatMessage) -> Result<Message, Error> {
    let role = match given.role.as_str() {
        "system" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        other => {
            return Err(invalid(format_args!("messages[{at}].role is {other:?}: use system, user, assistant or tool")));
        }
    };
    if !given.images.is_empty() && role != Role::User {
        return Err(invalid(format_args!("messages[{at}].images: only a user shows images")));
    }
    if !given.tool_calls.is_empty() && role != Role::Assistant {
        return Err(invalid(format_args!("messages[{at}].tool_calls: only an assistant calls tools")));
    }
    if (role == Role::Tool) == given.tool_call_id.is_empty() {
        return Err(invalid(format_args!("messages[{at}].tool_call_id belongs to every tool message and to no other")));
    }
    if let Some(image) = given.images.iter().find(|image| !MEDIA_TYPES.contains(&image.media_type.as_str())) {
        let kinds = MEDIA_TYPES.join(", ");
        return Err(invalid(format_args!("messages[{at}].images: {:?} is none of {kinds}", image.media_type)));
    }
    let images =
        given.images.iter().map(|image| Image { media_type: image.media_type.clone(), data: image.data.clone() });
    let calls = given.tool_calls.iter().map(|call| ToolCall {
        id: call.id.clone(),
        name: call.name.clone(),
        arguments: call.arguments.clone(),
    });
    Ok(Message {
        tool_calls: calls.collect(),
        tool_call_id: Some(given.tool_call_id.clone()).filter(|id| !id.is_empty()),
        images: images.collect(),
        // Templates know no names of speakers.
        ..Message::new(
            role,
            match given.name.as_str() {
                "" => given.content.clone(),
                _ if role != Role::User => given.content.clone(),
                name => format!("{name}: {}", given.content),
            },
        )
    })
}

fn read_tools(open: &Open) -> Result<Vec<ToolSpec>, Error> {
    if open.tools.len() > MAX_TOOLS {
        return Err(invalid(format_args!("{} tools are more than {MAX_TOOLS}", open.tools.len())));
    }
    let mut tools: Vec<ToolSpec> = Vec::with_capacity(open.tools.len());
    for (at, tool) in open.tools.iter().enumerate() {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if tool.name.is_empty() || tool.name.len() > 64 || !tool.name.chars().all(is_name) {
            return Err(invalid(format_args!("tools[{at}].name has 1 to 64 letters, digits, '_' and '-'")));
        }
        if tools.iter().any(|other| other.name == tool.name) {
            return Err(invalid(format_args!("tools[{at}].name: there are two tools {}", tool.name)));
        }
        let parameters = match tool.parameters.trim() {
            "" => Ok(json!({ "type": "object", "properties": {} })),
            text => serde_json::from_str(text),
        };
        let Ok(parameters @ Value::Object(_)) = parameters else {
            return Err(invalid(format_args!("tools[{at}].parameters is not a JSON object")));
        };
        tools.push(ToolSpec { name: tool.name.clone(), description: tool.description.clone(), parameters });
    }
    Ok(tools)
}

/// The messages of a prompt: the caller's own system messages, else the persona; `notes` just before the last thing that the
/// person said, so that all before them stays as it was in the server's cache.
pub fn messages(given: &[Message], persona: &str, notes: Vec<Message>) -> Vec<Message> {
    let mut messages = Vec::with_capacity(given.len() + notes.len() + 1);
    if !given.iter().any(|message| message.role == Role::System) {
        messages.push(Message::system(persona));
    }
    let last = given.iter().rposition(|message| message.role == Role::User).unwrap_or(given.len());
    let (before, rest) = given.split_at(last);
    messages.extend_from_slice(before);
    messages.extend(notes);
    messages.extend_from_slice(rest);
    messages
}

/// Bytes of text in a conversation.
pub fn size(given: &[Message]) -> usize {
    let calls = |message: &Message| message.tool_calls.iter().map(|call| call.arguments.len()).sum::<usize>();
    given.iter().map(|message| message.content.len() + calls(message)).sum()
}

#[cfg(test)]
mod tests {
    use aether_proto::{Conversation, Sampling, ToolDefinition};

    use super::*;

    fn said(role: &str, content: &str) -> ChatMessage {
        ChatMessage { role: role.into(), content: content.into(), ..ChatMessage::default() }
    }

    fn open(messages: Vec<ChatMessage>) -> Open {
        Open { conversation: Some(Conversation { messages }), ..Open::default() }
    }

    #[test]
    fn what_is_wrong_with_a_conversation_is_named() {
        let user = || said("user", "Hi");
        let tool = |name: &str, parameters: &str| ToolDefinition {
            name: name.into(),
            description: String::new(),
            parameters: parameters.into(),
        };
        let image = |media_type: &str| aether_proto::Image { media_type: media_type.into(), ..Default::default() };
        let with_sampling = |sampling| Open { sampling: Some(sampling), ..open(vec![user()]) };
        let with_tools = |tools| Open { tools, ..open(vec![user()]) };
        for (open, reason) in [
            (open(vec![]), "a conversation has 1 to 2048 messages, not 0"),
            (
                open(vec![user(), said("robot", "x")]),
                "messages[1].role is \"robot\": use system, user, assistant or tool",
            ),
            (open(vec![said("tool", "x")]), "messages[0].tool_call_id belongs to every tool message and to no other"),
            (
                open(vec![ChatMessage { images: vec![image("image/png")], ..said("assistant", "x") }]),
                "messages[0].images: only a user shows images",
            ),
            (
                open(vec![ChatMessage { images: vec![image("text/html")], ..user() }]),
                "messages[0].images: \"text/html\" is none of image/png, image/jpeg, image/webp, image/gif",
            ),
            (
                open(vec![ChatMessage { tool_calls: vec![Default::default()], ..user() }]),
                "messages[0].tool_calls: only an assistant calls tools",
            ),
            (
                with_sampling(Sampling { temperature: Some(3.0), ..Default::default() }),
                "temperature is 3; it goes from 0 to 2",
            ),
            (with_sampling(Sampling { top_p: Some(-0.5), ..Default::default() }), "top_p is -0.5; it goes from 0 to 1"),
            (
                with_sampling(Sampling { max_output_tokens: Some(0), ..Default::default() }),
                "max_output_tokens is 0: an answer needs at least one token",
            ),
            (
                with_sampling(Sampling { stop: vec![String::new()], ..Default::default() }),
                "stop takes at most 16 texts, none of them empty",
            ),
            (with_tools(vec![tool("a b", "")]), "tools[0].name has 1 to 64 letters, digits, '_' and '-'"),
            (with_tools(vec![tool("a", ""), tool("a", "")]), "tools[1].name: there are two tools a"),
            (with_tools(vec![tool("a", "[]")]), "tools[0].parameters is not a JSON object"),
            (
                Open { tool_choice: "b".into(), ..with_tools(vec![tool("a", "")]) },
                "tool_choice names \"b\", which is not among the tools",
            ),
            (
                Open { tool_choice: "required".into(), ..open(vec![user()]) },
                "tool_choice is required, but there are no tools",
            ),
        ] {
            let error = Given::read(&open).unwrap_err();
            assert_eq!((error.code.as_str(), error.message.as_str()), ("invalid_argument", reason));
        }
        let good = Open { tool_choice: "a".into(), ..with_tools(vec![tool("a", "{\"type\":\"object\"}")]) };
        assert_eq!(Given::read(&good).unwrap().tool_choice, ToolChoice::Named("a".into()));
        assert_eq!(Given::read(&Open::default()).unwrap(), Given::default());
    }

    #[test]
    fn notes_come_just_before_the_last_words() {
        let notes = || vec![Message::system("Memories.")];
        let shown = |messages: &[Message]| messages.iter().map(|m| m.content.clone()).collect::<Vec<_>>();
        let given = [Message::user("One"), Message::assistant("Two"), Message::user("Three")];
        assert_eq!(shown(&messages(&given, "P", notes())), ["P", "One", "Two", "Memories.", "Three"]);
        let given =
            [Message::system("S"), Message::user("One"), Message::asking(Vec::new()), Message::returned("id", "Two")];
        assert_eq!(shown(&messages(&given, "P", notes())), ["S", "Memories.", "One", "", "Two"]);
        assert_eq!(shown(&messages(&[Message::system("S")], "P", notes())), ["S", "Memories."]);
    }
}
