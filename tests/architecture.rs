//! The arrows between the crates. A forbidden one fails here, so that nobody has to remember which they are.

#![expect(clippy::unwrap_used, reason = "a test ends with the value that it did not expect")]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

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

/// Our crates, each with the names of what it depends on outside its own tests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().other_options(vec!["--offline".to_owned()]).exec().unwrap();
    let mut all = BTreeMap::new();
    for package in metadata.workspace_packages() {
        let own = package.name.strip_prefix("aether-").unwrap().to_owned();
        let names = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal)
            .map(|dependency| dependency.name.strip_prefix("aether-").unwrap_or(&dependency.name).to_owned());
        all.insert(own, names.collect());
    }
    all
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
