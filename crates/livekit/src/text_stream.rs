//! Text streams: text of any length, to one or all participants of a room, on a topic, whole or piece by piece.

use std::collections::HashMap;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::ffi::{Handle, wire};
use crate::room_state::while_open;
use crate::{Error, ParticipantIdentity};

/// Pieces that may wait for the reader.
const QUEUE: usize = 1024;

/// How a text stream is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamTextOptions {
    pub topic: String,
    pub attributes: HashMap<String, String>,
    /// Empty means everyone in the room.
    pub destination_identities: Vec<ParticipantIdentity>,
    /// Chosen by the library when `None`.
    pub id: Option<String>,
    pub reply_to_stream_id: Option<String>,
}

/// What is known about a text stream when it opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextStreamInfo {
    pub id: String,
    pub topic: String,
    pub mime_type: String,
    /// In milliseconds since 1970, by the sender's clock.
    pub timestamp: i64,
    /// In bytes, when the sender knew it.
    pub total_length: Option<u64>,
    pub attributes: HashMap<String, String>,
}

/// What the library delivers of a stream.
#[derive(Debug)]
pub(crate) enum Chunk {
    Text(String),
    /// The sender's last attributes.
    End(HashMap<String, String>),
    Failed(String),
}

/// A text stream that someone sends us. Dropping it unread is fine.
#[derive(Debug)]
pub struct TextStreamReader {
    info: TextStreamInfo,
    state: Reading,
    room_closed: CancellationToken,
}

#[derive(Debug)]
enum Reading {
    /// Nothing asked for yet; the library keeps what arrives.
    Unread(Option<Handle>),
    Chunks(Incoming),
    Over,
}

/// The route of a stream that is being read. The library took the handle back when reading began.
#[derive(Debug)]
struct Incoming {
    runtime: &'static crate::ffi::Runtime,
    reader: u64,
    chunks: mpsc::Receiver<Chunk>,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.runtime.remove_text_reader(self.reader);
    }
}

impl TextStreamReader {
    pub(crate) fn new(handle: Handle, info: wire::TextStreamInfo, room_closed: CancellationToken) -> Self {
        Self { info: info.into(), state: Reading::Unread(Some(handle)), room_closed }
    }

    /// Its attributes grow by the sender's last ones when the end has been read.
    pub fn info(&self) -> &TextStreamInfo {
        &self.info
    }

    /// The next piece of text, or `None` at the end.
    ///
    /// # Errors
    /// When the sender broke off, we left the room, or pieces were lost because nobody read them.
    pub async fn next(&mut self) -> Option<Result<String, Error>> {
        if let Err(error) = self.begin() {
            self.state = Reading::Over;
            return Some(Err(error));
        }
        let Reading::Chunks(incoming) = &mut self.state else { return None };
        let chunk = tokio::select! {
            biased;
            chunk = incoming.chunks.recv() => chunk,
            () = self.room_closed.cancelled() => Some(Chunk::Failed("the room was left".to_owned())),
        };
        let reason = match chunk {
            Some(Chunk::Text(text)) => return Some(Ok(text)),
            Some(Chunk::End(attributes)) => {
                self.info.attributes.extend(attributes);
                self.state = Reading::Over;
                return None;
            }
            Some(Chunk::Failed(reason)) => reason,
            None => "text was lost because it was not read in time".to_owned(),
        };
        self.state = Reading::Over;
        Some(Err(Error::Rejected { operation: "read a text stream", reason }))
    }

