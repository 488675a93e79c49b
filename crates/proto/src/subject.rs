//! Every subject on the bus, and the one function that makes a chosen name safe inside one.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::{JobId, PersonId, RoomName, SessionId, TenantId};

pub const BRAIN_REQUEST: &str = "brain.request";
pub const LLM_REQUEST: &str = "llm.request";
pub const SENTENCE_REQUEST: &str = "sentence.request";
pub const EMBED_REQUEST: &str = "embed.request";
/// Memories are made of what was said without one.
pub const EMBEDDINGS_BACKFILL: &str = "embeddings.backfill";
/// What was found in a turn, to be kept.
pub const FACTS_KEEP: &str = "facts.keep";
/// What a session was about, to be kept.
pub const SUMMARIES_KEEP: &str = "summaries.keep";
pub const TTS_REQUEST: &str = "tts.request";
/// Whether the service has what it needs.
pub const BRAIN_READY: &str = "brain.ready";
pub const TTS_READY: &str = "tts.ready";
pub const SCHEDULER_READY: &str = "scheduler.ready";
pub const NOTIFIER_READY: &str = "notifier.ready";
pub const JOBS_SUBMIT: &str = "jobs.submit";
pub const JOBS_CONTROL: &str = "jobs.control";
/// There is something to do: free workers look at once.
pub const JOBS_WAKE: &str = "jobs.wake";
/// A job is not wanted any more: whoever is doing it stops.
pub const JOBS_STOP: &str = "jobs.stop";
/// The time has come for a notification.
pub const NOTIFY_WORK: &str = "notify.work";
/// A person's wish about notifications.
pub const NOTIFY_CONTROL: &str = "notify.control";
/// What becomes of all jobs.
pub const ALL_JOB_EVENTS: &str = "jobs.events.*";
/// All events of all tenants that somebody may want to know.
pub const ALL_NOTIFY_EVENTS: &str = "notify.events.>";
/// What all persons of all tenants are told.
pub const ALL_NOTIFY_PUSHES: &str = "notify.push.*.*";
/// What happens in all rooms of all tenants.
pub const ALL_ROOM_EVENTS: &str = "room.*.*.events";
/// Where the agents of all rooms of all tenants are asked.
pub const ALL_ROOM_CONTROLS: &str = "room.*.*.control";
/// What happens in the typed conversations of all persons of all tenants.
pub const ALL_PERSON_EVENTS: &str = "people.*.*.events";
/// All turn logs of all tenants.
pub const ALL_TURNS: &str = "turns.>";
/// Everything that is audio lives under this prefix, so that `nats sub` without it stays readable.
pub const AUDIO_PREFIX: &str = "audio";

/// What means something to NATS, or would make a token unreadable in a terminal. `%` is the escape itself.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'.').add(b'*').add(b'>').add(b'%').add(b'$');

/// One subject token for a name that somebody chose. Non-ASCII text is percent-encoded too: NATS servers before 2.12 and
/// several client libraries accept only ASCII subjects.
pub fn escape(name: &str) -> String {
    utf8_percent_encode(name, ESCAPED).to_string()
}

/// The name behind a token made by [`escape`]; `None` for a token that it can't have made.
pub fn unescape(token: &str) -> Option<String> {
    let name = percent_decode_str(token).decode_utf8().ok()?;
    (escape(&name) == token).then(|| name.into_owned())
}

pub fn room_events(tenant: &TenantId, room: &RoomName) -> String {
    format!("room.{}.{}.events", escape(tenant.as_str()), escape(room.as_str()))
}

/// Answered by the agent that holds the room, and by nobody where there is none.
pub fn room_control(tenant: &TenantId, room: &RoomName) -> String {
    format!("room.{}.{}.control", escape(tenant.as_str()), escape(room.as_str()))
}

/// What happens in a person's typed conversations, which have no room.
pub fn person_events(tenant: &TenantId, person: &PersonId) -> String {
    format!("people.{}.{}.events", escape(tenant.as_str()), escape(person.as_str()))
}

pub fn turns(tenant: &TenantId, session: SessionId) -> String {
    format!("turns.{}.{session}", escape(tenant.as_str()))
}

/// Something that a person may want to know.
pub fn notify_events(tenant: &TenantId, source: &str) -> String {
    format!("notify.events.{}.{}", escape(tenant.as_str()), escape(source))
}

/// What a person is told.
pub fn notify_push(tenant: &TenantId, person: &PersonId) -> String {
    format!("notify.push.{}.{}", escape(tenant.as_str()), escape(person.as_str()))
}

/// What becomes of a job.
pub fn job_events(job: JobId) -> String {
    format!("jobs.events.{job}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_chosen_name_stays_one_token() {
        let tenant = TenantId::new("acme").unwrap();
        let room = RoomName::new("floor 2.kitchen > *").unwrap();
        assert_eq!(room_events(&tenant, &room), "room.acme.floor%202%2Ekitchen%20%3E%20%2A.events");
    }

    #[test]
    fn a_token_that_escape_cannot_have_made_is_refused() {
        assert_eq!(unescape("a.b"), None);
        assert_eq!(unescape("%zz"), None);
        assert_eq!(unescape("%FF"), None);
    }

    proptest! {
        #[test]
        fn escaping_round_trips(name in "\\PC{1,64}") {
            let token = escape(&name);
            prop_assert!(token.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(!token.contains(['.', '*', '>', ' ']));
            let back = unescape(&token);
            prop_assert_eq!(back.as_deref(), Some(name.as_str()));
        }
    }
}
