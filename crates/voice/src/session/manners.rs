//! How the agent behaves for a while: muted, off the record, without a part. None of it is a matter of who has the floor.

use aether_turn::floor;

use super::away::Ability;
use super::shell::Shell;

impl Shell {
    pub(super) fn set_muted(&mut self, muted: bool) {
        self.playout.set_muted(muted);
        if let Some(turn) = self.turn.as_mut() {
            turn.is_read |= muted;
        }
        if self.manners.muted == muted {
            return;
        }
        self.manners.muted = muted;
        self.shown_manners.send_replace(self.manners);
        let (code, message) = match muted {
            true => ("muted", "I answer in writing only."),
            false => ("unmuted", "I speak again."),
        };
        self.status("", code, message);
    }

    pub(super) async fn set_off_the_record(&mut self, off: bool) {
        if self.manners.off_the_record == off {
            return;
        }
        if off {
            self.recorder.end();
        }
        self.manners.off_the_record = off;
        self.shown_manners.send_replace(self.manners);
        // What was made ahead was made under the other rule: it is made again.
        if let Some(draft) = self.turn.as_ref().filter(|turn| !turn.committed && turn.commit.is_some()) {
            let generation = draft.generation;
            self.step(floor::Event::Failed { generation }).await;
        }
        if off {
            self.open_turn.send_replace(None);
            // The record of the turn under way ends here.
            if let Some(turn) = self.turn.as_mut().filter(|turn| turn.on_record) {
                turn.on_record = false;
                if turn.is_read {
                    turn.heard_all();
                }
                for entry in turn.closed("interrupted") {
                    self.journal.log(&turn.context, &turn.span, entry).await;
                }
            }
        }
        let (code, message) = match off {
            true => ("off_the_record", "Nothing that is said from now on is kept."),
            false => ("on_the_record", "What is said from now on is kept again."),
        };
        self.status("", code, message);
    }

    /// What was lost is there again, and nobody has noticed so far.
    pub(super) async fn is_back(&mut self, ability: Ability) {
        if self.regain(ability) {
            let (_, message) = ability.back();
            self.step(floor::Event::Announce { text: message.to_owned() }).await;
        }
    }

    pub(super) fn lose(&mut self, ability: Ability) {
        if self.away.lose(ability) {
            let (code, message) = ability.lost();
            self.status("", code, message);
        }
    }

    pub(super) fn regain(&mut self, ability: Ability) -> bool {
        let was_lost = self.away.regain(ability);
        if was_lost {
            let (code, message) = ability.back();
            self.status("", code, message);
        }
        was_lost
    }
}
