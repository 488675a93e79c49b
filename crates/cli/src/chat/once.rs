use std::io::IsTerminal;

use super::{Talk, Thread, exchange::Exchange};
use crate::{Error, print};

/// One message, one answer.
pub async fn run(talk: &Talk, thread: Thread, text: &str) -> Result<(), Error> {
    if text.trim().is_empty() {
        return Err(Error::Input("there is nothing to write: the text is empty".to_owned()));
    }
    let mut exchange = Exchange::begin(talk, &thread, text).await?;
    answer(talk, &mut exchange).await?;
    if !talk.json
        && std::io::stderr().is_terminal()
        && let Some(id) = &exchange.answer.conversation
    {
        eprintln!("(to go on: aether chat --conversation {id} …)");
    }
    Ok(())
}

/// Prints an answer, as it comes or at its end, as text or as JSON.
pub async fn answer(talk: &Talk, exchange: &mut Exchange) -> Result<(), Error> {
    if talk.json {
        exchange.rest().await?;
        return print::line(&exchange.answer.as_json().to_string());
    }
    let mut begun = false;
    loop {
        match exchange.next().await {
            Ok(Some(piece)) => {
                begun = true;
                print::piece(&piece)?;
            }
            Ok(None) => return print::line(""),
            Err(error) => {
                if begun {
                    print::line("")?;
                }
                return Err(error);
            }
        }
    }
}
