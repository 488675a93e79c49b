//! What is remembered and learned, with the real model and the real database.

#![expect(clippy::unwrap_used, reason = "a test ends with the value that it did not expect")]

mod learning;
mod recalling;
