//! What is typed at a terminal: `aether chat`, `aether room` and `aether session`, as programs of their own.

use std::process::Stdio;
use std::time::Duration;

use aether_testkit::eventually;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::house::{House, PATIENCE, TENANT, program, text};

/// The command, as somebody has it who may do everything in this house.
fn aether(house: &House) -> Command {
    let mut aether = Command::new(program("aether"));
    aether.envs(house.environment());
    aether
}

/// A program that has ended.
struct Ran {
    code: Option<i32>,
    printed: String,
    complained: String,
}

impl Ran {
    /// What it printed, where all went well.
    fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.complained);
        self.printed
    }

    fn json(self) -> Value {
        serde_json::from_str(&self.well()).unwrap()
    }
}

async fn run(house: &House, arguments: &[&str], typed: &str) -> Ran {
    let mut program = aether(house);
    program.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut program = program.spawn().unwrap();
    // Who does not read it has ended already.
    let _ = program.stdin.take().unwrap().write_all(typed.as_bytes()).await;
    let ended = timeout(PATIENCE, program.wait_with_output()).await;
    assert!(ended.is_ok(), "aether {} does not end", arguments.join(" "));
    let ended = ended.unwrap().unwrap();
    let read = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: ended.status.code(), printed: read(ended.stdout), complained: read(ended.stderr) }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_at_a_terminal_is_answered_kept_and_found_again() {
    let house = House::shared().await;
    let told = run(&house, &["chat", "--person", "tessa", "My", "boat", "is", "called", "Argo."], "").await.well();
    assert!(!told.trim().is_empty());
    let piped = "My parrot is called Coco.\n\nWhat is my parrot called?\n";
    let answers = run(&house, &["chat", "--person", "tessa"], piped).await.well();
    assert!(answers.trim().lines().count() >= 2, "{answers}");

    let question = "What is the capital of France?";
    let first = run(&house, &["chat", "--person", "tessa", "--json", "-"], question).await.json();
    let id = text(&first, "conversation");
    assert!(text(&first, "answer").contains("Paris"), "{first}");
    let again = run(&house, &["chat", "--person", "tessa", "--json", "--conversation", &id, "Thank you."], "").await;
    assert_eq!(text(&again.json(), "conversation"), id);
    let unkept =
        run(&house, &["chat", "--person", "tessa", "--off-the-record", "--json", "My safe is blue."], "").await;
    assert_eq!(unkept.json()["conversation"], Value::Null);

    house.turns(&house.caller(TENANT, "tessa"), &id, 2).await;
    let listed = run(&house, &["session", "list", "--person", "tessa"], "").await.well();
    assert!(listed.lines().next().unwrap().starts_with(&id), "the newest comes first: {listed}");
    assert!(listed.contains("tessa: My boat is called Argo.") && !listed.contains("safe"), "{listed}");
    let piped = listed.lines().find(|line| line.contains("tessa: My parrot is called Coco.")).expect(&listed);
    assert!(piped.contains(" 2 turns "), "the lines of a pipe are one conversation: {listed}");
    assert!(!run(&house, &["session", "list", "--person", "theo"], "").await.well().contains(&id));
    let shown = run(&house, &["session", "show", &id], "").await.well();
    let order = ["tessa: What is the capital of France?", "Paris", "tessa: Thank you."];
    let places = order.map(|part| shown.find(part).unwrap_or_else(|| panic!("no {part:?} in {shown}")));
    assert!(places.is_sorted(), "{shown}");
    let folder = house.gateway.dir().join("exports");
    std::fs::create_dir_all(&folder).unwrap();
    for (format, beginning) in [("json", "{"), ("markdown", "# Conversation ")] {
        let file = folder.join(format);
        let out = file.display().to_string();
        run(&house, &["session", "export", &id, "--format", format, "--out", &out], "").await.well();
        let exported = std::fs::read_to_string(file).unwrap();
        assert!(exported.starts_with(beginning) && exported.contains(question), "{exported}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_at_a_terminal_are_told_in_a_sentence() {
    let house = House::shared().await;
    let nobodys = "0198f000-0000-7000-8000-000000000000";
    let long = "The fox jumps over the dog. ".repeat(5000);
    for (arguments, typed, code, sentence) in [
        (&["chat", " "][..], "", 1, "there is nothing to write: the text is empty"),
        (&["chat", "-"], "", 1, "there is nothing to write: the text is empty"),
        (&["chat", "-"], &long, 1, "`messages[0].content` has 139999 bytes"),
        (&["chat", "--conversation", "yesterday", "Hi"], "", 1, "\"yesterday\" is no conversation id"),
        (&["chat", "--conversation", nobodys, "Hi"], "", 1, "there is no conversation"),
        (&["chat", "--person", "a\nb", "Hi"], "", 1, "--person: person id contains the control character"),
        (&["chat"], "/help\n", 1, "from a pipe only /new and /quit are understood"),
        (&["chta"], "", 2, "a similar subcommand exists: 'chat'"),
        (&["session", "show", nobodys], "", 1, "there is no conversation"),
        (&["session", "export", nobodys, "--format", "xml"], "", 2, "possible values: json, markdown"),
        (&["session", "list", "--limit", "0"], "", 2, "0 is not in 1..=100"),
        (&["session", "list", "--before", "noon"], "", 1, "`before` must be a time such as"),
        (&["room", "say", "cellar of nobody"], "", 2, "<TEXT>..."),
        (&["room", "say", "cellar of nobody", " "], "", 1, "there is nothing to say"),
        (&["room", "say", "cellar of nobody", "Hello"], "", 1, "no agent is in a room called cellar of nobody"),
        (&["room", "interrupt", "cellar of nobody"], "", 1, "no agent is in a room called cellar of nobody"),
        (&["room", "off-the-record", "cellar of nobody", "perhaps"], "", 2, "possible values: on, off"),
    ] {
        let Ran { code: ended, printed, complained } = run(&house, arguments, typed).await;
        assert_eq!((ended, printed.as_str()), (Some(code), ""), "{arguments:?}: {complained}");
        assert!(complained.contains(sentence), "{arguments:?}: {complained}");
    }
}

/// A program with a terminal around it.
struct Terminal {
    program: Child,
    seen: String,
}

impl Terminal {
    fn open(house: &House, command: &str) -> Self {
        let own = aether(house);
        let mut around = Command::new("script");
        around.args(["--quiet", "--return", "--echo", "never", "--command"]);
        // Some shells keep themselves around a single command, and then end by the Control-C that was meant for it.
        around.arg(format!("exec {} {command}", own.as_std().get_program().display())).arg("/dev/null");
        let named = own.as_std().get_envs().filter_map(|(name, value)| Some((name, value?)));
        around.envs(named).env("TERM", "xterm").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        Self { program: around.spawn().unwrap(), seen: String::new() }
    }

    async fn press(&mut self, keys: &str) {
        let keyboard = self.program.stdin.as_mut().unwrap();
        keyboard.write_all(keys.as_bytes()).await.unwrap();
        keyboard.flush().await.unwrap();
    }

    /// Reads on until this has come, and takes it and what came before.
    async fn until(&mut self, what: &str) -> String {
        let mut bytes = [0; 4096];
        let found = timeout(PATIENCE, async {
            while !self.seen.contains(what) {
                let length = self.program.stdout.as_mut().unwrap().read(&mut bytes).await.unwrap();
                assert!(length > 0, "it ended without {what:?}: {}", self.seen);
                self.seen.push_str(&String::from_utf8_lossy(&bytes[..length]));
            }
        });
        let found = found.await;
        assert!(found.is_ok(), "never shown: {what:?}, only {}", self.seen);
        let end = self.seen.find(what).unwrap() + what.len();
        self.seen.drain(..end).collect()
    }
}

async fn generating(house: &House) -> bool {
    let slots: Value = reqwest::get(format!("{}/slots", house.llm.url)).await.unwrap().json().await.unwrap();
    slots.as_array().unwrap().iter().any(|slot| slot["is_processing"] == true)
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_conversation_at_a_terminal_control_c_stops_the_answer_and_nothing_else() {
    let house = House::shared().await;
    eventually("nobody else is answered", 30, || async { !generating(&house).await }).await;
    let mut terminal = Terminal::open(&house, "chat --person tilda");
    terminal.until("You write with aether as tilda. /help lists the commands, Ctrl-D ends.").await;
    terminal.until("> ").await;
    terminal.press("Tell me a very long story about a ship on the sea, in a hundred sentences.\r").await;
    eventually("the language model works", 30, || generating(&house)).await;
    terminal.press("\x03").await;
    terminal.until("(stopped)").await;
    eventually("the language model stops", 30, || async { !generating(&house).await }).await;

    terminal.until("> ").await;
    terminal.press("/nwe\r").await;
    terminal.until("there is no command /nwe; /help lists them").await;
    terminal.until("> ").await;
    terminal.press("What is the capital of France?\r").await;
    terminal.until("Paris").await;
    terminal.until("> ").await;
    terminal.press("\x04").await;
    let end = terminal.until("aether chat --conversation ").await;
    assert!(end.contains("to go on another time"), "{end}");
    let ended = timeout(Duration::from_secs(10), terminal.program.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_listed_watched_spoken_into_and_interrupted_from_a_terminal() {
    const ROOM: &str = "the stage/1 🎭";
    let house = House::shared().await;
    let calls = house.caller(TENANT, "toni");
    let mut watching = aether(&house)
        .args(["room", "watch", ROOM])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut complaints = BufReader::new(watching.stderr.take().unwrap()).lines();
    let first = timeout(PATIENCE, complaints.next_line()).await.unwrap().unwrap().unwrap();
    assert_eq!(first, format!("watching the room {ROOM}; Ctrl-C ends"));
    let mut watched = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut shown = async |what: &str| {
        let line = timeout(PATIENCE, async {
            loop {
                let line = watched.next_line().await.unwrap().unwrap();
                if line.contains(what) {
                    return line;
                }
            }
        });
        line.await.unwrap_or_else(|_| panic!("never shown: {what}"))
    };

    let mut toni = house.visitor(&calls, ROOM, "Toni").await;
    assert!(shown("agent: ").await.contains("Toni"), "the greeting");
    let listed = run(&house, &["room", "list"], "").await.well();
    assert!(listed.lines().any(|line| line.starts_with(ROOM) && line.contains("toni")), "{listed}");

    toni.write("What is the capital of France?", PATIENCE).await.unwrap();
    assert!(shown("Toni writes: ").await.ends_with("What is the capital of France?"));
    assert!(shown("agent: ").await.contains("Paris"));

    toni.speak(Vec::new()).await.unwrap();
    let words = "Dinner is ready in the garden, and everybody who is hungry may come outside now, before it is cold.";
    let say: Vec<_> = ["room", "say", ROOM].into_iter().chain(words.split(' ')).collect();
    eventually("the agent has the floor", 30, || async { run(&house, &say, "").await.code == Some(0) }).await;
    toni.until_audible(PATIENCE).await.unwrap();
    let interrupted = run(&house, &["room", "interrupt", ROOM], "").await.well();
    assert!(interrupted.starts_with(&format!("{ROOM}: the agent is ")), "{interrupted}");
    let said = shown("agent: Dinner is ready").await;
    assert!(said.ends_with("(interrupted)"), "{said}");

    let off = run(&house, &["room", "off-the-record", ROOM, "on"], "").await.well();
    assert!(off.contains("off the record"), "{off}");
    shown("[off_the_record]").await;
    let muted = run(&house, &["room", "mute", ROOM, "--json"], "").await.json();
    assert_eq!(muted["muted"], true, "{muted}");
    assert_eq!(run(&house, &["room", "leave", ROOM], "").await.well().trim(), format!("the agent leaves {ROOM}"));
    eventually("the agent has gone", 20, || async { !house.leased(ROOM).await }).await;
    toni.leave().await;
}
