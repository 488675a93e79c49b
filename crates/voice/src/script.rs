//! What is said aloud of a written answer.
//!
//! Code and tables are for the eyes: the person is told once that they are there. Of an address the host is said, of a link
//! its text, and of a run of letters that is no word, such as a key, the beginning. Everything else is said as it is
//! written, so each piece of the script is a piece of the answer and knows its place in it.
//!
//! Takes the answer as it is being written, in deltas of any size, and gives the same script however it was cut.

/// Said where there is something to read.
const WRITTEN_DOWN: &str = "I have written it down for you.";
/// No word is longer; a key, a hash or encoded data is.
const LONGEST_WORD: usize = 40;
/// Stands for the signs that open a fence: a line that no answer can hold.
const OPENING: &str = "\n";
/// What an address that is to be shortened begins with.
const ADDRESSES: [&str; 3] = ["https://", "http://", "www."];

/// A part of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// These bytes of the answer, from `at` on.
    Text { at: usize, text: String },
    /// Said at this point of the answer, and not in it.
    Aside { at: usize, text: &'static str },
}

#[derive(Debug, Default)]
pub(crate) struct Script {
    state: State,
    /// Bytes of the answer so far.
    at: usize,
    /// Whether a word could begin here.
    word_begins: bool,
    /// Letters and digits in a row.
    run: usize,
    was_told: bool,
}

#[derive(Debug)]
enum State {
    /// What the line is, is not known yet: spaces, or the beginning of a fence.
    LineStart {
        held: String,
    },
    Text,
    /// May become an address.
    Candidate {
        held: String,
    },
    /// The host of an address, after which the rest of it is skipped.
    Host {
        /// With which it begins, as it is written.
        prefix: String,
        host: String,
        from: usize,
    },
    /// The rest of an address. Signs at its end are the sentence's.
    AddressRest {
        signs: String,
    },
    /// After `]`: a link's target may follow.
    Bracket,
    LinkTarget {
        depth: usize,
    },
    /// Inside of a fence of this character, with the beginning of the line.
    Fence {
        mark: char,
        line: String,
    },
    Table,
}

impl Default for State {
    fn default() -> Self {
        Self::LineStart { held: String::new() }
    }
}

impl Script {
    /// Takes the next delta of the answer.
    pub(crate) fn push(&mut self, delta: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for character in delta.chars() {
            let after = self.at + character.len_utf8();
            self.take(character, &mut pieces);
            self.at = after;
        }
        pieces
    }

    /// What was held back, now that no more comes.
    pub(crate) fn finish(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        match std::mem::replace(&mut self.state, State::Text) {
            State::LineStart { held } | State::Candidate { held } => self.release(&held, &mut pieces),
            State::Host { prefix, host, from } => Self::say_host(&prefix, &host, from, &mut pieces),
            State::AddressRest { signs } => self.release(&signs, &mut pieces),
            State::Text | State::Bracket | State::LinkTarget { .. } | State::Fence { .. } | State::Table => {}
        }
        pieces
    }

