//! Calls of functions that a model wrote into its text.
//!
//! Servers turn a call into `tool_calls` when the model writes it as its template says. Small models don't: they write the
//! JSON bare, in a fence, or between other tags. [`CallFinder`] reads the text as it comes, lets through at once what can't
//! be a call, and holds back what begins like one until it is one or is not. It never mends JSON: what can't be read is
//! reported as it is, so that nobody acts on half of what the model meant.
//!
//! Pure: however the text is cut into pieces, the same is found.

use serde_json::Value;

/// What begins like a call and never ends is given up here.
const MAX_HELD: usize = 16 * 1024;
const TAGS: [(&str, &str); 3] =
    [("<tool_call>", "</tool_call>"), ("<tools>", "</tools>"), ("<function_call>", "</function_call>")];
const FENCE: &str = "```";
/// Fences with other names hold code that the person asked for.
const FENCES: [&str; 5] = ["", "json", "tool_call", "tool", "xml"];
/// An object whose first key is another one is no call.
const KEYS: [&str; 9] =
    ["name", "function", "tool", "tool_name", "tool_calls", "type", "id", "arguments", "parameters"];
const ARGUMENTS: [&str; 4] = ["arguments", "parameters", "args", "input"];

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Text(String),
    Call {
        name: String,
        /// JSON text.
        arguments: String,
    },
    /// It looked like a call and can't be read.
    Malformed(String),
}

/// Reads one answer.
#[derive(Debug)]
pub struct CallFinder {
    known: Vec<String>,
    /// Not decided yet.
    held: String,
    /// White space that is text only if no call follows.
    blank: String,
    /// Nothing but white space has come since the last line end.
    line_start: bool,
    in_code: bool,
    /// A fence around a call is to be closed.
    in_fence: bool,
    after_call: bool,
    any_call: bool,
}

enum Opener {
    Tag(&'static str, &'static str),
    CloseTag(&'static str),
    Fence,
    CloseCode,
    Bare,
}

enum Next {
    Text,
    /// At this byte something begins that may matter.
    Opener(usize, Opener),
    /// From this byte on more has to come before anything can be said.
    Wait(usize),
}

/// What becomes of so many bytes.
enum Decision {
    Wait,
    Text(usize),
    Code(usize),
    Drop(usize),
    DropFence(usize),
    Calls(usize, Vec<(String, String)>),
    Malformed(usize),
}

/// Whether an object begins like a call.
enum Look {
    More,
    No,
    Yes,
}

impl CallFinder {
    /// `known` are the names of the functions that there are.
    pub fn new(known: impl IntoIterator<Item = String>) -> Self {
        Self {
            known: known.into_iter().collect(),
            held: String::new(),
            blank: String::new(),
            line_start: true,
            in_code: false,
            in_fence: false,
            after_call: false,
            any_call: false,
        }
    }

    /// Reads on; what is decided now is added to `found`.
    pub fn push(&mut self, text: &str, found: &mut Vec<Found>) {
        self.held.push_str(text);
        while self.step(false, found) {}
        if self.held.len() > MAX_HELD {
            found.push(Found::Malformed(std::mem::take(&mut self.held)));
            self.call_found();
        }
    }

    /// The text has ended.
    pub fn finish(&mut self, found: &mut Vec<Found>) {
        while self.step(true, found) {}
        if !self.blank.is_empty() && !self.any_call {
            found.push(Found::Text(std::mem::take(&mut self.blank)));
        }
    }

