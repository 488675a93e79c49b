//! `POST /v1/chat/completions`: one typed turn, in the shapes that every OpenAI client knows.
//!
//! A request is read whole and strictly (`request.rs`); then one `brain.request` call answers it (`answer.rs`), and what comes
//! back is given on as it comes (`stream.rs`) or all at once (`whole.rs`), in the wire's shapes (`wire.rs`). Beside that, what
//! must last and what others may watch is written down (`record.rs`), off the answer's own path.
//!
//! A request's messages *are* the conversation. Only with the header `X-Conversation-Id` is it ours (`conversations.rs`): then
//! the history is what was said in it before, here or in a room, and of the messages only the last one counts.

mod answer;
mod completions;
mod conversations;
mod errands;
mod record;
mod request;
mod stream;
mod turn;
mod whole;
mod wire;

pub(crate) use completions::completions;
pub(crate) use conversations::Conversations;
pub(crate) use errands::Errands;
pub(crate) use record::unix_us;
