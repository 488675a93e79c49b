//! Every metric, its unit and its labels, in one place.
//!
//! Where OpenTelemetry's GenAI conventions have a name, it is that one: `gen_ai.client.token.usage` is written here as Prometheus
//! shows it, `gen_ai_client_token_usage`. What they have no name for is `voice.turn.*` (a person's turn), `voice.*` (the
//! voice path), `aether.bus.*`,
//! `aether.memory.*` or `part.*`. Durations are seconds. Labels are few and closed: never an id, a name that a person chose
//! or a word that was said.

use metrics::{Label, Unit};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

/// Duration of one model operation. Labels `gen_ai_operation_name` (`chat`, `speech`), `gen_ai_request_model`,
/// and `error_type` where it failed.
pub const OPERATION_DURATION: &str = "gen_ai_client_operation_duration_seconds";
/// From a request to the first token (or first PCM) of its answer. Labels as above.
pub const TIME_TO_FIRST_TOKEN: &str = "gen_ai_server_time_to_first_token_seconds";
/// Tokens of one request. Labels `gen_ai_token_type` (`input`, `output`), `gen_ai_request_model`.
pub const TOKEN_USAGE: &str = "gen_ai_client_token_usage";

/// Turns that ended, what the agent says by itself among them. Label `end` (`completed`, `interrupted`, `withdrawn`, `error`).
pub const TURNS: &str = "voice_turns_total";
/// Last speech sample → the decision that the person is done.
pub const TURN_ENDPOINT: &str = "voice_turn_endpoint_seconds";
/// Decision → final transcript.
pub const TURN_STT: &str = "voice_turn_stt_seconds";
/// Final transcript → first token of the answer.
pub const TURN_LLM_FIRST_TOKEN: &str = "voice_turn_llm_first_token_seconds";
/// First chunk sent to tts → its first PCM.
pub const TURN_TTS_FIRST_AUDIO: &str = "voice_turn_tts_first_audio_seconds";
/// Last speech sample → first PCM frame handed to the room.
pub const TURN_TOTAL: &str = "voice_turn_total_seconds";
/// The part of the total that no wait, model or network took.
pub const TURN_OVERHEAD: &str = "voice_turn_overhead_seconds";
/// Rooms that this process holds.
pub const SESSIONS: &str = "voice_session_active";
/// Times a person stopped an answer by speaking.
pub const INTERRUPTIONS: &str = "voice_interruption_count_total";
/// Words that a person began within the longest pause there is after what had been taken for all they wanted to say.
pub const CUT_OFFS: &str = "voice_cut_off_total";
/// Stretches of sound that were not answered. Label `reason` (`no_speech`, `backchannel`).
pub const IGNORED: &str = "voice_utterance_ignored_total";
/// Work that was dropped because its turn had moved on. Label `what`.
pub const STALE: &str = "voice_turn_stale_total";
/// Speech of an answer that was dropped before it was played, because its turn had moved on.
pub const PLAYOUT_STALE: &str = "voice_playout_stale_items_total";
/// One decode of a person's speech, partial or final.
pub const STT_DECODE: &str = "voice_stt_decode_seconds";
/// How long it had waited for a decoder.
pub const STT_WAIT: &str = "voice_stt_wait_seconds";
/// How long the speech in it is.
pub const STT_AUDIO: &str = "voice_stt_audio_seconds";
/// Frames that a lane dropped because it could not keep up.
pub const LANE_DROPPED: &str = "voice_lane_dropped_frames_total";
/// Client events that were dropped because nobody took them in time.
pub const EVENTS_DROPPED: &str = "voice_dropped_client_events_total";

/// From an agent's beginning in a room to the session with all who are there.
pub const ROOM_JOIN: &str = "voice_room_join_seconds";

/// Syntheses that a tts process works on.
pub const SYNTHESES: &str = "voice_synthesis_active";
/// Length of the speech that was made, one sample a text.
pub const SYNTHESISED: &str = "voice_synthesis_audio_seconds";