    /// One decision; false when there is none to be made now.
    fn step(&mut self, last: bool, found: &mut Vec<Found>) -> bool {
        if self.held.is_empty() {
            return false;
        }
        let opener = match self.next(last) {
            Next::Text => {
                self.release(self.held.len(), found);
                return false;
            }
            Next::Wait(at) => {
                self.release(at, found);
                return false;
            }
            Next::Opener(at, opener) => {
                self.release(at, found);
                opener
            }
        };
        match self.decide(&opener, last) {
            Decision::Wait => return false,
            Decision::Text(length) => self.release(length, found),
            Decision::Code(length) => {
                self.in_code = !matches!(opener, Opener::CloseCode);
                self.release(length, found);
            }
            Decision::Drop(length) => self.drop_held(length),
            Decision::DropFence(length) => {
                self.in_fence = true;
                self.drop_held(length);
            }
            Decision::Calls(length, calls) => {
                self.in_fence |= matches!(opener, Opener::Fence);
                self.drop_held(length);
                found.extend(calls.into_iter().map(|(name, arguments)| Found::Call { name, arguments }));
                self.call_found();
            }
            Decision::Malformed(length) => {
                self.in_fence |= matches!(opener, Opener::Fence);
                let text = self.held.get(..length).unwrap_or_default().trim().to_owned();
                self.drop_held(length);
                found.push(Found::Malformed(text));
                self.call_found();
            }
        }
        true
    }

    fn call_found(&mut self) {
        self.blank.clear();
        (self.line_start, self.after_call, self.any_call) = (true, true, true);
    }

    fn drop_held(&mut self, length: usize) {
        self.held.drain(..length);
    }

    /// Lets the first `length` bytes through, except for white space at their end.
    fn release(&mut self, length: usize, found: &mut Vec<Found>) {
        let text: String = self.held.drain(..length).collect();
        for character in text.chars() {
            self.line_start = character == '\n' || (self.line_start && character.is_whitespace());
        }
        let mut text = std::mem::take(&mut self.blank) + &text;
        if self.after_call {
            text = text.trim_start().to_owned();
            self.after_call = text.is_empty();
        }
        self.blank = text.split_off(text.trim_end().len());
        if !text.is_empty() {
            found.push(Found::Text(text));
        }
    }

    /// The first place in what is held where something else than text may begin.
    fn next(&self, last: bool) -> Next {
        let mut line_start = self.line_start;
        for (at, character) in self.held.char_indices() {
            let rest = self.held.get(at..).unwrap_or_default();
            let may_become = |token: &str| !last && token.starts_with(rest);
            if character == '`' && line_start {
                if rest.starts_with(FENCE) {
                    return Next::Opener(at, if self.in_code { Opener::CloseCode } else { Opener::Fence });
                }
                if may_become(FENCE) {
                    return Next::Wait(at);
                }
            }
            if character == '<' && !self.in_code {
                for (open, close) in TAGS {
                    if rest.starts_with(open) {
                        return Next::Opener(at, Opener::Tag(open, close));
                    }
                    if self.any_call && rest.starts_with(close) {
                        return Next::Opener(at, Opener::CloseTag(close));
                    }
                }
                if TAGS.iter().any(|(open, close)| may_become(open) || (self.any_call && may_become(close))) {
                    return Next::Wait(at);
                }
            }
            if matches!(character, '{' | '[') && line_start && !self.in_code {
                return Next::Opener(at, Opener::Bare);
            }
            line_start = character == '\n' || (line_start && character.is_whitespace());
        }
        Next::Text
    }

    /// What to do with that which begins here.
    fn decide(&self, opener: &Opener, last: bool) -> Decision {
        match opener {
            Opener::CloseTag(close) => Decision::Drop(close.len()),
            Opener::CloseCode => Decision::Code(FENCE.len()),
            Opener::Tag(open, close) => self.tagged(open, close, last),
            Opener::Fence => self.fenced(last),
            Opener::Bare => self.bare(0, last),
        }
    }

    fn tagged(&self, open: &str, close: &str, last: bool) -> Decision {
        let body = self.held.get(open.len()..).unwrap_or_default();
        let closed = body.find(close);
        let begin = body.len() - body.trim_start().len();
        let value = body.get(begin..).unwrap_or_default();
        if value.starts_with(['{', '['])
            && let Some(length) = balanced(value)
            && closed.is_none_or(|closed| begin + length <= closed)
        {
            let length = begin + length;
            let calls = body.get(begin..length).and_then(|json| serde_json::from_str(json).ok());
            return match calls.and_then(|value| self.calls_in(&value, true)) {
                Some(calls) => Decision::Calls(open.len() + length, calls),
                None => Decision::Malformed(open.len() + length),
            };
        }
        match closed {
            Some(closed) => Decision::Malformed(open.len() + closed + close.len()),
            None if last => Decision::Malformed(self.held.len()),
            None => Decision::Wait,
        }
    }

