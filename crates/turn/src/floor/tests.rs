use proptest::prelude::*;

use super::*;

const ADA: LaneId = LaneId(1);
const BOB: LaneId = LaneId(2);

const fn generation(number: u32) -> Generation {
    Generation(number)
}

fn said(lane: LaneId, text: &str) -> Event {
    Event::Said { lane, text: text.to_owned() }
}

fn draft(lane: LaneId, text: &str) -> Event {
    Event::Draft { lane, text: text.to_owned() }
}

fn wrote(lane: LaneId, text: &str) -> Event {
    Event::Wrote { lane, text: text.to_owned() }
}

fn announce(text: &str) -> Event {
    Event::Announce { text: text.to_owned() }
}

fn commit(number: u32, lane: LaneId, text: &str) -> Effect {
    Effect::Commit { generation: generation(number), lane, text: text.to_owned(), written: false }
}

fn commit_written(number: u32, lane: LaneId, text: &str) -> Effect {
    Effect::Commit { generation: generation(number), lane, text: text.to_owned(), written: true }
}

fn speak(number: u32, text: &str) -> Effect {
    Effect::Speak { generation: generation(number), text: text.to_owned() }
}

fn cancel(number: u32, reason: CancelReason) -> Effect {
    Effect::Cancel { generation: generation(number), reason }
}

fn arm(deadline: Deadline, number: u32) -> Effect {
    Effect::Arm { deadline, armed: generation(number) }
}

fn reached(deadline: Deadline, number: u32) -> Event {
    Event::DeadlineReached { deadline, armed: generation(number) }
}

/// Feeds the events and returns the effects of the last one and where it left the floor.
fn last(events: impl IntoIterator<Item = Event>) -> (Vec<Effect>, Phase) {
    let mut floor = Floor::new();
    let effects = events.into_iter().map(|event| floor.next(event)).last().unwrap_or_default();
    (effects, floor.phase())
}

#[test]
fn transitions() {
    use CancelReason::{Interrupted, TimedOut, Withdrawn};
    use Phase::{Listening, Speaking, Thinking};
    let started = Event::AudioStarted { generation: generation(1) };
    let began = Event::Began { lane: ADA };
    let ended = Event::Ended { lane: ADA };
    // To the middle of an answer: generation 1; the answer deadline was armed as 1 and annulled as 2.
    let speaking = vec![said(ADA, "hello"), started.clone()];
    let with = |more: Vec<Event>| [speaking.clone(), more].concat();
    let table: Vec<(&str, Vec<Event>, Vec<Effect>, Phase)> = vec![
        (
            "a draft opens the turn",
            vec![draft(ADA, "hel")],
            vec![Effect::Open { generation: generation(1), lane: ADA, text: "hel".to_owned() }],
            Listening,
        ),
        (
            "a later draft updates it",
            vec![draft(ADA, "hel"), began.clone(), ended.clone(), draft(ADA, "hello")],
            vec![Effect::Update { generation: generation(1), text: "hello".to_owned() }],
            Listening,
        ),
        (
            "nothing said after all withdraws it",
            vec![draft(ADA, "hel"), Event::Withdrawn { lane: ADA }],
            vec![cancel(1, Withdrawn)],
            Listening,
        ),
        (
            "the final words commit the draft's generation",
            vec![draft(ADA, "hello"), said(ADA, "hello")],
            vec![commit(1, ADA, "hello"), arm(Deadline::Answer, 1)],
            Thinking,
        ),
        (
            "another person's words withdraw the draft",
            vec![draft(ADA, "hel"), said(BOB, "stop")],
            vec![cancel(1, Withdrawn), commit(2, BOB, "stop"), arm(Deadline::Answer, 2)],
            Thinking,
        ),
        ("a second person's draft waits", vec![draft(ADA, "hel"), draft(BOB, "sto")], vec![], Listening),
        (
            "no answer in time",
            vec![said(ADA, "hello"), reached(Deadline::Answer, 1)],
            vec![cancel(1, TimedOut)],
            Listening,
        ),
        ("the answer begins", speaking.clone(), vec![], Speaking),
        (
            "a voice over the answer ducks it",
            with(vec![began.clone()]),
            vec![Effect::Duck, arm(Deadline::BargeIn, 3)],
            Speaking,
        ),
        (
            "sustained speech stops it",
            with(vec![began.clone(), reached(Deadline::BargeIn, 3)]),
            vec![cancel(1, Interrupted), Effect::Unduck],
            Listening,
        ),
        (
            "a short noise does not",
            with(vec![began.clone(), ended.clone(), reached(Deadline::BargeIn, 3)]),
            vec![],
            Speaking,
        ),
        (
            "and the voice comes back",
            with(vec![began.clone(), ended.clone(), reached(Deadline::Resume, 4)]),
            vec![Effect::Unduck],
            Speaking,
        ),
        (
            "words that were finished over the answer are the next turn",
            with(vec![began.clone(), ended.clone(), said(ADA, "wait")]),
            vec![
                cancel(1, Interrupted),
                Effect::Unduck,
                commit(2, ADA, "wait"),
                // 5 annulled what was armed before.
                arm(Deadline::Answer, 6),
            ],
            Thinking,
        ),
        (
            "an answer that starts under a voice starts ducked",
            vec![said(ADA, "hello"), began.clone(), started],
            vec![Effect::Duck, arm(Deadline::BargeIn, 3)],
            Speaking,
        ),
        (
            "speech while thinking withdraws the answer too",
            vec![said(ADA, "hello"), began, reached(Deadline::BargeIn, 2)],
            vec![cancel(1, Interrupted)],
            Listening,
        ),
        (
            "heard to the end",
            with(vec![Event::Drained { generation: generation(1) }]),
            vec![Effect::Complete { generation: generation(1) }],
            Listening,
        ),
        ("what is stale changes nothing", with(vec![Event::Drained { generation: generation(0) }]), vec![], Speaking),
        (
            "an operator can't talk over an answer",
            with(vec![Event::Say { text: "x".into() }]),
            vec![Effect::Busy],
            Speaking,
        ),
        ("silence on request", with(vec![Event::Interrupt]), vec![cancel(1, Interrupted)], Listening),
        (
            "an answer that breaks off is told",
            with(vec![Event::Failed { generation: generation(1) }]),
            vec![Effect::Fail { generation: generation(1) }],
            Listening,
        ),
    ];
    for (name, events, effects, phase) in table {
        assert_eq!(last(events), (effects, phase), "{name}");
    }
}