/// How long it took to recall memories for a turn. Label `stage` (`embed`, `search`).
pub const MEMORY_RECALL: &str = "aether_memory_recall_seconds";

/// The agent's own tools that were run. Labels `tool`, `outcome` (`ok`, `failed`).
pub const TOOL_CALLS: &str = "aether_tool_calls_total";

/// From a written question's arrival at the gateway to the first token of its answer.
pub const CHAT_FIRST_TOKEN: &str = "aether_chat_first_token_seconds";
/// From a request's arrival at the gateway to the beginning of its answer. Labels `http_route`, as the table of
/// routes writes it, and `status` (`1xx` to `5xx`).
pub const HTTP_REQUEST_DURATION: &str = "http_server_request_duration_seconds";
/// WebSockets on which a gateway pushes what happens.
pub const WEBSOCKETS: &str = "aether_websockets_open";

/// From a question to its reply, or of a call to its acceptance, as the asking side sees it. Labels `subject`, `outcome` (`ok` or
/// an error's code).
pub const BUS_ROUND_TRIP: &str = "aether_bus_round_trip_seconds";
/// Requests and calls that a worker took, one each. Labels `subject`, `outcome` (`ok`, `cancelled` or an error's code).
pub const BUS_HANDLED: &str = "aether_bus_handled_total";
/// How long each of them took. Labels as above.
pub const BUS_HANDLED_DURATION: &str = "aether_bus_handled_seconds";
/// Jobs in each state that is not an end, over all tenants. Labels `pool` (`interactive`, `background`), `state`.
pub const JOBS: &str = "aether_jobs";
/// How long the oldest job that waits has been due. Label `pool`.
pub const JOBS_OLDEST: &str = "aether_jobs_oldest_waiting_seconds";
/// Jobs that this process works on.
pub const JOBS_RUNNING: &str = "aether_jobs_running";
/// Attempts that ended. Labels `kind`, `outcome` (`done`, `not_now`, `failed`, `impossible`, `stopped`).
pub const JOB_ATTEMPTS: &str = "aether_job_attempts_total";
/// From when a job was due to its beginning. Label `priority` (`P0` to `P3`).
pub const JOB_START: &str = "aether_job_start_delay_seconds";
/// Events that became notifications. Label `state`, as the first decision left them.
pub const NOTIFICATIONS: &str = "aether_notifications_total";
/// How long a decision took. Label `by` (`rule`, `model`, `default`).
pub const NOTIFICATION_DECISION: &str = "aether_notification_decision_seconds";
/// Attempts to tell somebody through a channel. Labels `channel` (`push`, `email`, `webhook`), `outcome` (`delivered`,
/// `failed`).
pub const NOTIFICATION_DELIVERIES: &str = "aether_notification_deliveries_total";

/// Memory that the process has in the machine.
pub const PROCESS_MEMORY: &str = "process_resident_memory_bytes";
/// Time that processors spent on the process.
pub const PROCESS_CPU: &str = "process_cpu_seconds_total";

/// Whether a part is up (1) or not (0). Labels `part`, `required` (`yes`: without it the service is not ready).
pub const PART_UP: &str = "part_up";

