//! Whether a sentence may end after some words: what the model would write next tells, without a word being generated for it.
//!
//! The words stand in a quotation, which any model continues like written text, whatever it was tuned for. How probable a full
//! stop is there separates "I need to buy milk and" from "I need to buy milk" even in a model of half a billion parameters.

use serde_json::{Value, json};

/// At least so many of the last words are read, or all; more would take longer than they tell. They begin at a multiple of it, so
/// that the server has read most of them already when it is asked again after a few more.
const WORDS: usize = 12;
/// Candidates for the next token that the server is asked for: beyond these each is rarer than one in a hundred.
const CANDIDATES: u32 = 20;

pub(crate) fn body(model: &str, words: &str) -> Value {
    json!({
        "model": model,
        "prompt": prompt(words),
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": CANDIDATES,
    })
}

/// The last words, without the sign that somebody put at their end.
fn prompt(words: &str) -> String {
    let words: Vec<&str> = words.split_whitespace().collect();
    let before = words.len().saturating_sub(WORDS) / WORDS * WORDS;
    let last = words[before..].join(" ");
    format!("He said, \"{}", last.trim_end_matches(|c: char| !c.is_alphanumeric()))
}

/// The sum over all candidates that end a sentence; `None` for a reply without candidates. llama.cpp lists them like chats do,
/// others as a map.
pub(crate) fn probability(reply: &Value) -> Option<f32> {
    let told = reply.pointer("/choices/0/logprobs")?;
    let listed = told.pointer("/content/0/top_logprobs").and_then(Value::as_array);
    let mapped = told.pointer("/top_logprobs/0").and_then(Value::as_object);
    let candidates: Vec<(&str, f64)> = match (listed, mapped) {
        (Some(list), _) => {
            list.iter().filter_map(|one| Some((one["token"].as_str()?, one["logprob"].as_f64()?))).collect()
        }
        (None, Some(map)) => map.iter().filter_map(|(token, one)| Some((token.as_str(), one.as_f64()?))).collect(),
        (None, None) => return None,
    };
    let ends = candidates.iter().filter(|(token, _)| ends_a_sentence(token)).map(|(_, log)| log.exp()).sum::<f64>();
    (!candidates.is_empty()).then_some(ends.clamp(0.0, 1.0) as f32)
}

/// A full stop, a new line, the end of the quotation, or the end of everything.
fn ends_a_sentence(token: &str) -> bool {
    let sign = token.trim_matches([' ', '"']);
    let is_quotation_mark = sign.is_empty() && !token.starts_with(' ');
    is_quotation_mark || sign.starts_with(['.', '?', '!', '\n']) || sign.starts_with("<|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_asked_about_without_their_sign() {
        assert_eq!(prompt("Turn on  the light. "), "He said, \"Turn on the light");
        assert_eq!(prompt(""), "He said, \"");
    }

    #[test]
    fn a_few_more_words_do_not_move_the_beginning() {
        let prompt = |count: usize| prompt(&(0..count).map(|word| word.to_string()).collect::<Vec<_>>().join(" "));
        assert!(prompt(23).starts_with("He said, \"0 1 ") && prompt(23).ends_with(" 22"));
        for count in 24..36 {
            assert!(prompt(count).starts_with("He said, \"12 13 "), "{count}");
        }
        assert!(prompt(41).starts_with("He said, \"24 25 "));
    }

    #[test]
    fn full_stops_are_summed_in_both_shapes() {
        let listed = json!({ "choices": [{ "logprobs": { "content": [{ "top_logprobs": [
            { "token": ".", "logprob": (0.25f64).ln() }, { "token": "?\n\n", "logprob": (0.25f64).ln() },
            { "token": "\"", "logprob": (0.125f64).ln() }, { "token": " and", "logprob": (0.25f64).ln() },
            { "token": " ", "logprob": (0.125f64).ln() },
        ] }] } }] });
        assert_eq!(probability(&listed), Some(0.625));
        let mapped = json!({ "choices": [{ "logprobs": { "top_logprobs": [{ "<|im_end|>": 0.0, " of": -9.0 }] } }] });
        assert_eq!(probability(&mapped), Some(1.0));
    }

    #[test]
    fn a_server_that_tells_nothing_is_not_believed() {
        for reply in [
            json!({}),
            json!({ "choices": [{ "text": "." }] }),
            json!({ "choices": [{ "logprobs": null }] }),
            json!({ "choices": [{ "logprobs": { "content": [{ "top_logprobs": [] }] } }] }),
            json!({ "choices": [{ "logprobs": { "top_logprobs": [{ ".": "x" }] } }] }),
        ] {
            assert_eq!(probability(&reply), None, "{reply}");
        }
    }
}
