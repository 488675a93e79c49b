use std::path::{Path, PathBuf};
use std::time::Duration;

use aether_audio::{ROOM_HZ, Resampler, pcm16, wav};
use aether_livekit::well_known::PERSON_ATTRIBUTE;
use aether_livekit::{ApiKey, room_name, token};
use aether_proto::{RoomName, SessionId, TenantId};
use aether_settings::{HomeSettings, IdentitySettings, LiveKitSettings};
use serde_json::json;

use crate::person::{Exchange, Person};
use crate::{Context, Error};

/// What `--check` asks, beside the program's sources.
pub const CHECK_QUESTION: &[u8] = include_bytes!("../../../tests/audio/cmd11.wav");
/// A person's patience with an agent that does not come.
const ARRIVAL: Duration = Duration::from_secs(30);
/// More is no question.
const MOST_SECONDS: f32 = 120.0;

/// Ask the agent by voice, from a file: join a room as a person, speak, wait for the spoken answer.
///
/// The file is spoken in real time, as from a microphone. Any WAV will do: 8 to 32 bit, any rate, mono or stereo.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  aether talk --wav question.wav\n  \
    aether talk --wav question.wav --room kitchen --out answer.wav\n  \
    aether talk --wav question.wav --json | tail -n 1 | jq .timings_ms\n\n\
    Times are in milliseconds. `total` is measured here, from the last audible sample of the file to the first audible \
    frame of the answer, both network legs included; the other stages are measured in the agent.")]
pub struct Arguments {
    /// The question
    #[arg(long, value_name = "FILE")]
    wav: PathBuf,
    /// The room to ask in [default: a new one]
    #[arg(long)]
    room: Option<String>,
    /// Who asks: what memories are kept under
    #[arg(long, default_value = "somebody")]
    identity: String,
    /// Where to write what was heard, as 48 kHz mono WAV
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How many seconds a complete answer may take
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u64).range(1..=3600))]
    patience: u64,
    /// Print the result as one last line of JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<(), Error> {
    let question = read_question(&arguments.wav)?;
    let mut place = Place::fresh()?;
    place.identity.clone_from(&arguments.identity);
    if let Some(room) = &arguments.room {
        place.room = RoomName::new(room.as_str()).map_err(|error| Error::Input(format!("--room: {error}")))?;
    }
    let exchange = ask(context, &place, question, Duration::from_secs(arguments.patience)).await?;
    if let Some(out) = &arguments.out {
        write_answer(out, &exchange)?;
    }
    show(&place, &exchange, arguments.json);
    if exchange.end == "completed" { Ok(()) } else { Err(Error::Told) }
}

/// What `aether up --check` does once everything is up: one spoken question, one spoken answer.
pub async fn check(context: &Context, json: bool) -> Result<(), Error> {
    let question = question(CHECK_QUESTION).map_err(Error::Input)?;
    let place = Place::fresh()?;
    let exchange = ask(context, &place, question, Duration::from_secs(90)).await?;
    show(&place, &exchange, json);
    if exchange.heard.is_empty() || exchange.end != "completed" || exchange.total.is_none() {
        return Err(Error::Input("there was no complete spoken answer: look at the logs in .aether/logs".to_owned()));
    }
    Ok(())
}

pub struct Place {
    pub room: RoomName,
    pub identity: String,
}

impl Place {
    /// A room that nobody else is in, for somebody whom nobody knows.
    pub fn fresh() -> Result<Self, Error> {
        let name = format!("talk-{}", SessionId::generate());
        let room = RoomName::new(name.as_str()).map_err(|error| Error::Input(error.to_string()))?;
        Ok(Self { room, identity: name })
    }
}

async fn ask(context: &Context, place: &Place, question: Vec<i16>, patience: Duration) -> Result<Exchange, Error> {
    let mut person = enter(context, place).await?;
    let exchange = person.ask(question, patience).await;
    person.leave().await;
    exchange
}

pub async fn enter(context: &Context, place: &Place) -> Result<Person, Error> {
    let (home, livekit, identity) = context.settings(|loader| {
        let home = HomeSettings::read(loader);
        let (livekit, identity) = (LiveKitSettings::read(loader), IdentitySettings::read(loader));
        Ok((home?, livekit?, identity?))
    })?;
    aether_livekit::ffi::init(&home.livekit_ffi()).map_err(|error| Error::Input(error.to_string()))?;
    let door = Door {
        livekit_url: livekit.url.expose().to_owned(),
        key: ApiKey { key: livekit.api_key, secret: livekit.api_secret.expose().to_owned() },
        tenant: identity.tenant,
    };
    door.enter(place).await
}

