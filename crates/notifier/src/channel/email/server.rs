//! A mail server that keeps what it gets, and answers one command as it is told to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Instead of saying something.
pub(super) const HANG_UP: &str = "";
pub(super) const SILENCE: &str = "…";

pub(super) struct MailServer {
    pub address: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    /// Answers a line that begins with `to` (or the greeting, where that is empty) with `answer`; all else as it should.
    pub(super) async fn start(to: &'static str, answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let kept = lines.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, kept.clone(), to, answer));
            }
        });
        Self { address, lines }
    }

    /// Every line that came, commands and mail.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(stream: TcpStream, kept: Arc<Mutex<Vec<String>>>, to: &str, answer: &str) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let (mut line, mut in_mail) = (String::new(), false);
    loop {
        let usual = match line.split([' ', ':']).next().unwrap_or_default() {
            _ if in_mail && line != "." => "",
            "." => "250 kept",
            "" => "220 here",
            "EHLO" => "250-here\r\n250 AUTH PLAIN",
            "AUTH" => "235 come in",
            "MAIL" | "RCPT" => "250 fine",
            "DATA" => "354 go on",
            "QUIT" => "221 bye",
            _ => "500 what",
        };
        in_mail = line == "DATA" || in_mail && line != ".";
        let is_meant = line.starts_with(to) && to.is_empty() == line.is_empty();
        match if is_meant && (!in_mail || line == "DATA") { answer } else { usual } {
            HANG_UP if is_meant => return None,
            SILENCE => std::future::pending::<()>().await,
            "" => {}
            said => stream.write_all(format!("{said}\r\n").as_bytes()).await.ok()?,
        }
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        line = line.trim_end_matches(['\r', '\n']).to_owned();
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
    }
}
