//! Bytes as the network cuts them → whole lines, with a bound on the length of one.

/// The longest accepted line in bytes. A token's JSON is some hundred bytes; a server that sends a thousand times that
/// without a line end is not sending an answer.
pub const MAX_LINE_LENGTH: usize = 256 * 1024;

/// The line went past [`MAX_LINE_LENGTH`].
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

/// Collects bytes until a line is whole. Line ends are `\n` or `\r\n`.
#[derive(Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Calls `each` for every line that `bytes` completes, without its line end; stops at `each`'s first error.
    pub fn push<E: From<TooLong>>(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = rest.split_at(end);
            rest = tail.get(1..).unwrap_or_default();
            if self.partial.len() + head.len() > MAX_LINE_LENGTH {
                return Err(TooLong.into());
            }
            if self.partial.is_empty() {
                each(without_carriage_return(head))?;
            } else {
                self.partial.extend_from_slice(head);
                let line = std::mem::take(&mut self.partial);
                each(without_carriage_return(&line))?;
            }
        }
        if self.partial.len() + rest.len() > MAX_LINE_LENGTH {
            return Err(TooLong.into());
        }
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    /// The last line, when the bytes ended without a line end.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        let mut line = std::mem::take(&mut self.partial);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        (!line.is_empty()).then_some(line)
    }
}

fn without_carriage_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(chunks: &[&[u8]]) -> Result<Vec<String>, TooLong> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for chunk in chunks {
            lines.push(chunk, |line| {
                seen.push(String::from_utf8_lossy(line).into_owned());
                Ok::<(), TooLong>(())
            })?;
        }
        seen.extend(lines.finish().map(|line| String::from_utf8_lossy(&line).into_owned()));
        Ok(seen)
    }

    #[test]
    fn lines_are_found_wherever_the_bytes_are_cut() {
        assert_eq!(lines_of(&[b"a\r\nb\n\nc"]).unwrap(), ["a", "b", "", "c"]);
        assert_eq!(lines_of(&[b"a\r", b"\nb", b"\n", b"\n", b"c\r"]).unwrap(), ["a", "b", "", "c"]);
    }

    #[test]
    fn a_line_without_end_is_refused_at_the_limit() {
        let chunk = vec![b'x'; 1024];
        let mut lines = Lines::default();
        let mut accepted = 0;
        let refused = loop {
            match lines.push(&chunk, |_| Ok::<(), TooLong>(())) {
                Ok(()) => accepted += chunk.len(),
                Err(error) => break error,
            }
        };
        assert_eq!(refused, TooLong);
        assert_eq!(accepted, MAX_LINE_LENGTH);
    }
}
