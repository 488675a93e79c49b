//! Keeps what goes into the machines of a session and what comes out, so that it can be played through them again
//! ([`aether_turn::trace`]).
//!
//! A trace holds what people say. It is written where somebody asked for it, for its owner alone to read, and ends for good
//! with the record: a session that begins off the record leaves none.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aether_turn::floor::{self, Floor, LaneId};
use aether_turn::lane::{self, Lane};
use aether_turn::trace::Record;
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncWriteExt as _, BufWriter};
use tokio::sync::mpsc;
use tracing::Instrument as _;

/// Some seconds of a lively room. A disk that is slower than that ends the trace.
const QUEUE: usize = 1024;

/// The one door through which the machines of a session are stepped. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder {
    /// `None`: nothing is kept.
    trace: Option<Trace>,
}

#[derive(Debug, Clone)]
struct Trace {
    records: mpsc::Sender<Record>,
    has_ended: Arc<AtomicBool>,
}

impl Recorder {
    /// Starts a file of this name in the folder. It ends with the last clone.
    pub(crate) fn start(folder: &Path, name: &str) -> Self {
        let (records, records_in) = mpsc::channel(QUEUE);
        let trace = Trace { records, has_ended: Arc::default() };
        let has_ended = Arc::clone(&trace.has_ended);
        let file = folder.join(name);
        let writing = async move {
            if let Err(error) = write(&file, records_in, &has_ended).await {
                tracing::warn!(%error, file = %file.display(), "the trace of a session can't be kept");
                has_ended.store(true, Ordering::Release);
            }
        };
        tokio::spawn(writing.in_current_span());
        Self { trace: Some(trace) }
    }

    /// From now on nothing is written. What was written stays.
    pub(crate) fn end(&mut self) {
        if let Some(trace) = self.trace.take() {
            // The lanes have clones.
            trace.has_ended.store(true, Ordering::Release);
        }
    }

    pub(crate) fn floor(&self, machine: &mut Floor, event: floor::Event) -> Vec<floor::Effect> {
        let Some(trace) = self.running() else { return machine.next(event) };
        let effects = machine.next(event.clone());
        trace.keep(Record::Floor { event, effects: effects.clone() });
        effects
    }

    pub(crate) fn lane(&self, lane: LaneId, machine: &mut Lane, event: lane::Event) -> Vec<lane::Effect> {
        let Some(trace) = self.running() else { return machine.next(event) };
        let effects = machine.next(event.clone());
        trace.keep(Record::Lane { lane, event, effects: effects.clone() });
        effects
    }

    fn running(&self) -> Option<&Trace> {
        self.trace.as_ref().filter(|trace| !trace.has_ended.load(Ordering::Acquire))
    }
}

impl Trace {
    /// Never waits. A trace with a gap can't be replayed, so it ends at the first one.
    fn keep(&self, record: Record) {
        if self.records.try_send(record).is_err() && !self.has_ended.swap(true, Ordering::AcqRel) {
            tracing::warn!("the trace of a session ends early: it is written more slowly than the session goes on");
        }
    }
}

async fn write(path: &Path, mut records: mpsc::Receiver<Record>, has_ended: &AtomicBool) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).await?;
    }
    let mut file = BufWriter::new(create(path).await?);
    while let Some(record) = records.recv().await {
        if has_ended.load(Ordering::Acquire) {
            break;
        }
        file.write_all(record.to_line()?.as_bytes()).await?;
        file.write_all(b"\n").await?;
        if records.is_empty() {
            file.flush().await?;
        }
    }
    file.flush().await
}

async fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).await
}