    fn fenced(&self, last: bool) -> Decision {
        if self.in_fence {
            return Decision::Drop(FENCE.len());
        }
        let Some(end) = self.held.find('\n') else {
            let is_other = self.held.len() > 32 || last;
            return if is_other { Decision::Code(self.held.len()) } else { Decision::Wait };
        };
        let head = end + 1;
        let name = self.held.get(FENCE.len()..end).unwrap_or_default().trim();
        if !FENCES.contains(&name) {
            return Decision::Code(head);
        }
        let body = self.held.get(head..).unwrap_or_default();
        let value = body.trim_start();
        match value.chars().next() {
            None if last => Decision::Code(head),
            None => Decision::Wait,
            Some('<') if TAGS.iter().any(|(open, _)| value.starts_with(open)) => Decision::DropFence(head),
            Some('<') if !last && TAGS.iter().any(|(open, _)| open.starts_with(value)) => Decision::Wait,
            Some('{' | '[') => match self.bare(self.held.len() - value.len(), last) {
                Decision::Text(_) => Decision::Code(head),
                decision => decision,
            },
            Some(_) => Decision::Code(head),
        }
    }

    /// JSON that begins at byte `at` of what is held.
    fn bare(&self, at: usize, last: bool) -> Decision {
        let value = self.held.get(at..).unwrap_or_default();
        match begins_like_a_call(value) {
            Look::No => return Decision::Text(at + 1),
            Look::More if last => return Decision::Text(at + 1),
            Look::More => return Decision::Wait,
            Look::Yes => {}
        }
        let Some(length) = balanced(value) else {
            return if last { Decision::Malformed(self.held.len()) } else { Decision::Wait };
        };
        let parsed = serde_json::from_str::<Value>(value.get(..length).unwrap_or_default());
        match parsed.map(|value| self.calls_in(&value, false)) {
            Ok(Some(calls)) => Decision::Calls(at + length, calls),
            // Good JSON about something else.
            Ok(None) => Decision::Text(at + 1),
            Err(_) => Decision::Malformed(at + length),
        }
    }

    /// Names and arguments, if this is nothing but calls. Between tags anything with a name is one.
    fn calls_in(&self, value: &Value, tagged: bool) -> Option<Vec<(String, String)>> {
        match value {
            Value::Array(calls) if !calls.is_empty() => {
                let calls: Option<Vec<_>> = calls.iter().map(|call| self.calls_in(call, tagged)).collect();
                Some(calls?.into_iter().flatten().collect())
            }
            Value::Object(object) => {
                if let Some(calls @ Value::Array(_)) = object.get("tool_calls") {
                    return self.calls_in(calls, tagged);
                }
                if let Some(function @ Value::Object(_)) = object.get("function") {
                    return self.calls_in(function, tagged);
                }
                let name =
                    ["name", "function", "tool", "tool_name"].iter().find_map(|key| object.get(*key)?.as_str())?;
                let arguments = ARGUMENTS.iter().find_map(|key| object.get(*key));
                let looks_like_one = tagged
                    || self.known.iter().any(|known| known == name)
                    || arguments.is_some_and(|arguments| arguments.is_object() || arguments.is_string());
                let arguments = match arguments {
                    None | Some(Value::Null) => "{}".to_owned(),
                    Some(Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                };
                looks_like_one.then(|| vec![(name.to_owned(), arguments)])
            }
            _ => None,
        }
    }
}

fn begins_like_a_call(value: &str) -> Look {
    let inner = value.get(1..).unwrap_or_default().trim_start();
    if value.starts_with('[') {
        return match inner.chars().next() {
            None => Look::More,
            Some('{') => begins_like_a_call(inner),
            Some(_) => Look::No,
        };
    }
    let Some(quote) = inner.chars().next() else { return Look::More };
    if !matches!(quote, '"' | '\'') {
        return Look::No;
    }
    let key = inner.get(1..).unwrap_or_default();
    match key.split_once(quote) {
        Some((key, _)) if KEYS.contains(&key) => Look::Yes,
        Some(_) => Look::No,
        None if KEYS.iter().any(|known| known.starts_with(key)) => Look::More,
        None => Look::No,
    }
}

/// The length of the JSON object or array that `text` begins with, once it is whole.
fn balanced(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is found when the text comes in these pieces; neighbouring texts are one.
    fn find<'a>(pieces: impl IntoIterator<Item = &'a str>) -> Vec<Found> {
        let mut finder = CallFinder::new(["clock".to_owned(), "note".to_owned()]);
        let mut found = Vec::new();
        for piece in pieces {
            finder.push(piece, &mut found);
        }
        finder.finish(&mut found);
        let mut joined: Vec<Found> = Vec::new();
        for part in found {
            match (joined.last_mut(), part) {
                (Some(Found::Text(text)), Found::Text(more)) => text.push_str(&more),
                (_, part) => joined.push(part),
            }
        }
        joined
    }

