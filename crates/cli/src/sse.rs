//! Server-sent events, as a chat completion comes in: lines that begin with `data:`, in pieces cut anywhere.

use std::collections::VecDeque;

/// The longest line that is still an event; what is longer is no answer of ours.
const LONGEST: usize = 4 << 20;

#[derive(Debug, Default)]
pub struct Events {
    rest: Vec<u8>,
    ready: VecDeque<String>,
}

/// A line without an end.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {LONGEST} bytes")]
pub struct TooLong;

impl Events {
    /// Takes the next piece of the body.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            if let Some(data) = line.trim_end_matches(['\r', '\n']).strip_prefix("data:") {
                self.ready.push_back(data.trim_start().to_owned());
            }
        }
        if self.rest.len() > LONGEST { Err(TooLong) } else { Ok(()) }
    }

    /// The data of the next whole event.
    pub fn next(&mut self) -> Option<String> {
        self.ready.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_whole_wherever_the_body_was_cut() {
        let body = "data: {\"a\":\"é\"}\r\n\r\n: a comment\ndata:[DONE]\n\ndata: half".as_bytes();
        for cut in 0..body.len() {
            let mut events = Events::default();
            events.push(&body[..cut]).unwrap();
            events.push(&body[cut..]).unwrap();
            let all: Vec<_> = std::iter::from_fn(|| events.next()).collect();
            assert_eq!(all, ["{\"a\":\"é\"}", "[DONE]"], "cut at {cut}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        let mut events = Events::default();
        let piece = vec![b'x'; 1 << 20];
        let outcome = (0..6).try_for_each(|_| events.push(&piece));
        assert_eq!(outcome, Err(TooLong));
    }
}
