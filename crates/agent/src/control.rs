//! What others may ask of the agent in a room, over the bus.
//!
//! The subject is answered from the moment the room is taken, before anybody is in it: that there is an answer at all tells
//! whoever looks after the rooms that this process lives.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aether_bus::{Answering, Bus};
use aether_proto::{
    AgentState, Announce, Error, ErrorCode, Mute, OffTheRecord, PersonId, RoomControl, RoomControlReply, RoomName, Say,
    SessionId, TenantId, Write, room_control, subject,
};
use aether_voice::media::Participant;
use aether_voice::session::{Guest, Handle, Refused, agent_state};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::people::{LONGEST_TEXT, Presence};

/// Ids of announcements that are remembered.
const MOST_ANNOUNCED: usize = 256;

/// The room's door for requests. Nobody answers any more once it is dropped.
pub(crate) struct Control {
    host: watch::Sender<Option<Host>>,
    /// `None`: the bus did not take the subject; the room can be talked in, and not controlled.
    _answering: Option<Answering>,
}

/// Whoever can do what is asked: the stay in the room, once there is one.
#[derive(Clone)]
pub(crate) struct Host {
    pub id: SessionId,
    pub session: Handle,
    pub present: watch::Receiver<Presence>,
    /// Ends the stay.
    pub leave: CancellationToken,
    pub announced: Announced,
}

/// The ids of what was announced lately; all clones are one.
#[derive(Clone, Default)]
pub(crate) struct Announced(Arc<Mutex<VecDeque<String>>>);

impl Announced {
    /// False if it was announced before.
    fn begin(&self, id: &str) -> bool {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.iter().any(|known| known == id) {
            return false;
        }
        if ids.len() == MOST_ANNOUNCED {
            ids.pop_front();
        }
        ids.push_back(id.to_owned());
        true
    }

    fn forget(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| known != id);
    }
}

impl Control {
    pub(crate) async fn open(bus: &Bus, tenant: &TenantId, room: &RoomName, holder: &str) -> Self {
        let (host, hosts) = watch::channel(None);
        let holder = holder.to_owned();
        let answer = move |_, asked: RoomControl| {
            let (host, holder) = (hosts.borrow().clone(), holder.clone());
            async move { answer(host, holder, asked).await }
        };
        let answering = bus.answer(&subject::room_control(tenant, room), answer).await;
        if let Err(error) = &answering {
            tracing::warn!(%tenant, %room, %error, "the room can't be controlled from outside");
        }
        Self { host, _answering: answering.ok() }
    }

    /// From now on there is somebody to do what is asked.
    pub(crate) fn is_hosted_by(&self, host: Host) {
        self.host.send_replace(Some(host));
    }
}

async fn answer(host: Option<Host>, holder: String, asked: RoomControl) -> Result<RoomControlReply, Error> {
    let action = asked.action.ok_or_else(|| ErrorCode::InvalidArgument.error("the control says nothing to do"))?;
    let Some(host) = host else {
        return match action {
            room_control::Action::Look(_) => {
                Ok(RoomControlReply { agent_state: AgentState::Initializing.into(), holder, ..Default::default() })
            }
            _ => Err(ErrorCode::Unavailable.error("the agent is still on its way into the room")),
        };
    };
    host.act(action).await?;
    Ok(host.reply(holder))
}

impl Host {
    async fn act(&self, action: room_control::Action) -> Result<(), Error> {
        use room_control::Action;
        let done = match action {
            Action::Look(_) => Ok(()),
            Action::Say(Say { text }) => self.session.say(checked(&text)?).await,
            Action::Announce(announce) => self.announce(announce).await?,
            Action::Write(write) => {
                let (guest, text) = self.writer(write)?;
                self.session.typed(guest, text).await
            }
            Action::Interrupt(_) => self.session.interrupt().await,
            Action::Mute(Mute { muted }) => self.session.set_muted(muted).await,
            Action::OffTheRecord(OffTheRecord { off }) => self.session.set_off_the_record(off).await,
            Action::Leave(_) => {
                tracing::info!(session = %self.id, "asked to leave the room");
                self.leave.cancel();
                Ok(())
            }
        };
        done.map_err(|refused| match refused {
            Refused::Busy => ErrorCode::Conflict.error(refused),
            Refused::Ended => ErrorCode::Unavailable.error(refused),
        })
    }

    /// Says it once, however often it is asked to: whoever asks may have died before it heard the answer.
    async fn announce(&self, Announce { id, person_id, text }: Announce) -> Result<Result<(), Refused>, Error> {
        let text = checked(&text)?;
        let is_here = |person: &String| *person == person_id;
        if !person_id.is_empty() && !self.present.borrow().people().iter().any(is_here) {
            return Err(ErrorCode::NotFound.error("the person is not in the room"));
        }
        if !id.is_empty() && !self.announced.begin(&id) {
            return Ok(Ok(()));
        }
        let taken = self.session.announce(text).await;
        if taken.is_err() {
            self.announced.forget(&id);
        }
        Ok(taken)
    }

    /// Somebody who is in the room writes as who they are there.
    fn writer(&self, Write { person_id, person_name, text }: Write) -> Result<(Guest, String), Error> {
        let text = checked(&text)?;
        let person = PersonId::new(person_id).map_err(|error| ErrorCode::InvalidArgument.error(error))?;
        let here = self.present.borrow().guests.iter().find(|guest| guest.person == person).cloned();
        let guest = here.unwrap_or_else(|| {
            let participant = Participant { identity: person.to_string(), name: person_name };
            Guest { participant, person }
        });
        Ok((guest, text))
    }

    fn reply(&self, holder: String) -> RoomControlReply {
        let manners = *self.session.manners().borrow();
        RoomControlReply {
            session_id: self.id.to_string(),
            agent_state: agent_state(*self.session.phase().borrow()).into(),
            muted: manners.muted,
            off_the_record: manners.off_the_record,
            people: self.present.borrow().people(),
            holder,
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("id", &self.id).finish_non_exhaustive()
    }
}

fn checked(text: &str) -> Result<String, Error> {
    let text = text.trim();
    if text.is_empty() {
        return Err(ErrorCode::InvalidArgument.error("the text is empty; send at least one word"));
    }
    if text.len() > LONGEST_TEXT {
        let bytes = text.len();
        return Err(ErrorCode::TooLarge.error(format_args!("the text has {bytes} bytes, the limit is {LONGEST_TEXT}")));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_announced_is_announced_once() {
        let announced = Announced::default();
        assert!(announced.begin("one") && !announced.clone().begin("one") && announced.begin("two"));
        announced.forget("one");
        assert!(announced.begin("one"), "it was not taken, so it may be tried again");
        for number in 0..MOST_ANNOUNCED {
            assert!(announced.begin(&format!("later {number}")));
        }
        assert!(announced.begin("two"), "only so many are remembered");
    }
}
