use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aether_bus::{
    Bus, ConsumeError, ConsumeOptions, Consumer, Context, DurableStream, Options, TurnLog, TurnLogOptions,
};
use aether_proto::{AnswerChunk, SessionId, TurnId, TurnLogEntry, turn_log_entry::Step};
use aether_testkit as testkit;
use tokio::sync::mpsc;

use crate::fixture::{connect, context};

struct Turn {
    session: SessionId,
    turn: TurnId,
}

impl Turn {
    fn new() -> Self {
        Self { session: SessionId::generate(), turn: TurnId::generate() }
    }

    fn entry(&self, sequence: u32) -> TurnLogEntry {
        TurnLogEntry {
            session_id: self.session.to_string(),
            turn_id: self.turn.to_string(),
            sequence,
            at_unix_us: 1,
            step: Some(Step::AnswerChunk(AnswerChunk { index: sequence, text: format!("chunk {sequence}") })),
        }
    }
}

fn everything() -> ConsumeOptions {
    ConsumeOptions::new(DurableStream::Turns, "brain-turns")
}

fn collect(bus: &Bus) -> (Consumer, mpsc::Receiver<TurnLogEntry>) {
    let (sender, received) = mpsc::channel(1000);
    let consumer = bus.consume(everything(), move |_: Context, entry: TurnLogEntry| {
        let sender = sender.clone();
        async move {
            sender.send(entry).await.unwrap();
            Ok(())
        }
    });
    (consumer, received)
}

async fn sequences(received: &mut mpsc::Receiver<TurnLogEntry>, count: usize) -> Vec<u32> {
    let mut sequences = Vec::new();
    while sequences.len() < count {
        let entry = tokio::time::timeout(Duration::from_secs(10), received.recv()).await;
        sequences.push(entry.expect("an entry in time").unwrap().sequence);
    }
    sequences
}

/// The same for a server that was killed, and with it perhaps the answer to a message, which then comes again.
async fn distinct(received: &mut mpsc::Receiver<TurnLogEntry>, count: usize) -> Vec<u32> {
    let mut distinct = Vec::new();
    while distinct.len() < count {
        let [sequence] = sequences(received, 1).await[..] else { unreachable!() };
        if !distinct.contains(&sequence) {
            distinct.push(sequence);
        }
    }
    distinct
}

#[tokio::test]
async fn what_is_appended_is_consumed_once_and_in_order() {
    let nats = testkit::nats().await;
    let folder = tempfile::tempdir().unwrap();
    let agent = connect(&nats.url, "agent").await;
    let log = TurnLog::open(&agent, TurnLogOptions::new(folder.path())).await.unwrap();
    let turn = Turn::new();
    for sequence in [0, 1, 2, 2, 1, 3] {
        log.append(&context(), &turn.entry(sequence)).await.unwrap();
    }
    let brain = connect(&nats.url, "brain").await;
    let (consumer, mut received) = collect(&brain);
    assert_eq!(sequences(&mut received, 4).await, [0, 1, 2, 3], "a repeated key is stored once");
    consumer.stop().await;

    log.append(&context(), &turn.entry(4)).await.unwrap();
    let (_consumer, mut received) = collect(&brain);
    assert_eq!(sequences(&mut received, 1).await, [4], "a new process goes on where the last one stopped");
}

