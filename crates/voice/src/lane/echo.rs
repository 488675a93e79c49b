//! How much of an utterance was the agent's own voice.
//!
//! Whoever tells a lane that a frame is echo has listened for a while before: the frames until then were echo, too.

/// Windows of voice (32 ms) that pass until an echo is known to be one: 0.4 s.
const UNTIL_KNOWN: u32 = 12;

#[derive(Debug, Default)]
pub(super) struct Echo {
    is_heard: bool,
    /// Windows of the utterance that sounded like a voice, and those of them that were echo.
    voiced: u32,
    echoed: u32,
}

impl Echo {
    /// The next frame is echo, or isn't.
    pub fn hear(&mut self, is_echo: bool) {
        if is_echo && !self.is_heard {
            self.echoed = (self.echoed + UNTIL_KNOWN).min(self.voiced);
        }
        self.is_heard = is_echo;
    }

    pub const fn is_heard(&self) -> bool {
        self.is_heard
    }

    /// A window sounded like a voice.
    pub fn voice(&mut self) {
        self.voiced += 1;
        self.echoed += u32::from(self.is_heard);
    }

    /// Nobody else was heard, but for moments in which the two can't be told apart.
    pub const fn was_all(&self) -> bool {
        self.echoed * 2 > self.voiced
    }

    /// An utterance begins.
    pub fn begin(&mut self) {
        (self.voiced, self.echoed) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(windows: &[(u32, bool)]) -> Echo {
        let mut echo = Echo::default();
        for &(count, is_echo) in windows {
            for _ in 0..count {
                echo.hear(is_echo);
                echo.voice();
            }
        }
        echo
    }

    #[test]
    fn what_came_before_an_echo_was_known_was_echo_too() {
        assert!(!heard(&[]).was_all());
        assert!(!heard(&[(10, false)]).was_all());
        assert!(heard(&[(10, false), (1, true)]).was_all());
        assert!(heard(&[(14, false), (3, true)]).was_all());
        assert!(!heard(&[(40, false), (3, true)]).was_all(), "somebody spoke before");
        assert!(!heard(&[(3, true), (20, false)]).was_all(), "and after");
        let mut echo = heard(&[(10, true)]);
        echo.begin();
        assert!(!echo.was_all() && echo.is_heard());
    }
}
