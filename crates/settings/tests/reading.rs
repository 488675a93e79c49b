//! What is written where, and what becomes of it.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use aether_settings::{
    ALL, AgentSettings, Dialect, Error, HomeSettings, HttpSettings, IdentitySettings, Invalid, LiveKitSettings,
    LlmSettings, Loader, LogFormat, NatsSettings, PostgresSettings, Problem, RedisSettings, Row, Source,
    SpeechSettings, TelemetrySettings, TurnTakingSettings, describe,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn load<T>(
    environment: &[(&str, &str)],
    toml: &str,
    read: impl FnOnce(&mut Loader<'_>) -> Result<T, Invalid>,
) -> Result<T, Error> {
    let environment: BTreeMap<_, _> = environment.iter().copied().collect();
    Loader::new(|name| environment.get(name).map(|value| (*value).to_owned()), Some(toml)).load(read)
}

fn problem<T: std::fmt::Debug>(
    environment: &[(&str, &str)],
    toml: &str,
    read: impl FnOnce(&mut Loader<'_>) -> Result<T, Invalid>,
) -> String {
    match load(environment, toml, read) {
        Ok(settings) => format!("no problem, but {settings:?}"),
        Err(error) => error.problems().iter().map(Problem::to_string).collect::<Vec<_>>().join(" AND "),
    }
}

fn rows(environment: &[(&str, &str)], toml: &str) -> (BTreeMap<&'static str, Row>, Vec<Problem>) {
    let environment: BTreeMap<_, _> = environment.iter().copied().collect();
    let loader = Loader::new(|name| environment.get(name).map(|value| (*value).to_owned()), Some(toml));
    let (rows, problems) = describe(loader);
    (rows.into_iter().map(|row| (row.name, row)).collect(), problems)
}

#[test]
fn the_environment_beats_the_file_and_the_file_beats_the_default() {
    let url = |environment: &[(&str, &str)], toml| load(environment, toml, NatsSettings::read).unwrap().url.to_string();
    let file = "[nats]\nurl = 'nats://file:4222'";
    assert_eq!(url(&[], ""), "nats://127.0.0.1:4222");
    assert_eq!(url(&[], file), "nats://file:4222");
    assert_eq!(url(&[("NATS_URL", "tls://environment:4222")], file), "tls://environment:4222");
}

#[test]
fn the_defaults_are_what_aether_up_starts() {
    let http = [HttpSettings::agent, HttpSettings::brain, HttpSettings::tts].map(|read| load(&[], "", read).unwrap());
    assert_eq!(http.map(|http| http.bind.to_string()), ["127.0.0.1:7901", "127.0.0.1:7902", "127.0.0.1:7903"]);
    let llm = load(&[], "", LlmSettings::read).unwrap();
    assert_eq!((llm.dialect, llm.endpoint.expose()), (Dialect::OpenAi, "http://127.0.0.1:11435/v1"));
    assert_eq!(llm.model, "qwen2.5-coder-0.5b-instruct-q4_k_m");
    let speech = load(&[], "", SpeechSettings::read).unwrap();
    assert_eq!((&*speech.whisper_model, &*speech.piper_model), ("whisper-tiny.en", "en_US-joe-medium"));
    assert_eq!((speech.whisper_threads, speech.whisper_states), (None, 1));
    let turn_taking = load(&[], "", TurnTakingSettings::read).unwrap();
    assert_eq!((turn_taking.endpoint_silence, turn_taking.trace), (Duration::from_millis(500), None));
    assert!(!load(&[], "", AgentSettings::read).unwrap().echo_cancellation);
    assert_eq!(load(&[], "", HomeSettings::read).unwrap().home.to_str(), Some(".aether"));
    let identity = load(&[], "", IdentitySettings::read).unwrap();
    assert_eq!((identity.tenant.as_str(), identity.agent.as_str()), ("default", "aether"));
    assert_eq!(load(&[], "", RedisSettings::read).unwrap().url.port(), Some(6379));
    assert_eq!(load(&[], "", PostgresSettings::read).unwrap().url.port(), Some(5432));
    let telemetry = load(&[], "", TelemetrySettings::read).unwrap();
    assert_eq!((telemetry.log_format, &*telemetry.log_level), (LogFormat::Text, "info"));
}

#[test]
fn the_llm_endpoint_follows_the_dialect() {
    let llm = load(&[("LLM_DIALECT", "ollama")], "", LlmSettings::read).unwrap();
    assert_eq!((llm.dialect, llm.endpoint.expose()), (Dialect::Ollama, "http://127.0.0.1:11434"));
}

#[test]
fn a_malformed_value_is_named_shown_and_answered_with_what_was_expected() {
    let nats = |environment: &[(&str, &str)], toml: &str| problem(environment, toml, NatsSettings::read);
    assert_eq!(
        nats(&[("NATS_URL", "localhost:4222")], ""),
        "NATS_URL is `localhost:4222`, expected a URL that starts with nats:// or tls:// or ws:// or wss://"
    );
    assert_eq!(nats(&[], "[nats]\nurl = [1]"), "nats.url is `array`, expected one text or number");
    assert_eq!(nats(&[], "nats.url.host = 'x'"), "nats.url is `table`, expected one text or number");
    let agent = |value: &str| problem(&[("AETHER_ENDPOINT_SILENCE_MS", value)], "", TurnTakingSettings::read);
    for value in ["0.5", "-1", "soon", "99999999999", "50", "500ms"] {
        assert_eq!(
            agent(value),
            format!(
                "AETHER_ENDPOINT_SILENCE_MS is `{value}`, expected a whole number from 100 to 10000 (milliseconds)"
            )
        );
    }
    assert_eq!(
        problem(&[("AETHER_TTS_BIND", "7903")], "", HttpSettings::tts),
        "AETHER_TTS_BIND is `7903`, expected an IP address and a port such as 127.0.0.1:7901"
    );
    assert_eq!(
        problem(&[("LLM_DIALECT", "OpenAI")], "", LlmSettings::read),
        "LLM_DIALECT is `OpenAI`, expected `openai` or `ollama`"
    );
    assert_eq!(
        problem(&[("AETHER_LOG_LEVEL", "loud")], "", TelemetrySettings::read),
        "AETHER_LOG_LEVEL is `loud`, expected one of off, error, warn, info, debug, trace, also as module=level"
    );
    assert_eq!(
        problem(&[("LIVEKIT_API_SECRET", "hunter2")], "", LiveKitSettings::read),
        "LIVEKIT_API_SECRET is `***`, expected at least 32 characters on one line"
    );
}

#[test]
fn a_line_feed_at_the_end_is_not_part_of_a_secret() {
    let livekit = load(&[("LIVEKIT_API_SECRET", &format!("{SECRET}\n"))], "", LiveKitSettings::read).unwrap();
    assert_eq!(livekit.api_secret.expose(), SECRET);
}

#[test]
fn empty_means_absent_where_a_setting_may_be_absent_and_is_refused_elsewhere() {
    let toml = "[telemetry]\notlp_endpoint = 'http://collector:4317'";
    let telemetry = load(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], toml, TelemetrySettings::read).unwrap();
    assert_eq!(telemetry.otlp_endpoint, None);
    assert_eq!(
        problem(&[("LLM_MODEL", " ")], "", LlmSettings::read),
        "LLM_MODEL is empty, expected model that answers, as the LLM server names it; leave it out for the default \
         `qwen2.5-coder-0.5b-instruct-q4_k_m`"
    );
}

#[test]
fn what_has_no_default_is_asked_for() {
    assert_eq!(
        problem(&[], "", LiveKitSettings::read),
        "LIVEKIT_API_SECRET is not set, and there is no default: secret of that API key; `aether up` sets it for what \
         it starts"
    );
}

#[test]
fn two_names_of_one_setting_must_agree() {
    let model = |environment: &[(&str, &str)]| load(environment, "", LlmSettings::read).map(|llm| llm.model);
    assert_eq!(model(&[("AETHER_LLM_MODEL", "a")]).unwrap(), "a");
    assert_eq!(model(&[("LLM_MODEL", "a"), ("AETHER_LLM_MODEL", "a")]).unwrap(), "a");
    assert_eq!(
        problem(&[("LLM_MODEL", "a"), ("AETHER_LLM_MODEL", "b")], "", LlmSettings::read),
        "LLM_MODEL and AETHER_LLM_MODEL name the same setting with different values; set one of them"
    );
}

#[test]
fn a_name_that_means_nothing_any_more_is_refused_with_the_reason() {
    for name in ["USE_FASTER_WHISPER", "PIPER_SAMPLE_RATE", "TTS_SAMPLE_RATE_CONVERSION"] {
        // Also when it is empty, and by services that never hear or speak.
        let problem = problem(&[(name, "")], "", RedisSettings::read);
        assert!(problem.starts_with(&format!("{name} no longer means anything: ")), "{problem}");
        assert!(problem.ends_with("; remove it"), "{problem}");
    }
}

#[test]
fn an_unknown_key_of_the_file_names_the_one_that_was_meant() {
    for (toml, said) in [
        ("[nats]\nurll = 'x'", "aether.toml has the unknown key `nats.urll`; did you mean `nats.url`?"),
        ("NATS_URL = 'x'", "aether.toml has the unknown key `NATS_URL`; did you mean `nats.url`?"),
        (
            "[speech]\nwhisper = 'x'",
            "aether.toml has the unknown key `speech.whisper`; did you mean `speech.whisper_model`?",
        ),
        ("colour = 'blue'", "aether.toml has the unknown key `colour`"),
        ("[nats.url]\n", "nats.url is `table`, expected one text or number"),
    ] {
        assert_eq!(problem(&[], toml, NatsSettings::read), said, "{toml}");
    }
}

#[test]
fn a_file_that_is_not_toml_is_named_by_line_without_quoting_it() {
    let said = problem(&[], "[nats]\nuser = 'x'\npassword = hunter2\n", NatsSettings::read);
    assert!(said.starts_with("aether.toml is not TOML, line 3: ") && !said.contains("hunter2"), "{said}");
}

#[test]
fn all_problems_are_reported_at_once_and_each_only_once() {
    let environment = [("NATS_URL", "x"), ("REDIS_URL", "y"), ("USE_FASTER_WHISPER", "1")];
    let error = load(&environment, "colour = 1", |loader| {
        let (nats, again, redis) =
            (NatsSettings::read(loader), NatsSettings::read(loader), RedisSettings::read(loader));
        Ok((nats?, again?, redis?))
    })
    .unwrap_err();
    let text = error.to_string();
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(text.starts_with("4 settings are wrong:\n  "), "{text}");
    for name in ["NATS_URL", "REDIS_URL", "USE_FASTER_WHISPER", "colour"] {
        assert_eq!(text.matches(name).count(), 1, "{name} in {text}");
    }
}

#[test]
fn describe_shows_every_setting_once_with_where_it_came_from() {
    let all: Vec<_> = ALL.iter().copied().flatten().collect();
    let environment = [
        ("LIVEKIT_API_SECRET", SECRET),
        ("AETHER_IDENTITY_SECRET", SECRET),
        ("AETHER_NOTIFIER_SECRET", SECRET),
        ("NATS_URL", "nats://u:hunter2@h"),
    ];
    let (rows, problems) = rows(&environment, "tts.max_calls = 3");
    assert_eq!(problems, []);
    assert_eq!(rows.len(), all.len());
    assert!(all.iter().all(|setting| rows.contains_key(setting.key)));
    let shown = |name: &str| (rows[name].value.as_deref(), rows[name].source);
    assert_eq!(shown("livekit.api_secret"), (Some("***"), Source::Environment));
    assert_eq!(shown("nats.url"), (Some("nats://u:***@h"), Source::Environment));
    assert_eq!(shown("tts.max_calls"), (Some("3"), Source::File));
    assert_eq!(shown("redis.url"), (Some("redis://127.0.0.1:6379"), Source::Default));
    assert_eq!(shown("llm.api_key"), (None, Source::Default));
}

#[test]
fn no_two_settings_share_a_name() {
    let all: Vec<_> = ALL.iter().copied().flatten().collect();
    let keys: HashSet<_> = all.iter().map(|setting| setting.key).collect();
    assert_eq!(keys.len(), all.len());
    let names: Vec<_> = all.iter().flat_map(|setting| setting.env).collect();
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
}

#[test]
fn a_setting_that_is_wrong_still_has_its_row() {
    let (rows, problems) = rows(&[("NATS_URL", "x")], "");
    assert_eq!(rows["nats.url"].value.as_deref(), Some("x"));
    assert_eq!(rows["livekit.api_secret"].value, None);
    // The three secrets are missing besides.
    assert_eq!(problems.len(), 4, "{problems:?}");
}