#[test]
fn what_waits_for_the_floor() {
    use Phase::{Listening, Speaking, Thinking};
    let drained = |number| Event::Drained { generation: generation(number) };
    let began = Event::Began { lane: ADA };
    let ended = Event::Ended { lane: ADA };
    let withdrawn = Event::Withdrawn { lane: ADA };
    let asked = Event::Asked { lane: ADA, text: "what?".into() };
    let speaking = vec![said(ADA, "hello"), Event::AudioStarted { generation: generation(1) }];
    let with = |more: Vec<Event>| [speaking.clone(), more].concat();
    let table: Vec<(&str, Vec<Event>, Vec<Effect>, Phase)> = vec![
        ("a greeting is said at once", vec![announce("hi")], vec![speak(1, "hi"), arm(Deadline::Answer, 1)], Thinking),
        ("but not over an answer", with(vec![announce("hi")]), vec![], Speaking),
        (
            "it comes after it",
            with(vec![announce("hi"), drained(1)]),
            vec![Effect::Complete { generation: generation(1) }, speak(2, "hi"), arm(Deadline::Answer, 4)],
            Thinking,
        ),
        ("nor over a person", vec![began.clone(), announce("hi")], vec![], Listening),
        (
            "nor before it is known what they said",
            vec![began.clone(), announce("hi"), ended.clone()],
            vec![],
            Listening,
        ),
        (
            "it comes when that was nothing",
            vec![began.clone(), announce("hi"), ended.clone(), withdrawn.clone()],
            vec![speak(1, "hi"), arm(Deadline::Answer, 1)],
            Thinking,
        ),
        (
            "what went wrong is apologised for first",
            with(vec![announce("hi"), Event::Failed { generation: generation(1) }]),
            vec![Effect::Fail { generation: generation(1) }],
            Listening,
        ),
        (
            "and the apology is not followed by silence",
            with(vec![
                announce("hi"),
                Event::Failed { generation: generation(1) },
                Event::Say { text: "sorry".into() },
                drained(2),
            ]),
            vec![Effect::Complete { generation: generation(2) }, speak(3, "hi"), arm(Deadline::Answer, 6)],
            Thinking,
        ),
        (
            "who asks for silence gets it",
            with(vec![announce("hi"), Event::Interrupt]),
            vec![cancel(1, CancelReason::Interrupted)],
            Listening,
        ),
        (
            "whoever writes interrupts the answer to themselves",
            with(vec![wrote(ADA, "no")]),
            vec![cancel(1, CancelReason::Interrupted), commit_written(2, ADA, "no"), arm(Deadline::Answer, 4)],
            Thinking,
        ),
        ("and not the answer to somebody else", with(vec![wrote(BOB, "and I?")]), vec![], Speaking),
        (
            "who is answered next",
            with(vec![wrote(BOB, "and I?"), drained(1)]),
            vec![
                Effect::Complete { generation: generation(1) },
                commit_written(2, BOB, "and I?"),
                arm(Deadline::Answer, 4),
            ],
            Thinking,
        ),
        (
            "what is written does not overtake what was spoken before",
            vec![began.clone(), ended.clone(), wrote(ADA, "second")],
            vec![],
            Listening,
        ),
        (
            "it is answered after it",
            vec![began.clone(), ended.clone(), wrote(ADA, "second"), said(ADA, "first"), drained(1)],
            vec![
                Effect::Complete { generation: generation(1) },
                commit_written(2, ADA, "second"),
                arm(Deadline::Answer, 3),
            ],
            Thinking,
        ),
        (
            "or at once if that was nothing",
            vec![began.clone(), ended.clone(), wrote(ADA, "second"), withdrawn],
            vec![commit_written(1, ADA, "second"), arm(Deadline::Answer, 1)],
            Thinking,
        ),
        (
            "a noise that goes on keeps nobody from writing",
            vec![began, wrote(BOB, "it is loud here")],
            vec![commit_written(1, BOB, "it is loud here"), arm(Deadline::Answer, 1)],
            Thinking,
        ),
        (
            "an open question is answered after the apology",
            vec![announce("sorry"), asked.clone(), drained(1)],
            vec![Effect::Complete { generation: generation(1) }, commit(2, ADA, "what?"), arm(Deadline::Answer, 3)],
            Thinking,
        ),
        (
            "unless they have gone on from it",
            vec![announce("sorry"), asked, said(ADA, "never mind"), drained(2)],
            vec![Effect::Complete { generation: generation(2) }],
            Listening,
        ),
    ];
    for (name, events, effects, phase) in table {
        assert_eq!(last(events), (effects, phase), "{name}");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Lane(Event),
    AudioStarted { back: u32 },
    Drained { back: u32 },
    Failed { back: u32 },
    Deadline { deadline: Deadline, back: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    let lane = prop_oneof![Just(ADA), Just(BOB)];
    let deadline = prop_oneof![Just(Deadline::BargeIn), Just(Deadline::Resume), Just(Deadline::Answer)];
    prop_oneof![
        lane.clone().prop_map(|lane| Step::Lane(Event::Began { lane })),
        lane.clone().prop_map(|lane| Step::Lane(Event::Ended { lane })),
        lane.clone().prop_map(|lane| Step::Lane(draft(lane, "dra"))),
        lane.clone().prop_map(|lane| Step::Lane(Event::Withdrawn { lane })),
        lane.clone().prop_map(|lane| Step::Lane(said(lane, "draft"))),
        lane.clone().prop_map(|lane| Step::Lane(wrote(lane, "written"))),
        lane.prop_map(|lane| Step::Lane(Event::Asked { lane, text: "asked".to_owned() })),
        Just(Step::Lane(Event::Say { text: "hello".to_owned() })),
        Just(Step::Lane(announce("news"))),
        Just(Step::Lane(Event::Interrupt)),
        (0u32..3).prop_map(|back| Step::AudioStarted { back }),
        (0u32..3).prop_map(|back| Step::Drained { back }),
        (0u32..3).prop_map(|back| Step::Failed { back }),
        (deadline, 0u32..3).prop_map(|(deadline, back)| Step::Deadline { deadline, back }),
    ]
}

proptest! {
    #[test]
    fn one_answer_at_a_time_and_always_a_way_out(steps in prop::collection::vec(step(), 0..80)) {
        let mut floor = Floor::new();
        let mut alive = BTreeSet::new();
        let mut ducked = false;
        let mut newest_armed = None;
        for step in steps {
            let aged = |now: Generation, back: u32| generation(now.number().saturating_sub(back));
            let event = match step {
                Step::Lane(event) => event,
                Step::AudioStarted { back } => Event::AudioStarted { generation: aged(floor.generation, back) },
                Step::Drained { back } => Event::Drained { generation: aged(floor.generation, back) },
                Step::Failed { back } => Event::Failed { generation: aged(floor.generation, back) },
                Step::Deadline { deadline, back } => Event::DeadlineReached { deadline, armed: aged(floor.armed, back) },
            };
            for effect in floor.next(event) {
                match effect {
                    Effect::Open { generation, .. } | Effect::Speak { generation, .. } => {
                        prop_assert!(alive.insert(generation), "a generation is used once");
                    }
                    Effect::Commit { generation, .. } => { alive.insert(generation); }
                    Effect::Cancel { generation, .. }
                    | Effect::Complete { generation }
                    | Effect::Fail { generation } => {
                        prop_assert!(alive.remove(&generation), "only what is alive can end");
                    }
                    Effect::Duck => { prop_assert!(!ducked); ducked = true; }
                    Effect::Unduck => { prop_assert!(ducked); ducked = false; }
                    Effect::Arm { deadline, armed } => newest_armed = Some((deadline, armed)),
                    Effect::Update { generation, .. } | Effect::Guess { generation, .. } => {
                        prop_assert!(alive.contains(&generation), "only what is alive is updated");
                    }
                    Effect::Busy => {}
                }
                prop_assert!(alive.len() <= 1, "two answers at once: {alive:?}");
            }
        }
        // Everybody falls silent and no part ever answers again: what was armed last still leads back to listening,
        // unless the answer is being played, which ends by itself. And nothing waits for ever.
        for lane in [ADA, BOB] {
            for event in [Event::Ended { lane }, Event::Withdrawn { lane }] {
                for effect in floor.next(event) {
                    if let Effect::Arm { deadline, armed } = effect { newest_armed = Some((deadline, armed)); }
                }
            }
        }
        for _ in 0..=MOST_WAITING {
            if let Some((deadline, armed)) = newest_armed {
                floor.next(Event::DeadlineReached { deadline, armed });
            }
            prop_assert!(floor.phase() != Phase::Thinking, "stuck in {:?}", floor);
            for effect in floor.next(Event::Drained { generation: floor.generation }) {
                if let Effect::Arm { deadline, armed } = effect { newest_armed = Some((deadline, armed)); }
            }
        }
        prop_assert!(floor.waiting.is_empty(), "{:?}", floor);
        prop_assert!(floor.phase() == Phase::Listening, "{:?}", floor);
    }

    #[test]
    fn what_is_written_is_answered_once_and_in_its_order(steps in prop::collection::vec(step(), 0..80)) {
        let mut floor = Floor::new();
        let mut asked = 0;
        let mut answered = Vec::new();
        let take = |effects: Vec<Effect>, answered: &mut Vec<usize>| {
            for effect in effects {
                if let Effect::Commit { text, written: true, .. } = effect {
                    answered.push(text.parse().unwrap());
                }
            }
        };
        for step in steps {
            let event = match step {
                Step::Lane(Event::Wrote { lane, .. }) => {
                    asked += 1;
                    // More than may wait is another matter.
                    if asked > MOST_WAITING { break; }
                    wrote(lane, &(asked - 1).to_string())
                }
                Step::Lane(event) => event,
                Step::AudioStarted { .. } => Event::AudioStarted { generation: floor.generation },
                Step::Drained { .. } => Event::Drained { generation: floor.generation },
                Step::Failed { .. } => Event::Failed { generation: floor.generation },
                Step::Deadline { deadline, .. } => Event::DeadlineReached { deadline, armed: floor.armed },
            };
            take(floor.next(event), &mut answered);
        }
        for lane in [ADA, BOB] {
            take(floor.next(Event::Ended { lane }), &mut answered);
            take(floor.next(Event::Withdrawn { lane }), &mut answered);
        }
        for _ in 0..3 * MOST_WAITING {
            take(floor.next(Event::Drained { generation: floor.generation }), &mut answered);
        }
        prop_assert!(answered.is_sorted(), "{:?}", answered);
        let known = answered.len();
        prop_assert!(answered.into_iter().eq(0..known), "each of them once");
        prop_assert!(known >= asked.min(MOST_WAITING) - usize::from(asked > MOST_WAITING));
    }
}
