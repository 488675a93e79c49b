use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{
    Context, Error, bench, chat, config, doctor, key, models, page, people, room, session, source, status, talk, task,
    token, turn, up,
};

/// A voice agent on your own machine: talk to it in a browser or any LiveKit room, or write to it; it remembers both.
#[derive(Debug, Parser)]
#[command(name = "aether", version, after_help = EXAMPLES, max_term_width = 120)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  aether up                                        start everything, stop it with Ctrl-C
  aether status                                    what runs where, and how it is
  aether doctor                                    what is wrong, and how to mend it
  aether page                                      the link to the page, to talk in a browser
  aether chat \"Good morning.\"                      write to the agent; `aether chat` goes on and on
  aether room watch                                follow what is said in the rooms
  aether session list                              what was said before
  aether task list                                 reminders, and what else is done in the background
  aether source add builds                         let software tell you what happens
  aether key create --name laptop                  a key for programs that speak OpenAI's interface
  aether token --room kitchen --identity ada       a token to join a room with any LiveKit client
  aether talk --wav question.wav --out answer.wav  ask by voice, without a microphone
  aether bench                                     measure how fast and how patiently the agent takes its turns
  aether config                                    every setting, its value and where it came from

Settings come from defaults, then aether.toml, then the environment. State lies in .aether/ (or AETHER_HOME).";

#[derive(Debug, Subcommand)]
enum Action {
    Up(up::Arguments),
    Status(status::Arguments),
    Doctor(doctor::Arguments),
    Config(config::Arguments),
    Page(page::Arguments),
    Chat(chat::Arguments),
    Talk(talk::Arguments),
    #[command(subcommand)]
    Room(room::Action),
    #[command(subcommand)]
    Session(session::Action),
    #[command(subcommand)]
    Task(task::Action),
    #[command(subcommand)]
    Source(source::Action),
    #[command(subcommand)]
    Key(key::Action),
    #[command(subcommand)]
    Person(people::Action),
    Token(token::Arguments),
    #[command(subcommand)]
    Models(models::Action),
    Bench(Box<bench::Arguments>),
    #[command(subcommand)]
    Turn(turn::Action),
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
        Action::Doctor(arguments) => Box::pin(doctor::run(&context, &arguments)).await,
        Action::Config(arguments) => config::run(&context, &arguments),
        Action::Page(arguments) => page::run(&context, &arguments).await,
        Action::Chat(arguments) => Box::pin(chat::run(&context, arguments)).await,
        Action::Room(action) => Box::pin(room::run(&context, action)).await,
        Action::Session(action) => session::run(&context, action).await,
        Action::Task(action) => task::run(&context, action).await,
        Action::Source(action) => source::run(&context, action).await,
        Action::Key(action) => key::run(&context, action).await,
        Action::Person(action) => people::run(&context, action).await,
        Action::Token(arguments) => token::run(&context, &arguments),
        Action::Models(action) => models::run(&context, action).await,
        Action::Talk(arguments) => Box::pin(talk::run(&context, arguments)).await,
        Action::Bench(arguments) => Box::pin(bench::run(&context, *arguments)).await,
        Action::Turn(action) => turn::run(&action),
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
