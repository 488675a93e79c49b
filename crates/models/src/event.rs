use serde::Serialize;

/// What [`ModelStore::get`](crate::ModelStore::get) is doing, so that somebody can draw it. `model` and `file` are names of
/// the manifest; sources are described without credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// Work on a model begins; `bytes` is the size of all its files.
    Started { model: String, files: usize, bytes: u64 },
    /// Another process is fetching the same model; this one waits for it.
    Waiting { model: String },
    /// The file is already there and its hash is right.
    AlreadyPresent { model: String, file: String },
    /// The file is there, but is not what it should be: it is removed and fetched again.
    Discarded { model: String, file: String, reason: String },
    /// A source is tried, in the manifest's order.
    TryingSource { model: String, file: String, source: String },
    /// One download of a source begins: a file has several when it is delivered in parts.
    Downloading { model: String, file: String, from: String, part: usize, parts: usize },
    /// Bytes of the download that began last. Sent at most some times a second, and once at its end.
    Progress { model: String, file: String, received: u64, total: Option<u64> },
    /// The same download goes on after a fault.
    Retrying { model: String, file: String, reason: String },
    /// What was downloaded is unpacked, joined or converted into the file.
    Assembling { model: String, file: String },
    /// The hash is right and the file is in its place.
    Verified { model: String, file: String, bytes: u64 },
    /// This source is given up; the next one follows.
    SourceFailed { model: String, file: String, source: String, reason: String },
    /// No source of `wanted` could be used: `instead`, the next smaller model, is fetched.
    FellBack { wanted: String, instead: String, reason: String },
    /// All files of the model are in place.
    Finished { model: String },
}