const HISTOGRAMS: [(&str, Unit, &str); 21] = [
    (OPERATION_DURATION, Unit::Seconds, "duration of one model operation"),
    (TIME_TO_FIRST_TOKEN, Unit::Seconds, "request to first token or first PCM"),
    (TOKEN_USAGE, Unit::Count, "tokens of one request"),
    (TURN_ENDPOINT, Unit::Seconds, "last speech sample to the decision that the person is done"),
    (TURN_STT, Unit::Seconds, "decision to final transcript"),
    (TURN_LLM_FIRST_TOKEN, Unit::Seconds, "final transcript to first token"),
    (TURN_TTS_FIRST_AUDIO, Unit::Seconds, "first chunk sent to tts to its first PCM"),
    (TURN_TOTAL, Unit::Seconds, "last speech sample to first PCM handed to the room"),
    (TURN_OVERHEAD, Unit::Seconds, "what no wait, model or network took of a turn"),
    (STT_DECODE, Unit::Seconds, "one decode of a person's speech"),
    (STT_WAIT, Unit::Seconds, "waiting for a decoder"),
    (STT_AUDIO, Unit::Seconds, "length of the speech that was decoded"),
    (ROOM_JOIN, Unit::Seconds, "an agent's beginning in a room to the session with all who are there"),
    (SYNTHESISED, Unit::Seconds, "length of the speech that was made"),
    (MEMORY_RECALL, Unit::Seconds, "recalling memories for a turn, by stage"),
    (JOB_START, Unit::Seconds, "from when a job was due to its beginning"),
    (NOTIFICATION_DECISION, Unit::Seconds, "deciding whether somebody is told, by who decides"),
    (CHAT_FIRST_TOKEN, Unit::Seconds, "a written question's arrival to the first token of its answer"),
    (HTTP_REQUEST_DURATION, Unit::Seconds, "a request's arrival to the beginning of its answer"),
    (BUS_ROUND_TRIP, Unit::Seconds, "a question to its reply, or a call to its acceptance"),
    (BUS_HANDLED_DURATION, Unit::Seconds, "one request or call, from its arrival to its end"),
];

const COUNTERS: [(&str, &str); 14] = [
    (TURNS, "turns that ended, by how"),
    (INTERRUPTIONS, "answers that a person stopped by speaking"),
    (CUT_OFFS, "words after what was taken for all that a person wanted to say"),
    (IGNORED, "stretches of sound that were not answered, by reason"),
    (STALE, "work dropped because its turn had moved on"),
    (PLAYOUT_STALE, "speech dropped before it was played"),
    (LANE_DROPPED, "frames that a lane could not keep up with"),
    (EVENTS_DROPPED, "client events that nobody took in time"),
    (TOOL_CALLS, "tools that were run, by outcome"),
    (JOB_ATTEMPTS, "attempts at jobs that ended, by kind and outcome"),
    (NOTIFICATIONS, "events that became notifications, by state"),
    (NOTIFICATION_DELIVERIES, "attempts to tell somebody, by channel and outcome"),
    (BUS_HANDLED, "requests and calls that a worker took, by outcome"),
    (PROCESS_CPU, "time that processors spent on this process"),
];

const GAUGES: [(&str, &str); 8] = [
    (SESSIONS, "rooms that this process holds"),
    (SYNTHESES, "syntheses in progress"),
    (WEBSOCKETS, "WebSockets that are open"),
    (JOBS, "jobs that have not ended, by pool and state"),
    (JOBS_OLDEST, "how long the oldest waiting job has been due"),
    (JOBS_RUNNING, "jobs that this process works on"),
    (PROCESS_MEMORY, "memory that this process has in the machine"),
    (PART_UP, "whether a part is up"),
];

/// Labels, each with all its values.
type Values = &'static [(&'static str, &'static [&'static str])];

