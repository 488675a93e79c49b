//! What is known of the agent of one room with people in it, and whether another must be called. Pure: times come in.
//!
//! An agent that is in its room answers on the room's control subject; where nobody answers, the bus says so at once. But
//! silence alone is no death: an agent that has taken the room and is still on its way to it is silent too, and its lease says
//! so. What each finding means:
//!
//! | the control subject | the lease | |
//! |---|---|---|
//! | answers | anything | an agent is there |
//! | nobody, twice | the one under which it answered before | it died: call another, which may take over from this epoch |
//! | nobody | another one | an agent is on its way; after [`ON_ITS_WAY`] it is as good as dead |
//! | nobody | none | after [`FREE`] nobody is coming by itself: call one |
//! | nobody | unknown | Redis is away: after [`UNKNOWN`] call one |
//! | does not answer in time | one, or unknown | it is busy, or NATS is: a lease that is renewed shows life |
//! | does not answer in time | none | after [`LAPSED`] it is stuck: call one |

use std::time::{Duration, Instant};

/// Longer than an agent takes from the offer of a job into the room.
const ON_ITS_WAY: Duration = Duration::from_secs(10);
/// Longer than LiveKit takes to offer a new room's job.
const FREE: Duration = Duration::from_secs(1);
/// Longer than an agent that lives takes to take its room again when Redis has forgotten it.
const LAPSED: Duration = Duration::from_secs(3);
const UNKNOWN: Duration = Duration::from_secs(3);
/// How long a call is given before it is made again, at first and at most.
const CALL_AGAIN: Duration = Duration::from_secs(3);
const CALL_AGAIN_AT_MOST: Duration = Duration::from_secs(15);

/// What came back from the room's control subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sign {
    /// An agent is in the room. The text differs from visit to visit.
    Answered {
        visit: String,
    },
    Nobody,
    Late,
    /// The bus is away, or has not been back for long enough: nobody could answer, or not everybody yet.
    Unknown,
}

/// What Redis says about the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lease {
    Held { epoch: u64 },
    Free,
    Unknown,
}

