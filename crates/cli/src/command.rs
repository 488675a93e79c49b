use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{Context, Error, bench, config, models, status, talk, token, up};

/// A voice agent on your own machine: talk to it in a LiveKit room, it listens, thinks, speaks and can be interrupted.
#[derive(Debug, Parser)]
#[command(name = "aether", version, after_help = EXAMPLES, max_term_width = 110)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  aether up                                        start everything, stop it with Ctrl-C
  aether status                                    what runs where, and how it is
  aether token --room kitchen --identity ada       a token to join a room with any LiveKit client
  aether talk --wav question.wav --out answer.wav  ask by voice, without a microphone
  aether bench                                     measure spoken turns and print where the time goes
  aether config                                    every setting, its value and where it came from

Settings come from defaults, then aether.toml, then the environment. State lies in .aether/ (or AETHER_HOME).";

#[derive(Debug, Subcommand)]
enum Action {
    Up(up::Arguments),
    Status(status::Arguments),
    Config(config::Arguments),
    Token(token::Arguments),
    #[command(subcommand)]
    Models(models::Action),
    Talk(talk::Arguments),
    Bench(bench::Arguments),
}

/// Reads the command line and does what it says.
pub async fn run() -> ExitCode {
    // One cryptography provider for every connection of this process; a second call finds the first and is ignored.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match act(Command::parse().action).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(text) = error.told() {
                eprintln!("aether: {text}");
            }
            ExitCode::FAILURE
        }
    }
}

async fn act(action: Action) -> Result<(), Error> {
    let context = Context::find()?;
    match action {
        Action::Up(arguments) => Box::pin(up::run(context, arguments)).await,
        Action::Status(arguments) => status::run(&context, &arguments).await,
        Action::Config(arguments) => config::run(&context, &arguments),
        Action::Token(arguments) => token::run(&context, &arguments),
        Action::Models(action) => models::run(&context, action).await,
        Action::Talk(arguments) => Box::pin(talk::run(&context, arguments)).await,
        Action::Bench(arguments) => Box::pin(bench::run(&context, arguments)).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Command::command().debug_assert();
    }
}
