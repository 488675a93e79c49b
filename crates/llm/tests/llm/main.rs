//! The client and its two dialects: against text as the network cuts it, servers that fail on purpose, and real ones.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends with the value that it did not expect")]

mod failures;
mod parsers;
mod real_servers;
