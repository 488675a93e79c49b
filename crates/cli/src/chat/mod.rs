//! `aether chat`: the same agent as in a room, in writing. One message and its answer ([`once`]), or a conversation
//! ([`conversation`]) at the terminal or from a pipe; [`Exchange`](exchange::Exchange) is one request to the gateway.

mod conversation;
mod exchange;
mod once;
mod thread;

use std::io::IsTerminal;

use crate::{
    Context, Error,
    api::{self, Api},
    print,
};
use thread::Thread;

/// Write to the agent: one message, or a whole conversation.
///
/// It is the agent of the rooms, with the same memory: what it was told by voice it knows here. The answer is printed while
/// it comes. Without a text a conversation begins; there, Ctrl-C stops an answer and Ctrl-D ends.
///
/// Exits with 0 when every answer was whole, with 1 when one was not, and with 2 when the command line is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  aether chat \"What is the tallest mountain?\"\n  \
    aether chat                                          a conversation\n  \
    git diff | aether chat -                             the text is what comes in\n  \
    printf 'My dog is called Argo.\\nWhat is my dog called?\\n' | aether chat\n  \
    aether chat --conversation 0193c5d4-7b1e-7c3a-9f00-0a1b2c3d4e5f \"And then?\"\n  \
    aether chat --json \"Name a colour.\" | jq -r .answer\n\n\
    AETHER_API_KEY names the key to use; without it, whoever runs `aether up` here is let in.")]
pub struct Arguments {
    /// What to write; `-` reads it from standard input
    text: Vec<String>,
    /// Who writes: what memories are kept under [default: AETHER_USER_ID, else `owner`, or the key's person]
    #[arg(long)]
    person: Option<String>,
    /// The conversation to continue, as `aether session list` shows it; `new` begins one
    #[arg(long, value_name = "ID", default_value = "new")]
    conversation: String,
    /// Nothing is kept: no turn, no memory
    #[arg(long)]
    off_the_record: bool,
    /// Wait for the whole answer instead of printing it as it comes
    #[arg(long)]
    no_stream: bool,
    /// Print one JSON object per answer
    #[arg(long)]
    json: bool,
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<(), Error> {
    let thread = Thread::begin(&arguments.conversation, arguments.off_the_record)?;
    let mut api = Api::open(context)?;
    // A key may be bound to a person; only a token made here must be told whose it is.
    let named = arguments.person.as_deref();
    if named.is_some() || !api.has_key() {
        let person = api::person(context, named)?;
        api = api.speaking_as(&person).await?;
    }
    let talk = Talk { api, stream: !arguments.no_stream && !arguments.json, json: arguments.json };
    // Most people forget the quotation marks.
    let text = (!arguments.text.is_empty()).then(|| arguments.text.join(" "));
    match text.as_deref() {
        Some("-") => once::run(&talk, thread, &print::standard_input()?).await,
        Some(text) => once::run(&talk, thread, text).await,
        None if std::io::stdin().is_terminal() => conversation::at_the_terminal(&talk, thread).await,
        None => conversation::from_a_pipe(&talk, thread).await,
    }
}

/// How this process talks to the agent.
struct Talk {
    api: Api,
    /// Print each piece of an answer as it comes.
    stream: bool,
    json: bool,
}