/// How to get into rooms.
pub struct Door {
    pub livekit_url: String,
    pub key: ApiKey,
    pub tenant: TenantId,
}

impl Door {
    pub async fn enter(&self, place: &Place) -> Result<Person, Error> {
        let mut grant = token::Grant::new(room_name(&self.tenant, &place.room), place.identity.as_str());
        grant.attributes.insert(PERSON_ATTRIBUTE.to_owned(), place.identity.clone());
        let token = token::person(&self.key, grant).map_err(|error| Error::Input(error.to_string()))?;
        Person::join(&self.livekit_url, &token, ARRIVAL).await
    }
}

pub fn read_question(path: &Path) -> Result<Vec<i16>, Error> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(Error::io(format!("the question {shown} can't be read")))?;
    question(&bytes).map_err(|reason| Error::Input(format!("the question {shown}: {reason}")))
}

/// Samples as a room takes them, from any WAV that is a question.
pub fn question(bytes: &[u8]) -> Result<Vec<i16>, String> {
    let wav = wav::read(bytes).map_err(|error| error.to_string())?;
    let seconds = wav.duration().as_secs_f32();
    if seconds > MOST_SECONDS {
        return Err(format!("it is {seconds:.0} s long, and at most {MOST_SECONDS:.0} s are spoken at once"));
    }
    let samples = Resampler::convert(&wav.samples, wav.sample_rate_hz, ROOM_HZ).map_err(|error| error.to_string())?;
    Ok(pcm16::from_f32(&samples))
}

fn write_answer(path: &Path, exchange: &Exchange) -> Result<(), Error> {
    std::fs::write(path, wav::write(ROOM_HZ, &exchange.audio))
        .map_err(Error::io(format!("the answer can't be written to {}", path.display())))
}

fn show(place: &Place, exchange: &Exchange, json: bool) {
    let metrics = &exchange.metrics;
    let total_ms = exchange.total.map(|total| u64::try_from(total.as_millis()).unwrap_or(u64::MAX));
    for notice in &exchange.notices {
        eprintln!("notice  {notice}");
    }
    if json {
        println!(
            "{}",
            json!({
                "heard": exchange.heard,
                "answer": exchange.answer.trim(),
                "room": place.room.as_str(),
                "turn_id": exchange.turn_id,
                "trace_id": metrics.trace_id,
                "end": exchange.end,
                "timings_ms": {
                    "endpoint": metrics.endpoint_ms,
                    "stt": metrics.stt_ms,
                    "stt_decode": metrics.stt_decode_ms,
                    "llm_first_token": metrics.llm_first_token_ms,
                    "llm_first_chunk": metrics.llm_first_chunk_ms,
                    "tts_first_audio": metrics.tts_first_audio_ms,
                    "agent_total": metrics.total_ms,
                    "overhead": f64::from(metrics.overhead_us) / 1000.0,
                    "total": total_ms,
                },
            })
        );
        return;
    }
    println!("heard   {}", exchange.heard);
    println!("answer  {}", exchange.answer.trim());
    println!();
    println!("  stage                                             ms");
    let row = |name: &str, ms: Option<u64>| match ms {
        Some(ms) => println!("  {name:<46}{ms:>6}"),
        None => println!("  {name:<46}     –"),
    };
    row("end of speech → the decision that it is over", Some(metrics.endpoint_ms.into()));
    row("decision → transcript", Some(metrics.stt_ms.into()));
    row("transcript → first token", Some(metrics.llm_first_token_ms.into()));
    row("first token → first clause", Some(metrics.llm_first_chunk_ms.into()));
    row("first clause → first audio", Some(metrics.tts_first_audio_ms.into()));
    row("end of speech → first audio, in the agent", Some(metrics.total_ms.into()));
    row("end of speech → first audio, at the person", total_ms);
    println!("\n  room {}  turn {}", place.room, exchange.turn_id);
    if !metrics.trace_id.is_empty() {
        println!("  trace {}", metrics.trace_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_of_the_check_can_be_spoken() {
        assert!(question(CHECK_QUESTION).is_ok_and(|samples| samples.len() > 48_000));
    }

    #[test]
    fn what_is_no_question_is_refused() {
        assert!(question(b"RIFF").is_err());
        assert!(question(b"").is_err());
    }
}