#[tokio::test]
async fn what_is_appended_while_nats_is_away_arrives_in_order_when_it_is_back() {
    let mut nats = testkit::nats().await;
    let folder = tempfile::tempdir().unwrap();
    let agent = connect(&nats.url, "agent").await;
    let log = TurnLog::open(&agent, TurnLogOptions::new(folder.path())).await.unwrap();
    let brain = connect(&nats.url, "brain").await;
    let (_consumer, mut received) = collect(&brain);
    let turn = Turn::new();
    log.append(&context(), &turn.entry(0)).await.unwrap();
    nats.kill().await;
    for sequence in 1..20 {
        log.append(&context(), &turn.entry(sequence)).await.unwrap();
    }
    assert!(*log.waiting_bytes().borrow() > 0);
    nats.restart().await;
    for sequence in 20..30 {
        log.append(&context(), &turn.entry(sequence)).await.unwrap();
    }
    assert_eq!(distinct(&mut received, 30).await, (0..30).collect::<Vec<_>>());
    let mut waiting = log.waiting_bytes();
    tokio::time::timeout(Duration::from_secs(5), waiting.wait_for(|bytes| *bytes == 0)).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_spool_survives_its_process_and_a_torn_last_line() {
    let mut nats = testkit::nats().await;
    nats.kill().await;
    let folder = tempfile::tempdir().unwrap();
    let turn = Turn::new();
    {
        let agent = Bus::connect(Options::new(&nats.url, "agent")).await.unwrap();
        let log = TurnLog::open(&agent, TurnLogOptions::new(folder.path())).await.unwrap();
        for sequence in 0..5 {
            log.append(&context(), &turn.entry(sequence)).await.unwrap();
        }
    }
    let spool = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let mut torn = std::fs::read(&spool).unwrap();
    torn.extend_from_slice(b"{\"subject\":\"turns.ac");
    std::fs::write(&spool, torn).unwrap();

    nats.restart().await;
    let agent = connect(&nats.url, "agent").await;
    // The first log's file is released when its background task has let go of it.
    let log = TurnLog::open(&agent, TurnLogOptions::new(folder.path())).await.unwrap();
    let brain = connect(&nats.url, "brain").await;
    let (_consumer, mut received) = collect(&brain);
    assert_eq!(sequences(&mut received, 5).await, [0, 1, 2, 3, 4]);
    log.append(&context(), &turn.entry(5)).await.unwrap();
    assert_eq!(sequences(&mut received, 1).await, [5]);
}

#[tokio::test]
async fn a_message_comes_again_until_its_handler_takes_it_and_never_after_a_refusal() {
    let nats = testkit::nats().await;
    let folder = tempfile::tempdir().unwrap();
    let agent = connect(&nats.url, "agent").await;
    let log = TurnLog::open(&agent, TurnLogOptions::new(folder.path())).await.unwrap();
    let turn = Turn::new();
    for sequence in 0..3 {
        log.append(&context(), &turn.entry(sequence)).await.unwrap();
    }
    let attempts = Arc::new(AtomicU32::new(0));
    let (sender, mut received) = mpsc::channel(10);
    let _consumer = agent.consume(everything(), move |_: Context, entry: TurnLogEntry| {
        let (attempts, sender) = (Arc::clone(&attempts), sender.clone());
        async move {
            if entry.sequence == 0 && attempts.fetch_add(1, Ordering::Relaxed) < 2 {
                return Err(ConsumeError::Retry("the database is away".to_owned()));
            }
            sender.send(entry.clone()).await.unwrap();
            if entry.sequence == 1 {
                return Err(ConsumeError::Reject("it makes no sense".to_owned()));
            }
            Ok(())
        }
    });
    assert_eq!(sequences(&mut received, 3).await, [0, 1, 2], "order is kept through the retries");
}

#[tokio::test]
async fn consuming_goes_on_after_nats_was_restarted() {
    let mut nats = testkit::nats().await;
    let folder = tempfile::tempdir().unwrap();
    let agent = connect(&nats.url, "agent").await;
    let log = TurnLog::open(&agent, TurnLogOptions::new(folder.path())).await.unwrap();
    let brain = connect(&nats.url, "brain").await;
    let (_consumer, mut received) = collect(&brain);
    let turn = Turn::new();
    log.append(&context(), &turn.entry(0)).await.unwrap();
    assert_eq!(sequences(&mut received, 1).await, [0]);
    nats.kill().await;
    nats.restart().await;
    log.append(&context(), &turn.entry(1)).await.unwrap();
    let after = distinct(&mut received, 1).await;
    assert!(after == [1] || sequences(&mut received, 1).await == [1], "at most the last one comes again: {after:?}");
}
