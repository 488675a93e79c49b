use std::io::BufRead;

use rustyline::{DefaultEditor, error::ReadlineError};
use tokio::{signal, sync::mpsc};

use super::{Talk, Thread, exchange::Exchange, once};
use crate::{Error, print};

const PROMPT: &str = "> ";
const HELP: &str = "\
/new    begin another conversation
/quit   end; so does Ctrl-D
/help   show this
Ctrl-C stops an answer. Anything else is what you write to the agent.";

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Nothing,
    New,
    Quit,
    Help,
    Unknown(&'a str),
    Text(&'a str),
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Self {
        match line.trim() {
            "" => Self::Nothing,
            "/new" => Self::New,
            "/quit" | "/exit" => Self::Quit,
            "/help" | "/?" => Self::Help,
            // A path is something to write about; a single word is a command that was misspelt.
            word if word.starts_with('/') && word[1..].chars().all(char::is_alphabetic) => Self::Unknown(word),
            text => Self::Text(text),
        }
    }
}

/// A person types. The history of what they typed lives as long as this process.
pub async fn at_the_terminal(talk: &Talk, mut thread: Thread) -> Result<(), Error> {
    let me = talk.api.me().await?;
    let who = me.name.or(me.person).unwrap_or_else(|| "nobody in particular".to_owned());
    let record = if thread.is_off_the_record() { ", off the record" } else { "" };
    eprintln!("You write with {} as {who}{record}. /help lists the commands, Ctrl-D ends.", me.agent);

    let (lines, mut typed) = mpsc::channel(1);
    let (ask, asked) = std::sync::mpsc::sync_channel::<()>(1);
    // A terminal is read by blocking; one line is asked for at a time, so that no prompt lies in an answer.
    let reader = std::thread::spawn(move || read_lines(&asked, &lines));
    loop {
        if ask.send(()).is_err() {
            break;
        }
        let Some(line) = typed.recv().await else { break };
        let line = line?;
        match Line::read(&line) {
            Line::Nothing => {}
            Line::Quit => break,
            Line::Help => eprintln!("{HELP}"),
            Line::Unknown(word) => eprintln!("there is no command {word}; /help lists them"),
            Line::New => {
                thread = thread.anew();
                eprintln!("a new conversation");
            }
            // What went wrong with one message is no reason to end the conversation.
            Line::Text(text) => {
                if let Err(error) = say(talk, &mut thread, text).await {
                    match error.told() {
                        Some(text) => eprintln!("aether: {text}"),
                        None => return Err(error),
                    }
                }
            }
        }
    }
    drop(ask);
    let _ = reader.join();
    if let Some(id) = thread.id() {
        eprintln!("to go on another time: aether chat --conversation {id}");
    }
    Ok(())
}

/// One message and its answer, which Ctrl-C stops.
async fn say(talk: &Talk, thread: &mut Thread, text: &str) -> Result<(), Error> {
    let (mut known, mut said) = (None, String::new());
    let outcome = {
        let answering = async {
            let mut exchange = Exchange::begin(talk, thread, text).await?;
            known.clone_from(&exchange.answer.conversation);
            if talk.json || !talk.stream {
                let outcome = once::answer(talk, &mut exchange).await;
                said = exchange.answer.text;
                return outcome;
            }
            while let Some(piece) = exchange.next().await? {
                said.push_str(&piece);
                print::piece(&piece)?;
            }
            print::line("")
        };
        tokio::select! {
            outcome = answering => Some(outcome),
            _ = signal::ctrl_c() => None,
        }
    };
    thread.went_on(known, text, &said);
    match outcome {
        Some(Err(error)) => {
            if !said.is_empty() {
                print::line("")?;
            }
            Err(error)
        }
        Some(Ok(())) => Ok(()),
        None => {
            print::line("")?;
            eprintln!("(stopped)");
            Ok(())
        }
    }
}

/// Each line of standard input is a message; the answers are the output. Ends with the first that fails.
pub async fn from_a_pipe(talk: &Talk, mut thread: Thread) -> Result<(), Error> {
    let (lines, mut typed) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let failed = line.is_err();
            if lines.blocking_send(line).is_err() || failed {
                return;
            }
        }
    });
    while let Some(line) = typed.recv().await {
        let line = line.map_err(Error::io("standard input can't be read"))?;
        match Line::read(&line) {
            Line::Nothing => {}
            Line::Quit => break,
            Line::New => thread = thread.anew(),
            Line::Help | Line::Unknown(_) => {
                return Err(Error::Input(format!(
                    "{} is no message, and from a pipe only /new and /quit are understood",
                    line.trim()
                )));
            }
            Line::Text(text) => {
                let mut exchange = Exchange::begin(talk, &thread, text).await?;
                once::answer(talk, &mut exchange).await?;
                thread.went_on(exchange.answer.conversation.take(), text, &exchange.answer.text);
            }
        }
    }
    Ok(())
}

fn read_lines(asked: &std::sync::mpsc::Receiver<()>, lines: &mpsc::Sender<Result<String, Error>>) {
    let failed = |error: ReadlineError| Error::Input(format!("the terminal can't be read: {error}"));
    let mut editor = match DefaultEditor::new() {
        Ok(editor) => editor,
        Err(error) => {
            let _ = lines.blocking_send(Err(failed(error)));
            return;
        }
    };
    while asked.recv().is_ok() {
        let line = loop {
            match editor.readline(PROMPT) {
                Ok(line) => break Ok(line),
                // Nothing runs that it could stop.
                Err(ReadlineError::Interrupted) => eprintln!("Ctrl-D ends"),
                Err(ReadlineError::Eof) => return,
                Err(error) => break Err(failed(error)),
            }
        };
        if let Ok(line) = &line {
            let _ = editor.add_history_entry(line.as_str());
        }
        if lines.blocking_send(line).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_command_only_where_it_looks_like_one() {
        assert_eq!(Line::read("  /new "), Line::New);
        assert_eq!(Line::read("/nwe"), Line::Unknown("/nwe"));
        assert_eq!(Line::read(" /etc/hosts is empty "), Line::Text("/etc/hosts is empty"));
        assert_eq!(Line::read("/ or not?"), Line::Text("/ or not?"));
        assert_eq!(Line::read("   "), Line::Nothing);
    }
}