    fn text(text: &str) -> Found {
        Found::Text(text.to_owned())
    }

    fn call(name: &str, arguments: &str) -> Found {
        Found::Call { name: name.to_owned(), arguments: arguments.to_owned() }
    }

    fn malformed(text: &str) -> Found {
        Found::Malformed(text.to_owned())
    }

    fn cases() -> Vec<(&'static str, Vec<Found>)> {
        let clock = || call("clock", "{}");
        let note = || call("note", "{\"fact\":\"a } b\"}");
        vec![
            ("Good morning. ", vec![text("Good morning. ")]),
            ("", vec![]),
            ("{\"name\": \"clock\", \"arguments\": {}}", vec![clock()]),
            ("\n\n{\"name\": \"note\", \"arguments\": {\"fact\": \"a } b\"}}\n", vec![note()]),
            ("{\"name\": \"note\", \"parameters\": \"{\\\"fact\\\":\\\"a } b\\\"}\"}", vec![note()]),
            ("{\"name\": \"clock\"}", vec![clock()]),
            ("{\"function\": \"clock\", \"args\": null}", vec![clock()]),
            ("{\"type\": \"function\", \"function\": {\"name\": \"clock\", \"arguments\": {}}}", vec![clock()]),
            ("{\"tool_calls\": [{\"id\": \"1\", \"function\": {\"name\": \"clock\"}}]}", vec![clock()]),
            ("[{\"name\": \"clock\"}, {\"name\": \"clock\"}]", vec![clock(), clock()]),
            ("{\"name\": \"clock\"}\n{\"name\": \"clock\"}\nIt is late.", vec![clock(), clock(), text("It is late.")]),
            ("<tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call>", vec![clock()]),
            (
                "Let me see.\n<tool_call>{\"name\": \"clock\"}</tool_call> So.",
                vec![text("Let me see."), clock(), text("So.")],
            ),
            ("<tools>\n{\"name\": \"clock\"}\n{\"name\": \"clock\"}\n</tools>", vec![clock(), clock()]),
            ("<tool_call>\n{\"name\": \"clock\"}", vec![clock()]),
            ("```json\n{\"name\": \"clock\", \"arguments\": {}}\n```\n", vec![clock()]),
            (
                "To find out:\n```\n{\"name\": \"clock\"}\n```\nDone.",
                vec![text("To find out:"), clock(), text("Done.")],
            ),
            ("```xml\n<tool_call>\n{\"name\": \"clock\"}\n</tool_call>\n```", vec![clock()]),
            // Nobody offered it, but it is clearly meant as a call.
            ("{\"name\": \"watch\", \"arguments\": {}}", vec![call("watch", "{}")]),
            ("{\"name\": \"note\", \"arguments\": [1]}", vec![call("note", "[1]")]),
            // Can't be read.
            (
                "{\"name\": \"note\", \"arguments\": {\"fact\": \"a",
                vec![malformed("{\"name\": \"note\", \"arguments\": {\"fact\": \"a")],
            ),
            (
                "{'name': 'clock', 'arguments': {}} and so on",
                vec![malformed("{'name': 'clock', 'arguments': {}}"), text("and so on")],
            ),
            ("<tool_call>clock()</tool_call>", vec![malformed("<tool_call>clock()</tool_call>")]),
            (
                "<tool_call>{\"name\": \"clock\"</tool_call>",
                vec![malformed("<tool_call>{\"name\": \"clock\"</tool_call>")],
            ),
            ("<tool_call>{\"x\": 1}</tool_call>", vec![malformed("<tool_call>{\"x\": 1}")]),
            // Not calls.
            ("{\"name\": \"Ada\", \"age\": 36}", vec![text("{\"name\": \"Ada\", \"age\": 36}")]),
            ("{\"colour\": \"red\"} is JSON.", vec![text("{\"colour\": \"red\"} is JSON.")]),
            ("{} [] {a} [1]", vec![text("{} [] {a} [1]")]),
            ("1 < 2 and a <to b", vec![text("1 < 2 and a <to b")]),
            ("Say {\"name\": \"clock\"} to call it.", vec![text("Say {\"name\": \"clock\"} to call it.")]),
            (
                "```python\n{\"name\": \"clock\", \"arguments\": {}}\n```\nThat was code.",
                vec![text("```python\n{\"name\": \"clock\", \"arguments\": {}}\n```\nThat was code.")],
            ),
            ("```json\n{\"colour\": 1}\n```", vec![text("```json\n{\"colour\": 1}\n```")]),
            ("`code` and ``", vec![text("`code` and ``")]),
            ("</tool_call>", vec![text("</tool_call>")]),
        ]
    }