    /// All that is left of the stream.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub async fn read_all(mut self) -> Result<String, Error> {
        let mut all = String::new();
        while let Some(text) = self.next().await {
            all.push_str(&text?);
        }
        Ok(all)
    }

    fn begin(&mut self) -> Result<(), Error> {
        let Reading::Unread(handle) = &mut self.state else { return Ok(()) };
        let Some(handle) = handle.take() else { return Ok(()) };
        let runtime = handle.runtime();
        let (sender, chunks) = mpsc::channel(QUEUE);
        let reader = handle.into_consumed();
        // The route first: the first piece may come before the request returns.
        runtime.add_text_reader(reader, sender);
        self.state = Reading::Chunks(Incoming { runtime, reader, chunks });
        let request = wire::TextStreamReaderReadIncrementalRequest { reader_handle: reader };
        runtime.request("read a text stream", wire::ffi_request::Message::TextReadIncremental(request))?;
        Ok(())
    }
}

/// A text stream that we send piece by piece. Close it: one that is dropped open ends for its readers with an error.
#[derive(Debug)]
pub struct TextStreamWriter {
    handle: Handle,
    info: TextStreamInfo,
    room_closed: CancellationToken,
}

impl TextStreamWriter {
    pub(crate) fn new(handle: Handle, info: wire::TextStreamInfo, room_closed: CancellationToken) -> Self {
        Self { handle, info: info.into(), room_closed }
    }

    pub fn info(&self) -> &TextStreamInfo {
        &self.info
    }

    /// # Errors
    /// When the room is gone.
    pub async fn write(&self, text: &str) -> Result<(), Error> {
        let operation = "write to a text stream";
        let writing = self.handle.runtime().call(operation, |async_id| {
            wire::ffi_request::Message::TextStreamWrite(wire::TextStreamWriterWriteRequest {
                writer_handle: self.handle.id(),
                text: text.to_owned(),
                request_async_id: Some(async_id),
            })
        });
        let answer = while_open(operation, &self.room_closed, writing).await?;
        match answer {
            wire::ffi_event::Message::TextStreamWriterWrite(callback) => stream_result(operation, callback.error),
            _ => Err(crate::ffi::Error::Unexpected { operation }.into()),
        }
    }

    /// # Errors
    /// When the room is gone.
    pub async fn close(self) -> Result<(), Error> {
        self.close_with(HashMap::new()).await
    }

    /// Closes with attributes that are added to those the stream was opened with.
    ///
    /// # Errors
    /// When the room is gone.
    pub async fn close_with(self, attributes: HashMap<String, String>) -> Result<(), Error> {
        let operation = "close a text stream";
        let runtime = self.handle.runtime();
        let writer = self.handle;
        let closing = runtime.call(operation, |async_id| {
            wire::ffi_request::Message::TextStreamClose(wire::TextStreamWriterCloseRequest {
                // The library takes the writer back with this request.
                writer_handle: writer.into_consumed(),
                reason: None,
                request_async_id: Some(async_id),
                attributes,
            })
        });
        let answer = while_open(operation, &self.room_closed, closing).await?;
        match answer {
            wire::ffi_event::Message::TextStreamWriterClose(callback) => stream_result(operation, callback.error),
            _ => Err(crate::ffi::Error::Unexpected { operation }.into()),
        }
    }
}

impl From<StreamTextOptions> for wire::StreamTextOptions {
    fn from(options: StreamTextOptions) -> Self {
        Self {
            topic: options.topic,
            attributes: options.attributes,
            destination_identities: options.destination_identities.into_iter().map(String::from).collect(),
            id: options.id,
            reply_to_stream_id: options.reply_to_stream_id,
            attached_stream_ids: Vec::new(),
        }
    }
}

impl From<wire::TextStreamInfo> for TextStreamInfo {
    fn from(info: wire::TextStreamInfo) -> Self {
        Self {
            id: info.stream_id,
            topic: info.topic,
            mime_type: info.mime_type,
            timestamp: info.timestamp,
            total_length: info.total_length,
            attributes: info.attributes,
        }
    }
}

fn stream_result(operation: &'static str, error: Option<wire::StreamError>) -> Result<(), Error> {
    match error {
        Some(error) => Err(Error::Rejected { operation, reason: error.description }),
        None => Ok(()),
    }
}
