//! The text tokens of Whisper's vocabulary, out of a `tokenizer.json`.

use std::collections::HashMap;

use serde::Deserialize;

/// Tokens that are text; whisper.cpp names the special ones itself.
const TEXT_TOKENS: u32 = 50_257;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the tokenizer can't be read: {0}")]
    Syntax(#[from] serde_json::Error),
    #[error("the tokenizer lacks token {0}")]
    Missing(u32),
}

/// The bytes of every text token, by id. The tokenizer file spells each byte as one printable character.
pub(crate) fn text_tokens(tokenizer: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    #[derive(Deserialize)]
    struct File {
        model: Model,
        #[serde(default)]
        added_tokens: Vec<AddedToken>,
    }
    #[derive(Deserialize)]
    struct Model {
        vocab: HashMap<String, u32>,
    }
    #[derive(Deserialize)]
    struct AddedToken {
        id: u32,
        content: String,
    }

    let file: File = serde_json::from_slice(tokenizer)?;
    let bytes = byte_alphabet();
    let mut by_id: HashMap<u32, Vec<u8>> =
        file.added_tokens.into_iter().map(|token| (token.id, token.content.into_bytes())).collect();
    for (spelling, id) in file.model.vocab {
        // A special token is spelled as it is.
        let plain: Option<Vec<u8>> = spelling.chars().map(|character| bytes.get(&character).copied()).collect();
        by_id.insert(id, plain.unwrap_or_else(|| spelling.into_bytes()));
    }
    (0..TEXT_TOKENS).map(|id| by_id.remove(&id).ok_or(Error::Missing(id))).collect()
}

/// The byte-level alphabet of GPT-2: printable Latin-1 stands for itself, the other bytes for the characters from U+0100 on.
fn byte_alphabet() -> HashMap<char, u8> {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let own = (0..=u8::MAX).filter(printable).map(|byte| (char::from(byte), byte));
    let others = (0..=u8::MAX).filter(|byte| !printable(byte));
    own.chain(('\u{100}'..).zip(others)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_spells_every_byte_once() {
        let alphabet = byte_alphabet();
        assert_eq!(alphabet.len(), 256);
        assert_eq!(alphabet[&'Ġ'], b' ');
        assert_eq!(alphabet[&'Ċ'], b'\n');
        assert_eq!(alphabet[&'a'], b'a');
        let mut bytes: Vec<u8> = alphabet.into_values().collect();
        bytes.sort_unstable();
        assert!(bytes.iter().copied().eq(0..=u8::MAX));
    }

    #[test]
    fn a_tokenizer_with_holes_is_refused() {
        let error = text_tokens(br#"{"model": {"vocab": {"a": 0}}}"#).unwrap_err().to_string();
        assert!(error.contains("lacks token 1"), "{error}");
        assert!(text_tokens(b"[]").unwrap_err().to_string().contains("can't be read"));
    }
}
