//! The arrows between the crates. A forbidden one fails here, so that nobody has to remember which they are.

#![expect(clippy::unwrap_used, reason = "a test ends with the value that it did not expect")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Decide without I/O.
const PURE: &[&str] = &["proto", "audio", "identity", "job", "turn"];
/// Own one kind of outside each.
const PARTS: &[&str] =
    &["bus", "livekit", "llm", "memory", "models", "onnx", "settings", "speech", "store", "telemetry", "voice"];
/// Processes of their own. They talk over the bus and never know each other.
const SERVICES: &[&str] = &["agent", "brain", "gateway", "notifier", "scheduler", "tts"];
/// Start, drive and test the others.
const EDGES: &[&str] = &["cli", "scripted-agent", "supervisor", "testkit", "tests"];

/// The part-to-part arrows, as ARCHITECTURE.md names them.
const PART_TO_PART: &[(&str, &str)] = &[
    ("bus", "settings"),
    ("bus", "telemetry"),
    ("llm", "telemetry"),
    ("memory", "onnx"),
    ("memory", "store"),
    ("memory", "telemetry"),
    ("speech", "onnx"),
    ("telemetry", "settings"),
    ("voice", "bus"),
    ("voice", "speech"),
    ("voice", "telemetry"),
];

/// What no pure crate may depend on, however it is called.
const IMPURE: &[&str] = &["tokio", "async-nats", "sqlx", "redis", "reqwest", "axum", "tracing", "libloading", "ort"];

/// Which crate may know which foreign system.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("async-nats", &["bus"]),
    ("sqlx", &["store"]),
    ("redis", &["store"]),
    ("libloading", &["livekit"]),
    ("livekit-api", &["livekit"]),
    ("livekit-protocol", &["livekit"]),
    ("whisper-rs", &["speech"]),
    ("ort", &["onnx"]),
];

/// What Cargo says of our crates.
fn packages() -> Vec<Value> {
    let metadata =
        Command::new(env!("CARGO")).args(["metadata", "--format-version=1", "--no-deps", "--offline"]).output();
    let metadata: Value = serde_json::from_slice(&metadata.unwrap().stdout).unwrap();
    list(&metadata["packages"]).to_vec()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap()
}

/// Our crates, each with the names of what it depends on outside its own tests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let name = |crate_or_dependency: &Value| text(crate_or_dependency, "name").trim_start_matches("aether-").to_owned();
    let depends_on = |package: &Value| {
        // Those for building and for tests have a kind.
        list(&package["dependencies"]).iter().filter(|dependency| dependency["kind"].is_null()).map(name).collect()
    };
    packages().iter().map(|package| (name(package), depends_on(package))).collect()
}

#[test]
fn every_crate_has_a_layer() {
    let known: BTreeSet<_> = [PURE, PARTS, SERVICES, EDGES].concat().into_iter().map(str::to_owned).collect();
    let found: BTreeSet<_> = dependencies().into_keys().collect();
    assert_eq!(found, known);
}

#[test]
fn arrows_point_downwards() {
    for (crate_name, names) in dependencies() {
        let own = |layer: &[&str]| layer.contains(&crate_name.as_str());
        for name in &names {
            let is = |layer: &[&str]| layer.contains(&name.as_str());
            let arrow = format!("{crate_name} → {name}");
            if own(PURE) {
                assert!(!is(PARTS) && !is(SERVICES) && !is(EDGES), "{arrow}: pure crates know only pure crates");
                assert!(!is(IMPURE), "{arrow}: pure crates do no I/O");
            }
            if own(PARTS) {
                assert!(!is(SERVICES) && !is(EDGES), "{arrow}: parts know only pure crates and parts");
                let allowed = PART_TO_PART.contains(&(crate_name.as_str(), name.as_str()));
                assert!(!is(PARTS) || allowed, "{arrow} is not among the arrows that ARCHITECTURE.md names");
            }
            if own(SERVICES) {
                assert!(!is(SERVICES) && !is(EDGES), "{arrow}: services talk over the bus");
            }
        }
    }
}

#[test]
fn each_foreign_system_has_one_door() {
    for (crate_name, names) in dependencies() {
        for (system, doors) in ONLY_IN {
            assert!(
                !names.contains(*system) || doors.contains(&crate_name.as_str()),
                "{crate_name} → {system}: only {doors:?} may"
            );
        }
    }
}

#[test]
fn the_named_arrows_are_used() {
    let dependencies = dependencies();
    for (from, to) in PART_TO_PART {
        assert!(dependencies[*from].contains(*to), "{from} → {to} is allowed and not needed");
    }
}

#[test]
fn nothing_is_tested_where_cargo_does_not_look() {
    let packages = packages();
    let targets: Vec<_> = packages.iter().flat_map(|package| list(&package["targets"])).collect();
    assert!(!targets.is_empty());
    for target in targets.into_iter().filter(|target| target["test"] == false) {
        let code = std::fs::read_to_string(text(target, "src_path")).unwrap();
        assert!(!code.contains("test]"), "{}: {} has `test = false`", text(target, "src_path"), text(target, "name"));
    }
}
