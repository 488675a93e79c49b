//! docs/nats.md, line by line: every command on the page is given to a shell, with the stock `nats` CLI and a standing house, and
//! prints what the page shows.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::Duration;

use aether_testkit as testkit;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::house::{House, program, repository};

/// After so many seconds what still runs is ended.
const LONGEST_RUN_S: &str = "45";
/// A room may still be greeting somebody, a listener may have come too late.
const AGAIN_WITHIN: Duration = Duration::from_secs(30);
/// How long what was made to happen may take to be heard of, before it is made to happen again.
const HEARD_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn what_the_page_about_the_bus_shows_is_what_its_lines_print() {
    let page = Page::read(&std::fs::read_to_string(repository("docs/nats.md")).unwrap());
    assert!(page.examples.len() > 25, "only {} examples were found", page.examples.len());
    let house = House::stand().await;
    let ada = house.person("kitchen", "ada").await;
    let mut wrong = String::new();
    for example in &page.examples {
        let until = Instant::now() + AGAIN_WITHIN;
        let mut printed = example.run(&house, &page.once).await;
        while !fits(&example.printed, &printed) && Instant::now() < until {
            printed = example.run(&house, &page.once).await;
        }
        if !fits(&example.printed, &printed) {
            let Example { line, commands, printed: shown } = example;
            let _ = write!(
                wrong,
                "docs/nats.md:{line}: {}\nshows:\n{}\nprints:\n{}\n\n",
                commands.join("\n"),
                shown.join("\n"),
                printed.join("\n")
            );
        }
    }
    ada.leave().await;
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn placeholders_stand_for_what_they_say_and_for_nothing_else() {
    let shown = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (page, printed, is_same) in [
        ("{\"id\":\"<id>\"}", "{\"id\":\"01a2-b3\"}", true),
        ("{\"id\":\"<id>\"}", "{\"id\":\"two words\"}", false),
        ("<number>,<text>", "-0.25,anything", true),
        ("<number>", "many", false),
        ("a\n…\nz", "a\nb\nc\nz", true),
        ("a\n…\nz", "a\nz", true),
        ("a\n…\nz", "a\nb", false),
        ("a", "a\nb", false),
        ("a\nb", "a", false),
    ] {
        assert_eq!(fits(&shown(page), &shown(printed)), is_same, "{page:?} and {printed:?}");
    }
}

/// What is fenced on the page.
struct Page {
    /// What is to be run once per shell.
    once: String,
    examples: Vec<Example>,
}

struct Example {
    /// Where on the page it ends.
    line: usize,
    /// One that prints, or one that listens and others that make something happen.
    commands: Vec<String>,
    printed: Vec<String>,
}

impl Page {
    fn read(text: &str) -> Self {
        let mut page = Self { once: String::new(), examples: Vec::new() };
        let mut commands = Vec::new();
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let Some(kind) = line.strip_prefix("```") else { continue };
            let fenced: Vec<String> =
                lines.by_ref().map(|(_, line)| line.to_owned()).take_while(|line| line != "```").collect();
            assert!(["sh", "text"].contains(&kind), "docs/nats.md:{}: nobody knows what {kind:?} is", number + 1);
            if kind == "text" {
                assert!(!commands.is_empty(), "docs/nats.md:{}: nothing prints this", number + 1);
                let commands = std::mem::take(&mut commands);
                page.examples.push(Example { line: number + 1, commands, printed: fenced });
            } else if fenced.iter().all(|line| line.contains("=(")) {
                page.once = fenced.join("\n");
            } else {
                commands.push(fenced.join("\n"));
            }
        }
        assert!(commands.is_empty(), "docs/nats.md does not say what this prints: {commands:?}");
        page
    }
}

impl Example {
    /// What the first command prints; the others run while it listens, again and again until it has heard enough.
    async fn run(&self, house: &House, once: &str) -> Vec<String> {
        let (first, others) = self.commands.split_first().unwrap();
        let mut running = shell(house, &format!("{once}\n{first}")).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(running.stdout.take().unwrap()).lines();
        let printed = async {
            let mut printed = Vec::new();
            while let Some(line) = output.next_line().await.unwrap_or_default() {
                printed.extend(Some(line).filter(|line| !line.trim().is_empty()));
            }
            printed
        };
        let happening = async {
            // Nothing tells when somebody listens. Who begins now and is answered some times is later than who began before; and
            // what was not heard happens again.
            shell(house, "nats rtt").output().await.unwrap();
            for command in others.iter().cycle() {
                let done = shell(house, &format!("{once}\n{command}")).output().await.unwrap();
                if !done.status.success() {
                    // Such as in a room where somebody is just being greeted.
                    eprintln!("{command}\n{}", String::from_utf8_lossy(&done.stderr));
                }
                sleep(HEARD_WITHIN).await;
            }
            std::future::pending().await
        };
        tokio::select! {
            printed = printed => printed,
            never = happening => never,
        }
    }
}

/// Bash in the repository's folder, as somebody has it who has just set Aether up.
fn shell(house: &House, script: &str) -> Command {
    let own = program("aether").parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let programs = [testkit::layout().parts().join("bin"), own].into_iter().chain(std::env::split_paths(&path));
    let path = std::env::join_paths(programs).unwrap();
    // It ends what the shell has started, too.
    let mut bash = Command::new("timeout");
    bash.args([LONGEST_RUN_S, "bash", "-c", script])
        .current_dir(repository("."))
        .envs(house.environment())
        .env("NATS_URL", &house.nats.url)
        .env("PATH", path)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    bash
}

/// Whether this is what the page shows: `…` on a line of its own stands for any number of lines.
fn fits(shown: &[String], printed: &[String]) -> bool {
    match (shown.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((line, rest)), _) if line == "…" => (0..=printed.len()).any(|skipped| fits(rest, &printed[skipped..])),
        (Some((line, rest)), Some((other, others))) => is_like(line, other) && fits(rest, others),
        _ => false,
    }
}

type Letters = fn(char) -> bool;

/// What a placeholder stands for: at least one of these letters.
const STANDS_FOR: [(&str, Letters); 4] = [
    ("id", |letter| letter.is_ascii_alphanumeric() || "-_".contains(letter)),
    ("number", |letter| letter.is_ascii_digit() || "-+.e".contains(letter)),
    ("time", |letter| letter.is_ascii_digit()),
    ("text", |_| true),
];

/// Whether one line is like the one that the page shows.
fn is_like(shown: &str, printed: &str) -> bool {
    let Some((before, rest)) = shown.split_once('<') else { return shown == printed };
    let (name, after) = rest.split_once('>').unwrap_or((rest, ""));
    let stands_for = STANDS_FOR.iter().find(|(known, _)| *known == name);
    assert!(stands_for.is_some(), "nobody knows what <{name}> stands for");
    let (_, stands_for) = stands_for.unwrap();
    let Some(printed) = printed.strip_prefix(before) else { return false };
    let ends = printed.char_indices().take_while(|(_, letter)| stands_for(*letter));
    let mut ends = ends.map(|(at, letter)| at + letter.len_utf8());
    ends.any(|end| is_like(after, &printed[end..]))
}
