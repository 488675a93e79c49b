//! The turn log becomes rows once, however often and in whatever order it is delivered.

use aether_proto::{SessionId, TurnId, TurnLogEntry};
use aether_store::{Applied, ApplyError, Exchange, Store, TurnStatus};

use crate::database::{agent, chunk, committed, database, ended, entry, heard, tenant};

fn whole_turn(session: SessionId, turn: TurnId) -> Vec<TurnLogEntry> {
    let steps = [
        committed("ada", "what is\0the time?"),
        chunk(0, "It is "),
        chunk(1, "half past "),
        heard(6),
        chunk(2, "three, "),
        chunk(3, "I think."),
        heard(22),
        ended("interrupted"),
    ];
    (0..).zip(steps).map(|(sequence, step)| entry(session, turn, sequence, step)).collect()
}

async fn apply(store: &Store, entry: &TurnLogEntry) -> Applied {
    let mut transaction = store.tenant(&tenant("acme")).await.unwrap();
    let applied = transaction.apply_turn_log_entry(&agent(), entry).await.unwrap();
    transaction.commit().await.unwrap();
    applied
}

async fn history(store: &Store, session: SessionId) -> Vec<Exchange> {
    store.tenant(&tenant("acme")).await.unwrap().history(session, None, 100).await.unwrap()
}

/// A fixed sequence of numbers that looks like chance.
fn shuffle<T>(items: &mut [T], mut seed: u64) {
    for last in (1..items.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(last, usize::try_from(seed >> 33).unwrap() % (last + 1));
    }
}

#[tokio::test]
async fn any_repetition_in_any_order_gives_the_same_turn() {
    let database = database().await;
    for seed in 0..20 {
        let (session, turn) = (SessionId::generate(), TurnId::generate());
        let once = whole_turn(session, turn);
        let mut delivered: Vec<_> = once.iter().chain(&once).chain(&once[..4]).cloned().collect();
        if seed > 0 {
            shuffle(&mut delivered, seed);
        }
        let mut news = 0;
        for entry in &delivered {
            news += usize::from(apply(&database.store, entry).await == Applied::Now);
        }
        assert_eq!(news, once.len());
        let history = history(&database.store, session).await;
        assert_eq!(
            history,
            [Exchange {
                turn,
                person_id: "ada".to_owned(),
                person_name: "Ada".to_owned(),
                words: "what is the time?".to_owned(),
                heard: "It is half past three,".to_owned(),
                status: TurnStatus::Interrupted,
                started_at: history[0].started_at,
            }],
            "seed {seed}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn chunks_applied_at_once_all_arrive() {
    let database = database().await;
    let (session, turn) = (SessionId::generate(), TurnId::generate());
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..24 {
        let store = database.store.clone();
        tasks.spawn(
            async move { apply(&store, &entry(session, turn, index, chunk(index, &format!("{index} ")))).await },
        );
    }
    for applied in tasks.join_all().await {
        assert_eq!(applied, Applied::Now);
    }
    apply(&database.store, &entry(session, turn, 24, heard(1000))).await;
    let expected: String = (0..24).map(|index| format!("{index} ")).collect();
    assert_eq!(history(&database.store, session).await[0].heard, expected);
}

#[tokio::test]
async fn history_is_the_last_turns_of_the_session_without_the_current_one() {
    let database = database().await;
    let session = SessionId::generate();
    let turns: Vec<_> = (0..5).map(|_| TurnId::generate()).collect();
    for (number, turn) in (0..).zip(&turns) {
        let mut said = entry(session, *turn, 0, committed("ada", &format!("question {number}")));
        said.at_unix_us += i64::from(number) * 1_000_000;
        apply(&database.store, &said).await;
    }
    apply(&database.store, &entry(SessionId::generate(), TurnId::generate(), 0, committed("ada", "elsewhere"))).await;

    let mut transaction = database.store.tenant(&tenant("acme")).await.unwrap();
    let history = transaction.history(session, Some(turns[4]), 3).await.unwrap();
    let words: Vec<_> = history.iter().map(|exchange| exchange.words.as_str()).collect();
    assert_eq!(words, ["question 1", "question 2", "question 3"]);
    assert!(history.iter().all(|exchange| exchange.heard.is_empty() && exchange.status == TurnStatus::Open));
}

#[tokio::test]
async fn a_typed_answer_counts_as_read() {
    let database = database().await;
    let (session, turn) = (SessionId::generate(), TurnId::generate());
    let mut said = entry(session, turn, 0, committed("ada", "hello"));
    if let Some(aether_proto::turn_log_entry::Step::UserCommitted(committed)) = &mut said.step {
        committed.modality = "text".to_owned();
    }
    apply(&database.store, &said).await;
    apply(&database.store, &entry(session, turn, 1, chunk(0, "Hello, Ada."))).await;
    assert_eq!(history(&database.store, session).await[0].heard, "Hello, Ada.");
}

#[tokio::test]
async fn what_can_never_be_applied_says_so() {
    let database = database().await;
    let mut transaction = database.store.tenant(&tenant("acme")).await.unwrap();
    let good = entry(SessionId::generate(), TurnId::generate(), 0, heard(1));
    for (what, bad) in [
        ("session id", TurnLogEntry { session_id: "x".to_owned(), ..good.clone() }),
        ("turn id", TurnLogEntry { turn_id: String::new(), ..good.clone() }),
        ("step", TurnLogEntry { step: None, ..good.clone() }),
        ("time", TurnLogEntry { at_unix_us: i64::MAX, ..good.clone() }),
    ] {
        let error = transaction.apply_turn_log_entry(&agent(), &bad).await.unwrap_err();
        assert!(matches!(error, ApplyError::Malformed(found) if found == what), "{what}: {error:?}");
    }
    assert_eq!(transaction.apply_turn_log_entry(&agent(), &good).await.unwrap(), Applied::Now);
}
