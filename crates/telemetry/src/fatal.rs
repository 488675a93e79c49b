//! The last line of a process that can't go on.

use std::error::Error;
use std::process::ExitCode;

/// Says on stderr why `service` ends, with all causes, and gives the exit code that says so to whoever started it. Written
/// plainly rather than logged: it must be readable when telemetry itself could not be set up.
pub fn fatal(service: &str, error: &dyn Error) -> ExitCode {
    eprintln!("{service}: {}", with_causes(error));
    ExitCode::FAILURE
}

/// An error and what caused it, in one text. Errors here don't repeat their cause, so nothing is said twice.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
