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

fn guess(lane: LaneId, text: &str) -> Event {
    Event::Guess { lane, text: text.to_owned() }
}

const fn overheard(lane: LaneId, meant: bool) -> Event {
    Event::Overheard { lane, meant }
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

fn open(number: u32, lane: LaneId, text: &str) -> Effect {
    Effect::Open { generation: generation(number), lane, text: text.to_owned() }
}

fn guessed(number: u32, text: &str) -> Effect {
    Effect::Guess { generation: generation(number), text: text.to_owned() }
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
    // To the middle of an answer: generation 1; the answer deadline was armed as 1.
    let speaking = vec![said(ADA, "hello"), started.clone()];
    let with = |more: Vec<Event>| [speaking.clone(), more].concat();
    let table: Vec<(&str, Vec<Event>, Vec<Effect>, Phase)> = vec![
        ("a draft opens the turn", vec![draft(ADA, "hel")], vec![open(1, ADA, "hel")], Listening),
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
            vec![cancel(1, Withdrawn), commit(2, BOB, "stop"), arm(Deadline::Answer, 1)],
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
            vec![Effect::Duck, arm(Deadline::BargeIn, 2)],
            Speaking,
        ),
        (
            "sustained speech stops it",
            with(vec![began.clone(), reached(Deadline::BargeIn, 2)]),
            vec![cancel(1, Interrupted), Effect::Unduck],
            Listening,
        ),
        (
            "a short noise does not",
            with(vec![began.clone(), ended.clone(), reached(Deadline::BargeIn, 2)]),
            vec![],
            Speaking,
        ),
        (
            "and so does nothing to understand",
            with(vec![began.clone(), ended.clone(), Event::Withdrawn { lane: ADA }]),
            vec![Effect::Unduck],
            Speaking,
        ),
        (
            "and the voice comes back",
            with(vec![began.clone(), ended.clone(), reached(Deadline::Resume, 3)]),
            vec![Effect::Unduck],
            Speaking,
        ),
        (
            "words that were finished over the answer are the next turn",
            with(vec![began.clone(), ended.clone(), said(ADA, "wait")]),
            vec![cancel(1, Interrupted), Effect::Unduck, commit(2, ADA, "wait"), arm(Deadline::Answer, 4)],
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
fn an_answer_is_made_ahead_and_let_go_or_withdrawn() {
    use CancelReason::Withdrawn;
    use Phase::{Listening, Thinking};
    let began = Event::Began { lane: ADA };
    let ended = Event::Ended { lane: ADA };
    let guessing = vec![began.clone(), draft(ADA, "hel"), ended, guess(ADA, "hello")];
    let with = |more: Vec<Event>| [guessing.clone(), more].concat();
    let table: Vec<(&str, Vec<Event>, Vec<Effect>, Phase)> = vec![
        ("a guess goes to the turn that is open", guessing.clone(), vec![guessed(1, "hello")], Listening),
        (
            "or opens one",
            vec![began.clone(), guess(ADA, "hello")],
            vec![open(1, ADA, "hello"), guessed(1, "hello")],
            Listening,
        ),
        (
            "the same words let it go",
            with(vec![said(ADA, "hello")]),
            vec![commit(1, ADA, "hello"), arm(Deadline::Answer, 1)],
            Thinking,
        ),
        (
            "other words are another turn",
            with(vec![said(ADA, "hello there")]),
            vec![cancel(1, Withdrawn), commit(2, ADA, "hello there"), arm(Deadline::Answer, 1)],
            Thinking,
        ),
        ("whoever goes on ends it", with(vec![began.clone()]), vec![cancel(1, Withdrawn)], Listening),
        (
            "and is drafted anew",
            with(vec![began.clone(), draft(ADA, "hello there")]),
            vec![open(2, ADA, "hello there")],
            Listening,
        ),
        ("somebody else's voice does not", with(vec![Event::Began { lane: BOB }]), vec![], Listening),
        ("the same guess again is nothing new", with(vec![guess(ADA, "hello")]), vec![], Listening),
        (
            "another guess begins again",
            with(vec![guess(ADA, "hello there")]),
            vec![cancel(1, Withdrawn), open(2, ADA, "hello there"), guessed(2, "hello there")],
            Listening,
        ),
        ("words so far no longer count", with(vec![draft(ADA, "hello")]), vec![], Listening),
        ("a guess waits for another's turn", with(vec![guess(BOB, "what?")]), vec![], Listening),
        (
            "nothing was said after all",
            with(vec![Event::Withdrawn { lane: ADA }]),
            vec![cancel(1, Withdrawn)],
            Listening,
        ),
        (
            "and then nothing is left of it",
            with(vec![Event::Withdrawn { lane: ADA }, draft(ADA, "what"), draft(ADA, "what is")]),
            vec![Effect::Update { generation: generation(2), text: "what is".to_owned() }],
            Listening,
        ),
        (
            "who has the answer is not guessed at",
            vec![said(ADA, "hello"), began, guess(ADA, "what?")],
            vec![],
            Thinking,
        ),
    ];
    for (name, events, effects, phase) in table {
        assert_eq!(last(events), (effects, phase), "{name}");
    }
}

#[test]
fn what_is_overheard_decides_sooner_than_time() {
    use CancelReason::Interrupted;
    use Phase::{Listening, Speaking, Thinking};
    let began = Event::Began { lane: ADA };
    let ended = Event::Ended { lane: ADA };
    let thinking = vec![said(ADA, "hello")];
    let speaking = vec![said(ADA, "hello"), Event::AudioStarted { generation: generation(1) }];
    let after = |before: &Vec<Event>, more: Vec<Event>| [before.clone(), more].concat();
    let table: Vec<(&str, Vec<Event>, Vec<Effect>, Phase)> = vec![
        (
            "words that mean it stop the voice",
            after(&speaking, vec![began.clone(), overheard(ADA, true)]),
            vec![cancel(1, Interrupted), Effect::Unduck],
            Listening,
        ),
        (
            "anybody's",
            after(&speaking, vec![Event::Began { lane: BOB }, overheard(BOB, true)]),
            vec![cancel(1, Interrupted), Effect::Unduck],
            Listening,
        ),
        (
            "even when they are understood late",
            after(&speaking, vec![began.clone(), ended.clone(), reached(Deadline::Resume, 3), overheard(ADA, true)]),
            vec![cancel(1, Interrupted)],
            Listening,
        ),
        (
            "a sign of listening is waited out",
            after(&speaking, vec![began.clone(), overheard(ADA, false)]),
            vec![arm(Deadline::Overlap, 3)],
            Speaking,
        ),
        (
            "one that is over lets the voice come back",
            after(&speaking, vec![began.clone(), ended.clone(), overheard(ADA, false)]),
            vec![Effect::Unduck],
            Speaking,
        ),
        ("a voice that was never heard means nothing", after(&speaking, vec![overheard(ADA, true)]), vec![], Speaking),
        (
            "whoever waits for the answer takes the question back",
            after(&thinking, vec![began.clone(), overheard(ADA, true)]),
            vec![cancel(1, Interrupted)],
            Listening,
        ),
        (
            "a noise of theirs leaves the deadline of the answer",
            after(&thinking, vec![began.clone(), overheard(ADA, false)]),
            vec![arm(Deadline::Answer, 3)],
            Thinking,
        ),
        (
            "which it does not put off again",
            after(&thinking, vec![began.clone(), overheard(ADA, false), overheard(ADA, false)]),
            vec![],
            Thinking,
        ),
        (
            "another's voice is nothing to the question",
            after(&thinking, vec![Event::Began { lane: BOB }]),
            vec![],
            Thinking,
        ),
        (
            "nor are another's words",
            after(&thinking, vec![Event::Began { lane: BOB }, overheard(BOB, true)]),
            vec![],
            Thinking,
        ),
        (
            "what the agent says by itself is everybody's to stop",
            vec![announce("hi"), Event::Began { lane: BOB }, overheard(BOB, true)],
            vec![cancel(1, Interrupted)],
            Listening,
        ),
        ("while the agent listens there is nothing to stop", vec![began, overheard(ADA, true)], vec![], Listening),
    ];
    for (name, events, effects, phase) in table {
        assert_eq!(last(events), (effects, phase), "{name}");
    }
}

#[test]
fn what_the_agent_wants_to_say_and_cannot_is_no_news() {
    use CancelReason::Unsaid;
    let failed = |number| Event::Failed { generation: generation(number) };
    let table: Vec<(&str, Vec<Event>, Vec<Effect>, Phase)> = vec![
        ("not in time", vec![announce("hi"), reached(Deadline::Answer, 1)], vec![cancel(1, Unsaid)], Phase::Listening),
        ("not at all", vec![announce("hi"), failed(1)], vec![cancel(1, Unsaid)], Phase::Listening),
        (
            "nor does an apology keep others waiting",
            vec![
                said(ADA, "hello"),
                wrote(BOB, "and I?"),
                failed(1),
                Event::Say { text: "sorry".into() },
                reached(Deadline::Answer, 2),
            ],
            vec![cancel(2, Unsaid), commit_written(3, BOB, "and I?"), arm(Deadline::Answer, 3)],
            Phase::Thinking,
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
            vec![Effect::Complete { generation: generation(1) }, speak(2, "hi"), arm(Deadline::Answer, 2)],
            Thinking,
        ),
        ("nor over a person", vec![began.clone(), announce("hi")], vec![], Listening),
        (
            "and not at all where too much waits",
            with(vec![announce("hi"); MOST_WAITING + 1]),
            vec![Effect::Busy],
            Speaking,
        ),
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
            vec![Effect::Complete { generation: generation(2) }, speak(3, "hi"), arm(Deadline::Answer, 3)],
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
            vec![cancel(1, CancelReason::Interrupted), commit_written(2, ADA, "no"), arm(Deadline::Answer, 2)],
            Thinking,
        ),
        ("and not the answer to somebody else", with(vec![wrote(BOB, "and I?")]), vec![], Speaking),
        (
            "who is answered next",
            with(vec![wrote(BOB, "and I?"), drained(1)]),
            vec![
                Effect::Complete { generation: generation(1) },
                commit_written(2, BOB, "and I?"),
                arm(Deadline::Answer, 2),
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
                arm(Deadline::Answer, 2),
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
            vec![began.clone(), wrote(BOB, "it is loud here")],
            vec![commit_written(1, BOB, "it is loud here"), arm(Deadline::Answer, 1)],
            Thinking,
        ),
        (
            "who speaks while another waits for an answer waits, too",
            vec![said(ADA, "hello"), said(BOB, "and I?")],
            vec![],
            Thinking,
        ),
        (
            "and is answered next",
            vec![said(ADA, "hello"), said(BOB, "and I?"), drained(1)],
            vec![Effect::Complete { generation: generation(1) }, commit(2, BOB, "and I?"), arm(Deadline::Answer, 2)],
            Thinking,
        ),
        (
            "but not into somebody's words",
            vec![said(ADA, "hello"), said(BOB, "and I?"), began, Event::Interrupt],
            vec![cancel(1, CancelReason::Interrupted)],
            Listening,
        ),
        (
            "whoever goes on from their own question replaces it",
            vec![said(ADA, "hello"), said(ADA, "no, wait")],
            vec![cancel(1, CancelReason::Interrupted), commit(2, ADA, "no, wait"), arm(Deadline::Answer, 2)],
            Thinking,
        ),
        (
            "an open question is answered after the apology",
            vec![announce("sorry"), asked.clone(), drained(1)],
            vec![Effect::Complete { generation: generation(1) }, commit(2, ADA, "what?"), arm(Deadline::Answer, 2)],
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
    let deadline =
        prop_oneof![Just(Deadline::BargeIn), Just(Deadline::Overlap), Just(Deadline::Resume), Just(Deadline::Answer)];
    prop_oneof![
        lane.clone().prop_map(|lane| Step::Lane(Event::Began { lane })),
        lane.clone().prop_map(|lane| Step::Lane(Event::Ended { lane })),
        lane.clone().prop_map(|lane| Step::Lane(draft(lane, "dra"))),
        (lane.clone(), prop_oneof![Just("draft"), Just("dra")]).prop_map(|(lane, text)| Step::Lane(guess(lane, text))),
        (lane.clone(), any::<bool>()).prop_map(|(lane, meant)| Step::Lane(overheard(lane, meant))),
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
        let mut made_from = None;
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
                    Effect::Commit { generation, text, .. } => {
                        alive.insert(generation);
                        if let Some((_, guess)) = made_from.take().filter(|(guessed, _)| *guessed == generation) {
                            prop_assert_eq!(guess, text, "an answer to other words");
                        }
                    }
                    Effect::Cancel { generation, .. }
                    | Effect::Complete { generation }
                    | Effect::Fail { generation } => {
                        prop_assert!(alive.remove(&generation), "only what is alive can end");
                    }
                    Effect::Duck => { prop_assert!(!ducked); ducked = true; }
                    Effect::Unduck => { prop_assert!(ducked); ducked = false; }
                    Effect::Guess { generation, text } => {
                        prop_assert!(alive.contains(&generation), "only what is alive is guessed at");
                        made_from = Some((generation, text));
                    }
                    Effect::Update { generation, .. } => {
                        prop_assert!(alive.contains(&generation), "only what is alive is updated");
                    }
                    Effect::Arm { deadline, armed } => prop_assert_eq!(floor.due(), Some((deadline, armed))),
                    Effect::Busy => {}
                }
                prop_assert!(alive.len() <= 1, "two answers at once: {alive:?}");
            }
        }
        // Everybody falls silent and no part ever answers again: what is due still leads back to listening, unless the
        // answer is being played, which ends by itself. And nothing waits for ever.
        for lane in [ADA, BOB] {
            floor.next(Event::Ended { lane });
            floor.next(Event::Withdrawn { lane });
        }
        for _ in 0..=2 * MOST_WAITING {
            match floor.due() {
                Some((deadline, armed)) => floor.next(Event::DeadlineReached { deadline, armed }),
                None => floor.next(Event::Drained { generation: floor.generation }),
            };
        }
        prop_assert!(floor.waiting.is_empty(), "{:?}", floor);
        prop_assert!(floor.phase() == Phase::Listening, "{:?}", floor);
    }

    #[test]
    fn all_that_is_said_or_written_is_answered_once(steps in prop::collection::vec(step(), 0..80)) {
        let mut floor = Floor::new();
        let mut asked = 0;
        let mut answered: Vec<(usize, bool)> = Vec::new();
        let take = |effects: Vec<Effect>, answered: &mut Vec<(usize, bool)>| {
            for effect in effects {
                if let Effect::Commit { text, written, .. } = effect {
                    // What was asked before an agent was lost has no number.
                    answered.extend(text.parse().ok().map(|number| (number, written)));
                }
            }
        };
        for step in steps {
            let numbered = |asked: &mut usize| { *asked += 1; (*asked - 1).to_string() };
            // More than may wait is another matter.
            if asked == MOST_WAITING { break; }
            let event = match step {
                Step::Lane(Event::Wrote { lane, .. }) => wrote(lane, &numbered(&mut asked)),
                Step::Lane(Event::Said { lane, .. }) => said(lane, &numbered(&mut asked)),
                // They wait for the same places.
                Step::Lane(Event::Asked { .. } | Event::Announce { .. }) => continue,
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
        for _ in 0..=MOST_WAITING {
            take(floor.next(Event::Drained { generation: floor.generation }), &mut answered);
        }
        let written = || answered.iter().filter(|(_, written)| *written);
        prop_assert!(written().is_sorted(), "what is written in its order: {:?}", answered);
        let mut numbers: Vec<_> = answered.iter().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        prop_assert!(numbers.into_iter().eq(0..asked), "each of them once: {:?} of {}", answered, asked);
    }
}