/// What each service shows from its start, with every value of the labels. What is known only elsewhere, such as the kinds of
/// jobs, begins there.
const FROM_ZERO: [(&str, &str, Values); 28] = [
    ("agent", TURNS, &[("end", &["completed", "interrupted", "withdrawn", "error"])]),
    ("agent", TURN_ENDPOINT, &[]),
    ("agent", TURN_STT, &[]),
    ("agent", TURN_LLM_FIRST_TOKEN, &[]),
    ("agent", TURN_TTS_FIRST_AUDIO, &[]),
    ("agent", TURN_TOTAL, &[]),
    ("agent", TURN_OVERHEAD, &[]),
    ("agent", SESSIONS, &[]),
    ("agent", INTERRUPTIONS, &[]),
    ("agent", CUT_OFFS, &[]),
    ("agent", IGNORED, &[("reason", &["no_speech", "backchannel"])]),
    ("agent", PLAYOUT_STALE, &[]),
    ("agent", STT_DECODE, &[]),
    ("agent", STT_WAIT, &[]),
    ("agent", STT_AUDIO, &[]),
    ("agent", ROOM_JOIN, &[]),
    ("agent", LANE_DROPPED, &[]),
    ("agent", EVENTS_DROPPED, &[]),
    ("brain", STALE, &[("what", &["brain_update", "brain_commit", "brain_call"])]),
    ("brain", MEMORY_RECALL, &[("stage", &["embed", "search"])]),
    ("tts", SYNTHESES, &[]),
    ("tts", SYNTHESISED, &[]),
    ("gateway", CHAT_FIRST_TOKEN, &[]),
    ("gateway", WEBSOCKETS, &[]),
    ("scheduler", JOB_START, &[("priority", &["P0", "P1", "P2", "P3"])]),
    ("notifier", NOTIFICATIONS, &[("state", &["undecided", "waiting", "digest", "never", "delivering"])]),
    ("notifier", NOTIFICATION_DECISION, &[("by", &["rule", "model", "default"])]),
    (
        "notifier",
        NOTIFICATION_DELIVERIES,
        &[("channel", &["push", "email", "webhook"]), ("outcome", &["delivered", "failed"])],
    ),
];

/// From what only a machine notices (1 ms) to what nobody waits for (a minute). What is to be within a limit has a bound at
/// it: only there it is known how many were.
const SECONDS: [f64; 21] = [
    0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.2, 0.3, 0.4, 0.7, 0.8, 1.0, 1.2, 1.8, 2.5, 5.0, 10.0, 30.0,
    60.0,
];
const TOKENS: [f64; 10] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0];

pub(crate) fn with_buckets(builder: PrometheusBuilder) -> Result<PrometheusBuilder, BuildError> {
    builder.set_buckets(&SECONDS)?.set_buckets_for_metric(Matcher::Full(TOKEN_USAGE.to_owned()), &TOKENS)
}

/// The bounds of a histogram's buckets, without the last, which has none.
pub(crate) fn buckets(name: &str) -> &'static [f64] {
    if name == TOKEN_USAGE { &TOKENS } else { &SECONDS }
}

/// What a service shows before anything has happened.
pub(crate) fn begin(service: &str) {
    for (_, name, labels) in FROM_ZERO.iter().filter(|(of, ..)| *of == service) {
        from_zero(name, labels);
    }
}

/// Shows a metric with each of these values of its labels, though nothing has happened yet: of a series that begins with its
/// first event, Prometheus sees no increase.
pub fn from_zero(name: &'static str, labels: &[(&'static str, &[&str])]) {
    let mut all = vec![Vec::new()];
    for (label, values) in labels {
        let with = |labels: &Vec<Label>, value: &str| {
            let mut labels = labels.clone();
            labels.push(Label::new(*label, value.to_owned()));
            labels
        };
        all = all.iter().flat_map(|labels| values.iter().map(move |value| with(labels, value))).collect();
    }
    for labels in all {
        if HISTOGRAMS.iter().any(|(histogram, ..)| *histogram == name) {
            let _ = metrics::histogram!(name, labels);
        } else if GAUGES.iter().any(|(gauge, _)| *gauge == name) {
            metrics::gauge!(name, labels).increment(0);
        } else {
            metrics::counter!(name, labels).increment(0);
        }
    }
}

pub(crate) fn describe() {
    for (name, unit, about) in HISTOGRAMS {
        metrics::describe_histogram!(name, unit, about);
    }
    for (name, about) in COUNTERS {
        metrics::describe_counter!(name, about);
    }
    for (name, about) in GAUGES {
        metrics::describe_gauge!(name, about);
    }
}
