//! What Aether itself adds to a turn. [`stand`] starts an agent and a brain beside engines that answer by the clock; people
//! talk to it here, first one, then many at once in a room each; [`report`] says what came of it.

mod report;

use std::time::{Duration, Instant};

use aether_bus::Bus;
use aether_livekit::ApiKey;
use aether_proto::TenantId;
use aether_supervisor::{Layout, Stack};
use futures::future::try_join_all;
use tokio::time::sleep;

use super::processes::{Processor, resident};
use super::scripted_model::{Answer, ScriptedModel};
use super::stand::{self, Program, Stand};
use super::{machine, scripted_voice};
use crate::person::Person;
use crate::talk::{self, Door, Place};
use crate::{Context, Error};
use report::{Report, Row, Turn};

/// Spoken by everybody, understood as [`UNDERSTOOD`], answered with [`ANSWERED`].
const QUESTION: &[u8] = include_bytes!("../../../../../tests/audio/cmd11.wav");
const UNDERSTOOD: &str = "What is seven times eight?";
const ANSWERED: &str = "Seven times eight is fifty six.";
/// How long the transcriber takes: what Whisper takes on a fast machine. The figures don't depend on it.
const DECODE: Duration = Duration::from_millis(50);
/// How long a silence must last to be the end: as long as others wait by default.
const WAIT: Duration = Duration::from_millis(500);
/// A turn of this bench takes a tenth of that.
const PATIENCE: Duration = Duration::from_secs(60);
/// Before the first turn that counts: connections, query plans and buffers are as they are afterwards.
const WARM_UP_TURNS: u32 = 2;
/// People who answer at once are few; and the rooms shall not fall into step.
const REST: Duration = Duration::from_millis(700);
/// From one person's first word to the next one's, so that their turns lie spread over each other.
const APART: Duration = Duration::from_millis(690);

/// Measure what Aether itself adds to a spoken turn, in one room and in many at once.
///
/// Starts an agent and a brain of its own with their servers, beside a transcriber, a language model and a voice that answer by
/// the clock, and people who talk to it through LiveKit. What the clock says is taken off: what is left is Aether, the network
/// and the codecs. Voice activity is detected for real. People, servers and engines share the machine with what is measured.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  aether bench overhead                      about two minutes\n  \
    aether bench overhead --rooms 16 --turns 20 --json")]
pub(super) struct Arguments {
    /// How many rooms there are at once, with a person in each
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=32))]
    rooms: u32,
    /// How often each person asks
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    turns: u32,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Error> {
    let report = stand::run(context.layout(), async |layout, stack| measure(layout, stack, &arguments).await).await?;
    report.show(arguments.json)
}

async fn measure(layout: &Layout, stack: &mut Stack, arguments: &Arguments) -> Result<Report, Error> {
    let model = ScriptedModel::start(Instant::now(), Answer::Words(ANSWERED)).await;
    let model = model.map_err(Error::io("the scripted model can't listen"))?;
    let stand = stand::start(layout, stack, &model.endpoint, &programs(arguments.rooms), false).await?;
    let bus = Bus::connect(aether_bus::Options::new(&stand.nats, "tts")).await;
    let bus = bus.map_err(|error| Error::Input(error.to_string()))?;
    let voice = scripted_voice::start(&bus, 2 * arguments.rooms as usize).await;
    let _voice = voice.map_err(|error| Error::Input(error.to_string()))?;
    stand.ready().await?;

    let hall = Hall { door: door(layout, &stand)?, question: talk::question(QUESTION).map_err(Error::Input)?, stack };
    let mut rows = Vec::new();
    let mut people = Vec::new();
    for rooms in [1, arguments.rooms] {
        let newcomers = (people.len()..rooms as usize).map(|_| async { hall.door.enter(&Place::fresh()?).await });
        people.extend(try_join_all(newcomers).await?);
        eprintln!("{rooms} room(s), {} turns each", arguments.turns);
        hall.talk(&mut people, WARM_UP_TURNS).await?;
        let (begun, before) = (Instant::now(), hall.processor());
        let turns = hall.talk(&mut people, arguments.turns).await?;
        rows.push(Row::new(rooms, &turns, begun.elapsed(), &before, &hall.processor(), hall.resident()));
    }
    for person in people {
        person.leave().await;
    }
    Ok(Report { machine: machine(), turns: arguments.turns, rows })
}

fn programs(rooms: u32) -> [Program; 2] {
    let agent = [
        ("AETHER_SCRIPTED_TRANSCRIPT", UNDERSTOOD.to_owned()),
        ("AETHER_SCRIPTED_DECODE_MS", DECODE.as_millis().to_string()),
        ("AETHER_ENDPOINT_SILENCE_MS", WAIT.as_millis().to_string()),
        ("AETHER_ENDPOINT_SENTENCES", "off".to_owned()),
        ("AETHER_MAX_SESSIONS", rooms.to_string()),
    ];
    [
        Program { name: "brain", file: "aether-brain", environment: Vec::new() },
        Program { name: "agent", file: "aether-scripted-agent", environment: agent.into() },
    ]
}

fn door(layout: &Layout, stand: &Stand) -> Result<Door, Error> {
    aether_livekit::ffi::init(&layout.library("liblivekit_ffi.so")).map_err(|error| Error::Input(error.to_string()))?;
    Ok(Door {
        livekit_url: stand.livekit.clone(),
        key: ApiKey { key: stand.secrets.livekit_api_key.clone(), secret: stand.secrets.livekit_api_secret.clone() },
        tenant: TenantId::new(stand::TENANT).map_err(|error| Error::Input(error.to_string()))?,
    })
}

/// Where people talk.
struct Hall<'a> {
    door: Door,
    question: Vec<i16>,
    stack: &'a Stack,
}

impl Hall<'_> {
    /// Everybody asks so many times, each in a room of their own.
    async fn talk(&self, people: &mut [Person], turns: u32) -> Result<Vec<Turn>, Error> {
        let conversations = people.iter_mut().zip(0..).map(|(person, place)| async move {
            sleep(APART * place).await;
            let mut asked = Vec::new();
            for _ in 0..turns {
                let exchange = person.ask(self.question.clone(), PATIENCE).await?;
                asked.push(Turn::of(&exchange)?);
                sleep(REST).await;
            }
            Ok::<_, Error>(asked)
        });
        Ok(try_join_all(conversations).await?.concat())
    }

    fn processor(&self) -> Processor {
        Processor::now(stand::parts(self.stack).chain([(report::PEOPLE.to_owned(), std::process::id())]))
    }

    /// What the agent's process holds, in bytes.
    fn resident(&self) -> Option<u64> {
        let (_, agent) = stand::parts(self.stack).find(|(name, _)| name == report::AGENT)?;
        resident(agent)
    }
}
