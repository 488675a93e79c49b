//! What a command reads and writes. Standard output may be closed by whoever reads it: `aether chat … | head -n 1` is no
//! reason to panic.

use std::io::{self, Write};

use crate::Error;

/// Writes a piece of a line and shows it at once.
pub fn piece(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(closed)
}

/// Ends a line.
pub fn line(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(closed)
}

/// All that comes in, for a `-` on the command line.
pub fn standard_input() -> Result<String, Error> {
    io::read_to_string(io::stdin()).map_err(Error::io("standard input can't be read"))
}

fn closed(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        // Whoever hung up knows why.
        return Error::Told;
    }
    Error::io("standard output can't be written")(error)
}