/// What the agent that is called is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    /// There was one before: the people are owed a word about it.
    pub returning: bool,
    /// Whose lease may be taken over although it has not run out.
    pub dead_epoch: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Vigil {
    /// The visit that last answered, and the lease it had then.
    answered: Option<(String, Option<u64>)>,
    silence: Option<Silence>,
    calls: u32,
    called_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Silence {
    lease: Lease,
    /// How often nobody was there, in a row and under the same lease.
    times: u32,
    since: Instant,
}

impl Vigil {
    /// Whether [`next`](Self::next) needs to know the lease.
    pub fn asks_for_lease(&self, sign: &Sign) -> bool {
        match sign {
            Sign::Answered { visit } => !matches!(&self.answered, Some((known, Some(_))) if known == visit),
            Sign::Nobody | Sign::Late => true,
            Sign::Unknown => false,
        }
    }

    /// `ghost`: LiveKit still shows an agent in the room.
    pub fn next(&mut self, sign: Sign, lease: Lease, ghost: bool, now: Instant) -> Option<Call> {
        let nobody = match sign {
            Sign::Unknown => return None,
            Sign::Answered { visit } => {
                if !matches!(&self.answered, Some((known, Some(_))) if *known == visit) {
                    let epoch = if let Lease::Held { epoch } = lease { Some(epoch) } else { None };
                    self.answered = Some((visit, epoch));
                }
                (self.silence, self.calls, self.called_at) = (None, 0, None);
                return None;
            }
            Sign::Nobody => true,
            Sign::Late => false,
        };
        let silence = match self.silence {
            Some(before) if before.lease == lease => Silence { times: before.times + 1, ..before },
            _ => Silence { lease, times: 1, since: now },
        };
        self.silence = Some(silence);
        let silent_for = now.saturating_duration_since(silence.since);
        let answered_under = self.answered.as_ref().and_then(|(_, epoch)| *epoch);
        let returning = ghost || self.answered.is_some();
        let call = match lease {
            Lease::Held { .. } | Lease::Unknown if !nobody => return None,
            Lease::Held { epoch } => {
                let is_dead = (answered_under == Some(epoch) && silence.times >= 2) || silent_for >= ON_ITS_WAY;
                is_dead.then_some(Call { returning: true, dead_epoch: Some(epoch) })
            }
            Lease::Free => {
                let patience = if nobody { FREE } else { LAPSED };
                (silence.times >= 2 && silent_for >= patience).then_some(Call { returning, dead_epoch: None })
            }
            Lease::Unknown => {
                (silence.times >= 2 && silent_for >= UNKNOWN).then_some(Call { returning, dead_epoch: None })
            }
        }?;
        let patience = CALL_AGAIN.saturating_mul(1 << self.calls.saturating_sub(1).min(8)).min(CALL_AGAIN_AT_MOST);
        if self.called_at.is_some_and(|at| now.saturating_duration_since(at) < patience) {
            return None;
        }
        self.calls += 1;
        self.called_at = Some(now);
        Some(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(300);
    const HELD: Lease = Lease::Held { epoch: 7 };

    fn answered() -> Sign {
        Sign::Answered { visit: "one".to_owned() }
    }

    /// Shows the same finding until a call is made, and says how long that took.
    fn until_called(vigil: &mut Vigil, sign: &Sign, lease: Lease, ghost: bool) -> Option<(Duration, Call)> {
        let began = Instant::now();
        (0..200)
            .map(|step| STEP * step)
            .find_map(|passed| vigil.next(sign.clone(), lease, ghost, began + passed).map(|call| (passed, call)))
    }

    #[test]
    fn an_agent_that_answered_and_is_silent_twice_is_dead() {
        let mut vigil = Vigil::default();
        assert!(vigil.asks_for_lease(&answered()));
        assert_eq!(vigil.next(answered(), HELD, true, Instant::now()), None);
        assert!(!vigil.asks_for_lease(&answered()), "one look into Redis is enough for a visit");
        let (after, call) = until_called(&mut vigil, &Sign::Nobody, HELD, true).unwrap();
        assert_eq!((after, call), (STEP, Call { returning: true, dead_epoch: Some(7) }));
    }

    #[test]
    fn an_agent_on_its_way_is_left_alone_and_not_for_ever() {
        let (after, call) = until_called(&mut Vigil::default(), &Sign::Nobody, HELD, false).unwrap();
        assert!(after >= ON_ITS_WAY, "{after:?}");
        assert_eq!(call.dead_epoch, Some(7));

        // The one that answered has left, and another, or itself, has taken the room again.
        let mut vigil = Vigil::default();
        vigil.next(answered(), Lease::Held { epoch: 6 }, true, Instant::now());
        assert_eq!(vigil.next(Sign::Nobody, Lease::Held { epoch: 6 }, true, Instant::now()), None);
        let (after, _) = until_called(&mut vigil, &Sign::Nobody, HELD, false).unwrap();
        assert!(after >= ON_ITS_WAY, "{after:?}");
    }

    #[test]
    fn an_agent_that_came_and_answers_is_never_replaced() {
        let mut vigil = Vigil::default();
        let began = Instant::now();
        for step in 0..1_000 {
            // Redis forgets everything in between.
            let lease = if step % 50 < 25 { HELD } else { Lease::Free };
            assert_eq!(vigil.next(answered(), lease, step % 3 == 0, began + STEP * step), None);
        }
    }

    #[test]
    fn one_missed_answer_is_none() {
        let mut vigil = Vigil::default();
        let began = Instant::now();
        for step in 0..100 {
            let sign = if step % 2 == 0 { answered() } else { Sign::Nobody };
            assert_eq!(vigil.next(sign, HELD, true, began + STEP * step), None);
        }
    }

    #[test]
    fn while_the_bus_is_away_nobody_is_called() {
        let mut vigil = Vigil::default();
        vigil.next(answered(), HELD, true, Instant::now());
        for lease in [HELD, Lease::Free, Lease::Unknown] {
            assert_eq!(until_called(&mut vigil, &Sign::Unknown, lease, true), None);
        }
    }

    #[test]
    fn a_room_that_nobody_holds_gets_an_agent_when_nobody_comes_by_itself() {
        let (after, call) = until_called(&mut Vigil::default(), &Sign::Nobody, Lease::Free, false).unwrap();
        assert!(after >= FREE && after <= FREE + STEP, "{after:?}");
        assert_eq!(call, Call { returning: false, dead_epoch: None });
        let (_, call) = until_called(&mut Vigil::default(), &Sign::Nobody, Lease::Free, true).unwrap();
        assert!(call.returning, "its ghost is still shown");
    }

    #[test]
    fn an_agent_that_is_late_lives_as_long_as_its_lease() {
        let mut vigil = Vigil::default();
        vigil.next(answered(), HELD, true, Instant::now());
        assert_eq!(until_called(&mut vigil, &Sign::Late, HELD, true), None);
        assert_eq!(until_called(&mut vigil, &Sign::Late, Lease::Unknown, true), None, "NATS is stuck and Redis away");
        let (after, call) = until_called(&mut vigil, &Sign::Late, Lease::Free, true).unwrap();
        assert!(after >= LAPSED, "{after:?}");
        assert_eq!(call, Call { returning: true, dead_epoch: None });
    }

    #[test]
    fn without_redis_the_silence_must_last_longer() {
        let (after, _) = until_called(&mut Vigil::default(), &Sign::Nobody, Lease::Unknown, true).unwrap();
        assert!(after >= UNKNOWN, "{after:?}");
    }

    #[test]
    fn a_call_that_nobody_hears_is_made_again_less_and_less_often() {
        let mut vigil = Vigil::default();
        let began = Instant::now();
        let calls: Vec<Duration> = (0..400)
            .map(|step| STEP * step)
            .filter(|passed| vigil.next(Sign::Nobody, Lease::Free, false, began + *passed).is_some())
            .collect();
        let gaps: Vec<Duration> = calls.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps[0] >= CALL_AGAIN && gaps[0] < CALL_AGAIN + STEP, "{gaps:?}");
        assert!(gaps.iter().all(|gap| *gap < CALL_AGAIN_AT_MOST + STEP), "{gaps:?}");
        assert!(calls.len() < 12, "{calls:?}");
    }
}
