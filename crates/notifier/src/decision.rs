//! Whether a person is told now, later, with others, or not: what rules can say about it. Pure.

use aether_proto::Urgency;
use jiff::Zoned;

use crate::quiet::Wishes;

/// What becomes of a notification.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Decision {
    Now,
    Later(Zoned),
    /// With others, at the next time for it.
    Digest,
    /// It is kept in the list, and that is all.
    Never,
}

/// A decision, and why, for the person to read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decided {
    pub decision: Decision,
    pub reason: String,
}

/// What a rule that was learned says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Learned {
    Now,
    Digest,
    Never,
}

impl Learned {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Digest => "digest",
            Self::Never => "never",
        }
    }

    pub fn read(text: &str) -> Option<Self> {
        [Self::Now, Self::Digest, Self::Never].into_iter().find(|learned| learned.as_str() == text)
    }
}

/// All that a decision hangs on.
#[derive(Debug, Clone)]
pub(crate) struct Situation<'a> {
    /// In the person's zone.
    pub now: &'a Zoned,
    pub wishes: &'a Wishes,
    pub urgency: Urgency,
    /// What was learned about this kind of this source, and from what.
    pub rule: Option<(Learned, &'a str)>,
    /// The same source said the same a moment ago.
    pub was_said: bool,
    /// How much they were told in the last hour.
    pub told: u32,
}

impl Situation<'_> {
    /// `None`: no rule says, so it is to be judged.
    pub fn decide(&self) -> Option<Decided> {
        let decided = |decision, reason: &str| Some(Decided { decision, reason: reason.to_owned() });
        if self.was_said {
            return decided(Decision::Never, "the same was said a moment ago");
        }
        match self.rule {
            Some((Learned::Never, reason)) => return decided(Decision::Never, reason),
            _ if self.urgency == Urgency::Urgent => return decided(Decision::Now, "it is urgent"),
            Some((Learned::Digest, reason)) => return decided(Decision::Digest, reason),
            _ => {}
        }
        self.not_now().or_else(|| match (self.rule, self.urgency) {
            (Some((Learned::Now, reason)), _) => decided(Decision::Now, reason),
            (_, Urgency::Low) => decided(Decision::Digest, "it can wait"),
            (_, Urgency::Normal) => decided(Decision::Now, "nothing speaks against it"),
            (_, Urgency::High | Urgency::Urgent) => decided(Decision::Now, "it is important"),
            (_, Urgency::Unspecified) => None,
        })
    }

    /// What holds for everything that is not urgent, also where it was judged worth telling.
    pub fn not_now(&self) -> Option<Decided> {
        if let Some(until) = self.wishes.quiet_until(self.now) {
            // Later together, rather than all at once when the quiet hours end.
            let decision = if self.urgency == Urgency::Low { Decision::Digest } else { Decision::Later(until) };
            return Some(Decided { decision, reason: "these are quiet hours".to_owned() });
        }
        if self.told >= self.wishes.most_per_hour {
            let reason = format!("there were {} in the last hour already", self.told);
            return Some(Decided { decision: Decision::Digest, reason });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quiet::Quiet;
    use jiff::civil::time;
    use jiff::tz::TimeZone;

    #[test]
    fn the_first_rule_that_says_something_decides() {
        let quiet = Some(Quiet { from: time(22, 0, 0, 0), until: time(7, 0, 0, 0) });
        let wishes = Wishes { quiet, zone: TimeZone::UTC, ..Wishes::nothing_set() };
        let day: Zoned = "2026-11-29T12:00:00[UTC]".parse().unwrap();
        let night: Zoned = "2026-11-29T23:00:00[UTC]".parse().unwrap();
        let morning: Zoned = "2026-11-30T07:00:00[UTC]".parse().unwrap();
        let later = || Some(Decision::Later(morning.clone()));
        let (muted, seldom, gladly) = (Some(Learned::Never), Some(Learned::Digest), Some(Learned::Now));
        use Decision::{Digest, Never, Now};
        use Urgency::{High, Low, Normal, Unspecified, Urgent};
        #[rustfmt::skip]
        let table = [
            // when, how urgent, learned, said before, told in the hour → what
            (&day,   Normal,      None,   false, 0, Some(Now)),
            (&day,   High,        None,   false, 0, Some(Now)),
            (&day,   Low,         None,   false, 0, Some(Digest)),
            (&day,   Unspecified, None,   false, 0, None),
            (&day,   Urgent,      None,   true,  0, Some(Never)),
            (&day,   Urgent,      muted,  false, 0, Some(Never)),
            (&night, Urgent,      None,   false, 9, Some(Now)),
            (&night, Urgent,      seldom, false, 0, Some(Now)),
            (&night, High,        None,   false, 0, later()),
            (&night, Normal,      gladly, false, 0, later()),
            (&night, Unspecified, None,   false, 0, later()),
            (&night, Low,         None,   false, 0, Some(Digest)),
            (&night, High,        seldom, false, 0, Some(Digest)),
            (&day,   Low,         gladly, false, 0, Some(Now)),
            (&day,   Unspecified, gladly, false, 0, Some(Now)),
            (&day,   High,        None,   false, 6, Some(Digest)),
            (&day,   Unspecified, None,   false, 6, Some(Digest)),
            (&day,   High,        muted,  false, 0, Some(Never)),
        ];
        for (now, urgency, rule, was_said, told, expected) in table {
            let rule = rule.map(|learned| (learned, "so it was learned"));
            let situation = Situation { now, wishes: &wishes, urgency, rule, was_said, told };
            let decided = situation.decide();
            assert!(decided.as_ref().is_none_or(|decided| !decided.reason.is_empty()));
            assert_eq!(decided.map(|decided| decided.decision), expected, "{situation:?}");
        }
    }
}
