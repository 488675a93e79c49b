//! Who may do what on the bus: each service has a user of its own at NATS, and this is the only place that says what it may.
//!
//! Nobody may hear what is told to somebody else, and a reply can only go to who asked. The owner's user may do everything.

use std::fmt::Write as _;

use aether_proto::subject;

use crate::DurableStream;

/// The user that may do everything: for the owner's own commands, and for looking around.
pub const OWNER: &str = "owner";

/// What one service may do. Whatever is not here is refused by the server.
#[derive(Debug)]
struct Access {
    service: &'static str,
    /// Requests and calls that it takes, as one of its queue group.
    answers: &'static [&'static str],
    /// Requests that it makes.
    asks: &'static [&'static str],
    /// Calls that it makes: it also speaks to the worker that took them.
    calls: &'static [&'static str],
    /// What it listens to beside.
    hears: &'static [&'static str],
    tells: &'static [&'static str],
    /// Streams that it writes, and reads.
    stores: &'static [DurableStream],
    consumes: &'static [DurableStream],
}

const NOTHING: Access =
    Access { service: "", answers: &[], asks: &[], calls: &[], hears: &[], tells: &[], stores: &[], consumes: &[] };

const ACCESS: [Access; 6] = [
    Access {
        service: "gateway",
        asks: &[subject::BRAIN_READY, subject::JOBS_CONTROL, subject::NOTIFY_CONTROL, subject::ALL_ROOM_CONTROLS],
        calls: &[subject::BRAIN_REQUEST],
        hears: &[subject::ALL_ROOM_EVENTS, subject::ALL_PERSON_EVENTS, subject::ALL_NOTIFY_PUSHES],
        tells: &[subject::ALL_PERSON_EVENTS],
        stores: &[DurableStream::Turns, DurableStream::Events],
        ..NOTHING
    },
    Access {
        service: "agent",
        asks: &[subject::BRAIN_READY, subject::TTS_READY, subject::SENTENCE_REQUEST],
        calls: &[subject::BRAIN_REQUEST, subject::TTS_REQUEST],
        // Each for the rooms it is in.
        hears: &[subject::ALL_ROOM_CONTROLS],
        tells: &[subject::ALL_ROOM_EVENTS],
        stores: &[DurableStream::Turns],
        ..NOTHING
    },
    Access {
        service: "brain",
        answers: &[
            subject::BRAIN_REQUEST,
            subject::LLM_REQUEST,
            subject::SENTENCE_REQUEST,
            subject::EMBED_REQUEST,
            subject::EMBEDDINGS_BACKFILL,
            subject::FACTS_KEEP,
            subject::SUMMARIES_KEEP,
            subject::BRAIN_READY,
        ],
        asks: &[subject::JOBS_SUBMIT, subject::JOBS_CONTROL],
        consumes: &[DurableStream::Turns],
        ..NOTHING
    },
    Access { service: "tts", answers: &[subject::TTS_REQUEST, subject::TTS_READY], ..NOTHING },
    Access {
        service: "scheduler",
        answers: &[subject::JOBS_SUBMIT, subject::JOBS_CONTROL, subject::SCHEDULER_READY],
        asks: &[subject::NOTIFY_WORK, subject::FACTS_KEEP, subject::SUMMARIES_KEEP, subject::EMBEDDINGS_BACKFILL],
        calls: &[subject::LLM_REQUEST],
        hears: &[subject::JOBS_WAKE, subject::JOBS_STOP],
        tells: &[subject::JOBS_WAKE, subject::JOBS_STOP, subject::ALL_JOB_EVENTS],
        stores: &[DurableStream::Events],
        ..NOTHING
    },
    Access {
        service: "notifier",
        answers: &[subject::NOTIFY_WORK, subject::NOTIFY_CONTROL, subject::NOTIFIER_READY],
        asks: &[subject::JOBS_SUBMIT, subject::ALL_ROOM_CONTROLS],
        calls: &[subject::LLM_REQUEST],
        tells: &[subject::ALL_NOTIFY_PUSHES],
        consumes: &[DurableStream::Events],
        ..NOTHING
    },
];

impl Access {
    fn publishes(&self) -> Vec<String> {
        let mut subjects = vec![inbox(self.service)];
        subjects.extend([self.asks, self.calls, self.tells].concat().into_iter().map(str::to_owned));
        for worker in ACCESS.iter().filter(|worker| worker.answers.iter().any(|subject| self.calls.contains(subject))) {
            subjects.push(inbox(worker.service));
        }
        for stream in self.stores {
            subjects.push(stream.subjects().to_owned());
        }
        for stream in [self.stores, self.consumes].concat() {
            let name = stream.name();
            subjects.extend(["CREATE", "UPDATE", "INFO"].map(|verb| format!("$JS.API.STREAM.{verb}.{name}")));
        }
        for stream in self.consumes {
            let consumer = format!("{}.{}", stream.name(), self.service);
            subjects.extend([
                format!("$JS.API.CONSUMER.CREATE.{consumer}"),
                format!("$JS.API.CONSUMER.CREATE.{consumer}.>"),
                format!("$JS.API.CONSUMER.INFO.{consumer}"),
                format!("$JS.API.CONSUMER.MSG.NEXT.{consumer}"),
                format!("$JS.ACK.{consumer}.>"),
            ]);
        }
        subjects
    }

    fn subscribes(&self) -> Vec<String> {
        let mut subjects = vec![inbox(self.service), format!("{}.{}", subject::AUDIO_PREFIX, inbox(self.service))];
        subjects.extend([self.answers, self.hears].concat().into_iter().map(str::to_owned));
        if !self.answers.is_empty() {
            // What the micro tools ask.
            let service = self.service;
            subjects.extend(["$SRV.*".to_owned(), format!("$SRV.*.{service}"), format!("$SRV.*.{service}.*")]);
        }
        subjects
    }
}

fn inbox(service: &str) -> String {
    format!("_INBOX.{service}.>")
}

/// The users and what they may, as the server's configuration writes it. `password` says what stands for a user's password in
/// it: a quoted text, or a variable of the server's environment.
pub fn authorization(password: impl Fn(&str) -> String) -> String {
    let mut text = String::from("authorization {\n  users: [\n");
    let _ = writeln!(text, "    {{ user: {OWNER}, password: {} }}", password(OWNER));
    for access in &ACCESS {
        let list = |subjects: Vec<String>| {
            subjects.iter().map(|subject| format!("\n        \"{subject}\"")).collect::<Vec<_>>().concat()
        };
        let Access { service, .. } = access;
        let (password, publishes, subscribes) =
            (password(service), list(access.publishes()), list(access.subscribes()));
        // Replies go where the question says, as many as a call has frames; no call is longer than a quarter of an hour.
        let _ = write!(
            text,
            r#"    {{ user: {service}, password: {password}, permissions: {{
      publish: {{ allow: [{publishes}
      ] }}
      subscribe: {{ allow: [{subscribes}
      ] }}
      allow_responses: {{ max: -1, expires: "15m" }}
    }} }}
"#
        );
    }
    text.push_str("  ]\n}\n");
    text
}