    fn take(&mut self, character: char, pieces: &mut Vec<Piece>) {
        match std::mem::replace(&mut self.state, State::Text) {
            State::LineStart { held } => self.begin_line(held, character, pieces),
            State::Text => self.read(character, pieces),
            State::Candidate { mut held } => {
                held.push(character);
                let lower = held.to_ascii_lowercase();
                if ADDRESSES.contains(&lower.as_str()) {
                    let from = self.at + character.len_utf8();
                    self.state = State::Host { prefix: held, host: String::new(), from };
                } else if ADDRESSES.iter().any(|address| address.starts_with(&lower)) {
                    self.state = State::Candidate { held };
                } else {
                    // The last character may mean something by itself.
                    held.pop();
                    self.release(&held, pieces);
                    self.word_begins = false;
                    self.read(character, pieces);
                }
            }
            State::Host { prefix, mut host, from } => match character {
                '/' | '?' | '#' => {
                    Self::say_host(&prefix, &host, from, pieces);
                    self.state = State::AddressRest { signs: String::new() };
                }
                // What came before was a name and a password.
                '@' => {
                    self.state = State::Host { prefix: String::new(), host: String::new(), from: self.at + 1 };
                }
                _ if ends_address(character) || host.len() > 253 => {
                    Self::say_host(&prefix, &host, from, pieces);
                    self.read(character, pieces);
                }
                _ => {
                    host.push(character);
                    self.state = State::Host { prefix, host, from };
                }
            },
            State::AddressRest { mut signs } => {
                if ends_address(character) {
                    self.release(&signs, pieces);
                    return self.read(character, pieces);
                }
                if matches!(character, '.' | ',' | ';' | ':' | '!' | '?') {
                    signs.push(character);
                } else {
                    signs.clear();
                }
                self.state = State::AddressRest { signs };
            }
            State::Bracket if character == '(' => self.state = State::LinkTarget { depth: 1 },
            State::Bracket => self.read(character, pieces),
            State::LinkTarget { depth } => match (character, depth) {
                ('\n', _) => self.read(character, pieces),
                ('(', _) => self.state = State::LinkTarget { depth: depth + 1 },
                (')', 1) => {}
                (')', _) => self.state = State::LinkTarget { depth: depth - 1 },
                _ => self.state = State::LinkTarget { depth },
            },
            State::Fence { mark, line } => self.skip_code(mark, line, character),
            State::Table if character == '\n' => self.state = State::default(),
            State::Table => self.state = State::Table,
        }
    }

    fn begin_line(&mut self, mut held: String, character: char, pieces: &mut Vec<Piece>) {
        self.word_begins = true;
        self.run = 0;
        let signs = held.trim_start();
        match character {
            '|' if signs.is_empty() => {
                self.tell(pieces);
                self.state = State::Table;
            }
            '`' | '~' if signs.chars().all(|sign| sign == character) => {
                held.push(character);
                if held.trim_start().len() == 3 {
                    self.tell(pieces);
                    self.state = State::Fence { mark: character, line: OPENING.to_owned() };
                } else {
                    self.state = State::LineStart { held };
                }
            }
            ' ' | '\t' if signs.is_empty() && held.len() < LONGEST_WORD => {
                held.push(character);
                self.state = State::LineStart { held };
            }
            _ => {
                self.release(&held, pieces);
                self.read(character, pieces);
            }
        }
    }

    /// A fence ends with a line that holds nothing but its signs.
    fn skip_code(&mut self, mark: char, mut line: String, character: char) {
        if character == '\n' {
            let signs = line.trim();
            let closes = signs.len() >= 3 && signs.chars().all(|sign| sign == mark);
            self.state = if closes { State::default() } else { State::Fence { mark, line: String::new() } };
            return;
        }
        // Signs again after words in the opening line: this was code within a line, and the line goes on.
        if mark == '`' && character == mark && line.len() > OPENING.len() && line.starts_with(OPENING) {
            return;
        }
        // A longer line is code in any case.
        if line.len() < LONGEST_WORD {
            line.push(character);
        }
        self.state = State::Fence { mark, line };
    }

    /// A character of ordinary text.
    fn read(&mut self, character: char, pieces: &mut Vec<Piece>) {
        self.run = if character.is_ascii_alphanumeric() { self.run + 1 } else { 0 };
        match character {
            '\n' => {
                say(self.at, "\n", pieces);
                self.state = State::default();
                return;
            }
            '[' => {}
            ']' => self.state = State::Bracket,
            'h' | 'H' | 'w' | 'W' if self.word_begins => {
                self.state = State::Candidate { held: character.to_string() };
            }
            _ if self.run > LONGEST_WORD => {}
            _ => say(self.at, character.encode_utf8(&mut [0; 4]), pieces),
        }
        self.word_begins = !character.is_alphanumeric();
    }

    /// Says what was held back just before this point.
    fn release(&self, held: &str, pieces: &mut Vec<Piece>) {
        say(self.at - held.len(), held, pieces);
    }

    /// Without `www.` and a port. What only begins like an address is said as it is.
    fn say_host(prefix: &str, host: &str, from: usize, pieces: &mut Vec<Piece>) {
        if host.is_empty() {
            return say(from.saturating_sub(prefix.len()), prefix, pieces);
        }
        let host = match host.split_once(':') {
            Some((name, port)) if !port.is_empty() => name,
            _ => host,
        };
        let known = host.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www."));
        let skipped = if known { 4 } else { 0 };
        say(from + skipped, &host[skipped..], pieces);
    }

