//! A person speaks into a real room and listens to what comes back. Every part is the real one; each test has a house of its
//! own, and one house stands at a time.

mod house;
mod interruption;
mod loss;
mod memory;
mod sight;
mod turn;
mod words;
