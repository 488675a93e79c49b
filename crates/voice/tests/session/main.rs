//! A session with a real bus, turn log and ears. What is at the other end of the bus says and does exactly what a test wants,
//! because a model that has to be asked twice, or a voice that goes away, can't be ordered from the real ones. That the real
//! ones work together is the business of the tests of the whole.

#![expect(clippy::unwrap_used, reason = "a test ends with the value that it did not expect")]

mod hostile;
mod long;
mod manners;
mod order;
mod place;
mod played;
mod scene;
mod silence;
mod speech;
mod trace;