    fn tell(&mut self, pieces: &mut Vec<Piece>) {
        if !std::mem::replace(&mut self.was_told, true) {
            pieces.push(Piece::Aside { at: self.at, text: WRITTEN_DOWN });
        }
    }
}

fn ends_address(character: char) -> bool {
    character.is_whitespace() || matches!(character, ')' | ']' | '>' | '"' | '\'' | '`' | '*' | '|' | '”' | '’')
}

/// Appends to the piece before where the answer goes on without a gap.
fn say(at: usize, said: &str, pieces: &mut Vec<Piece>) {
    if said.is_empty() {
        return;
    }
    if let Some(Piece::Text { at: before, text }) = pieces.last_mut()
        && *before + text.len() == at
    {
        return text.push_str(said);
    }
    pieces.push(Piece::Text { at, text: said.to_owned() });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn script(deltas: &[&str]) -> Vec<Piece> {
        let mut script = Script::default();
        let mut pieces: Vec<Piece> = deltas.iter().flat_map(|delta| script.push(delta)).collect();
        pieces.extend(script.finish());
        pieces
    }

    /// All that is said, with asides in angle brackets.
    fn said(pieces: &[Piece]) -> String {
        pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text { text, .. } => text.clone(),
                Piece::Aside { .. } => "<aside>".to_owned(),
            })
            .collect()
    }

    #[test]
    fn what_is_for_the_eyes_is_not_read_out() {
        let key = "a1b2c3d4".repeat(20);
        let table = [
            ("Hello, who is there? He, www and http.", "Hello, who is there? He, www and http."),
            ("See https://www.example.com/a/b?c=d#e. Then go.", "See example.com. Then go."),
            ("At http://user:secret@example.com:8080/x, and so on", "At example.com, and so on"),
            ("(www.example.com)", "(example.com)"),
            ("WWW. is how they begin, or https:// then", "WWW. is how they begin, or https:// then"),
            ("It is at https://example.com", "It is at example.com"),
            ("Read [the manual](https://example.com/(x)/y) first.", "Read the manual first."),
            ("Point [1] says [x] so.", "Point 1 says x so."),
            ("Do this:\n```python\nprint('x')\n```\nDone.\n", "Do this:\n<aside>Done.\n"),
            ("~~~\n```\nnot the end\n~~~\nDone.", "<aside>Done."),
            ("Two:\n```\na\n```\nand\n```\nb\n```\n", "Two:\n<aside>and\n"),
            ("```\nnever closed", "<aside>"),
            ("Like so:\n| a | b |\n|---|---|\n| 1 | 2 |\nThat is all.", "Like so:\n<aside>That is all."),
            ("Use `cargo test` or ``x``.", "Use `cargo test` or ``x``."),
            ("  - one\n  - two", "  - one\n  - two"),
            ("👍🏽 ok 你好，世界。", "👍🏽 ok 你好，世界。"),
        ];
        for (answer, expected) in table {
            assert_eq!(said(&script(&[answer])), expected, "{answer:?}");
        }
        assert_eq!(said(&script(&[&format!("Key {key} it is.")])), format!("Key {} it is.", &key[..LONGEST_WORD]));
    }

    proptest! {
        #[test]
        fn every_piece_stands_where_it_says_however_it_came(
            deltas in prop::collection::vec("([ -~]|\n|`|~|\\||\\[|\\]\\(|https?://|www\\.|é|👍|\\PC){0,8}", 0..40)
        ) {
            let answer = deltas.concat();
            let borrowed: Vec<&str> = deltas.iter().map(String::as_str).collect();
            let pieces = script(&borrowed);
            let mut end = 0;
            for piece in &pieces {
                match piece {
                    Piece::Text { at, text } => {
                        prop_assert!(*at >= end, "{pieces:?}");
                        end = at + text.len();
                        prop_assert_eq!(answer.get(*at..end), Some(text.as_str()));
                    }
                    Piece::Aside { at, .. } => prop_assert!(*at >= end && answer.is_char_boundary(*at)),
                }
            }
            prop_assert_eq!(said(&pieces), said(&script(&[&answer])));
        }
    }
}
