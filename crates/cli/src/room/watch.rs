use std::{collections::HashMap, time::Duration};

use aether_proto::{ClientEvent, client_event::Event};
use futures::StreamExt;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::{
    self, Message,
    client::IntoClientRequest,
    http::{HeaderValue, StatusCode, header},
};

use super::state_name;
use crate::{
    Error,
    api::{self, Api},
    print,
};

/// More than a tenant has rooms in which somebody is being answered at this moment.
const MOST_ANSWERS: usize = 4096;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The gateway hangs up when what let us in has expired.
const WATCH_LASTS: Duration = Duration::from_secs(12 * 3600);
/// The gateway sends pings more often; a connection that is silent for longer is dead.
const SILENCE: Duration = Duration::from_secs(90);

/// Follow what is said and done in a room, or in all of them, until Ctrl-C.
///
/// One line per event; a lost connection is made again. With --json, each line is the event as it travels.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  aether room watch\n  aether room watch kitchen\n  \
    aether room watch --json | jq -r 'select(.transcript.final) | .transcript.text'")]
pub struct Arguments {
    /// The room to follow [default: all]
    room: Option<String>,
    /// Print each event as one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(api: &Api, arguments: Arguments) -> Result<(), Error> {
    let mut pause = FIRST_PAUSE;
    let mut connected_before = false;
    loop {
        match follow(api, &arguments, &mut pause, connected_before).await {
            // What was wrong the first time would be wrong the next time, too.
            Err(error) if !connected_before && pause == FIRST_PAUSE => return Err(error),
            Err(error @ (Error::Told | Error::Io { .. })) => return Err(error),
            Err(error) => {
                eprintln!("aether: {}; trying again", error.told().unwrap_or_default());
            }
            Ok(()) => eprintln!("aether: the gateway hung up; trying again"),
        }
        connected_before = true;
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One connection, from its beginning to its end.
async fn follow(api: &Api, arguments: &Arguments, pause: &mut Duration, again: bool) -> Result<(), Error> {
    let mut socket = connect(api).await?;
    *pause = FIRST_PAUSE;
    if again {
        eprintln!("connected again; what happened in between is not shown");
    } else {
        let room = arguments.room.as_deref().map_or_else(|| "all rooms".to_owned(), |room| format!("the room {room}"));
        eprintln!("watching {room}; Ctrl-C ends");
    }
    let mut lines = Lines::default();
    loop {
        let message = match tokio::time::timeout(SILENCE, socket.next()).await {
            Err(_) => return Err(Error::Input("the connection to the gateway is silent".to_owned())),
            Ok(None) => return Ok(()),
            Ok(Some(Err(error))) => return Err(Error::Input(format!("the connection to the gateway broke ({error})"))),
            Ok(Some(Ok(message))) => message,
        };
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return Ok(()),
            _ => continue,
        };
        // An event that this version can't read is for a newer one.
        let Ok(event) = serde_json::from_str::<ClientEvent>(&text) else { continue };
        if arguments.room.as_ref().is_some_and(|room| *room != event.room) {
            continue;
        }
        if arguments.json {
            print::line(&text)?;
        } else if let Some(text) = lines.read(&event) {
            let room = if arguments.room.is_some() { String::new() } else { format!("{}  ", event.room) };
            print::line(&format!("{}  {room}{text}", time_of_day(event.at_unix_us)))?;
        }
    }
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn connect(api: &Api) -> Result<Socket, Error> {
    let mut url = api.url(&["ws"])?;
    let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
    url.set_scheme(scheme).map_err(|()| api::Error::Name(url.to_string()))?;
    let refused = |error: tungstenite::Error| Error::Input(format!("the gateway can't be watched: {error}"));
    let mut request = url.as_str().into_client_request().map_err(refused)?;
    let mut bearer =
        HeaderValue::try_from(format!("Bearer {}", api.bearer(WATCH_LASTS))).map_err(|_| api::Error::NoKey)?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    match tokio_tungstenite::connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Io(_)) => Err(api.unreachable().into()),
        Err(tungstenite::Error::Http(response)) => {
            let status = StatusCode::from_u16(response.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
            let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            Err(api.refused(status, &body).into())
        }
        Err(error) => Err(refused(error)),
    }
}

/// Events in a person's words. An answer comes in pieces and is shown when it is over.
#[derive(Default)]
struct Lines {
    /// By turn.
    answers: HashMap<String, String>,
}

impl Lines {
    /// Nothing where an event only matters to programs, or is a piece of something.
    fn read(&mut self, event: &ClientEvent) -> Option<String> {
        Some(match event.event.as_ref()? {
            Event::Transcript(said) if said.r#final => {
                let who = if said.speaker_name.is_empty() { &said.speaker } else { &said.speaker_name };
                let how = if said.modality == "text" { " writes" } else { "" };
                format!("{who}{how}: {}", said.text)
            }
            // A partial transcript is overtaken by the next one.
            Event::Transcript(_) => return None,
            Event::TextChunk(chunk) => {
                if self.answers.len() == MOST_ANSWERS {
                    // Their ends were lost with a connection.
                    self.answers.clear();
                }
                self.answers.entry(event.turn_id.clone()).or_default().push_str(&chunk.text);
                return None;
            }
            Event::StreamEnd(end) => {
                let answer = self.answers.remove(&event.turn_id).unwrap_or_default();
                let how = if end.reason == "completed" { String::new() } else { format!(" ({})", end.reason) };
                if answer.trim().is_empty() && how.is_empty() {
                    return None;
                }
                format!("agent: {}{how}", answer.trim())
            }
            Event::Status(status) => format!("[{}] {}", status.code, status.message),
            Event::AgentState(state) => format!("[{}]", state_name(state.state())),
            Event::Interrupted(interrupted) => format!("[interrupted] heard was: {}", interrupted.heard_text.trim()),
            Event::TurnMetrics(metrics) => {
                format!("[answered after {} ms, {} of them ours]", metrics.total_ms, metrics.overhead_us.div_ceil(1000))
            }
            Event::Error(error) => format!("[error] {error}"),
            Event::ToolResult(result) => {
                format!("[tool {}] {}", result.name, if result.ok { "done" } else { "did not work" })
            }
            Event::Notification(told) => format!("[{}] {}", told.source, told.title),
        })
    }
}