    #[test]
    fn calls_are_found_in_what_models_write() {
        for (given, expected) in cases() {
            assert_eq!(find([given]), expected, "{given}");
        }
    }

    #[test]
    fn it_does_not_matter_where_the_text_is_cut() {
        for (given, expected) in cases() {
            for at in (0..=given.len()).filter(|at| given.is_char_boundary(*at)) {
                assert_eq!(find([&given[..at], &given[at..]]), expected, "{given} cut at {at}");
            }
            assert_eq!(find(given.split_inclusive(|_| true)), expected, "{given} letter by letter");
        }
    }

    #[test]
    fn text_is_let_through_at_once() {
        let mut finder = CallFinder::new(["clock".to_owned()]);
        let mut found = Vec::new();
        finder.push("Good", &mut found);
        finder.push(" morning", &mut found);
        assert_eq!(found, [text("Good"), text(" morning")]);
    }

    #[test]
    fn what_never_ends_is_given_up() {
        let mut finder = CallFinder::new([]);
        let mut found = Vec::new();
        finder.push("{\"name\": \"", &mut found);
        for _ in 0..MAX_HELD {
            finder.push("xx", &mut found);
        }
        assert!(matches!(found.first(), Some(Found::Malformed(_))), "{found:?}");
        assert!(finder.held.len() <= MAX_HELD);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_mixture_is_the_same_however_it_is_cut(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("```"), Just("json\n"), Just("\n"), Just(" "), Just("<tool_call>"), Just("</tool_call>"),
                    Just("{\"name\": \"clock\"}"), Just("{"), Just("}"), Just("[\""), Just("words é"), Just("\"arguments\": "),
                    Just("<"), Just("`"), Just("{\"name"),
                ],
                0..12,
            ),
            cuts in proptest::collection::vec(any::<usize>(), 0..8),
        ) {
            let whole = parts.concat();
            let mut places: Vec<_> = cuts.iter().map(|cut| cut % (whole.len() + 1)).filter(|cut| whole.is_char_boundary(*cut)).collect();
            places.extend([0, whole.len()]);
            places.sort_unstable();
            let pieces = places.windows(2).map(|pair| &whole[pair[0]..pair[1]]);
            prop_assert_eq!(find(pieces), find([whole.as_str()]));
        }

        #[test]
        fn without_anything_like_a_call_every_byte_comes_through(words in "[a-z .,\\n<{]{0,60}") {
            let words = words.replace("{\n", "{x");
            let through: String = find([words.as_str()]).into_iter().map(|part| match part {
                Found::Text(text) => text,
                other => format!("{other:?}"),
            }).collect();
            prop_assert_eq!(through, words);
        }
    }
}