/// Hours, minutes and seconds of the day, UTC.
fn time_of_day(at_unix_us: i64) -> String {
    let seconds = at_unix_us.div_euclid(1_000_000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use aether_proto::{InterruptedEvent, StreamEnd, TextEvent, TranscriptEvent};

    use super::*;

    fn event(event: Event) -> ClientEvent {
        ClientEvent { event: Some(event), ..ClientEvent::default() }
    }

    #[test]
    fn events_read_like_a_conversation() {
        let readable = |event: &ClientEvent| Lines::default().read(event);
        let said = |r#final, modality: &str| {
            let (speaker, text) = ("ada-k3x9".to_owned(), "Hello.".to_owned());
            let (speaker_name, modality) = ("Ada".to_owned(), modality.to_owned());
            readable(&event(Event::Transcript(TranscriptEvent { speaker, text, r#final, speaker_name, modality })))
        };
        assert_eq!(said(true, "voice").as_deref(), Some("Ada: Hello."));
        assert_eq!(said(true, "text").as_deref(), Some("Ada writes: Hello."));
        assert_eq!(said(false, "voice"), None);
        let heard_text = "It is ".to_owned();
        let interrupted = readable(&event(Event::Interrupted(InterruptedEvent { heard_bytes: 6, heard_text })));
        assert_eq!(interrupted.as_deref(), Some("[interrupted] heard was: It is"));
        assert_eq!(readable(&event(Event::StreamEnd(StreamEnd { reason: "completed".into() }))), None);
        assert_eq!(readable(&ClientEvent::default()), None);
    }

    #[test]
    fn an_answer_is_shown_whole_when_it_is_over() {
        let mut lines = Lines::default();
        let piece = |text: &str| event(Event::TextChunk(TextEvent { index: 0, text: text.to_owned() }));
        let end = |reason: &str| event(Event::StreamEnd(StreamEnd { reason: reason.to_owned() }));
        assert_eq!((lines.read(&piece("It is ")), lines.read(&piece("three."))), (None, None));
        assert_eq!(lines.read(&end("completed")).as_deref(), Some("agent: It is three."));
        lines.read(&piece("Once upon"));
        assert_eq!(lines.read(&end("interrupted")).as_deref(), Some("agent: Once upon (interrupted)"));
        assert_eq!(lines.read(&end("completed")), None);
    }

    #[test]
    fn the_time_is_that_of_the_day() {
        assert_eq!(time_of_day(1_700_000_000_000_000), "22:13:20");
    }
}
