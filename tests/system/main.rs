//! A person speaks into a real room and listens to what comes back; a program asks over HTTP. Every part is the real one; one
//! house stands at a time.

#![expect(clippy::unwrap_used, reason = "a test ends with the value that it did not expect")]

mod caller;
mod house;
mod words;

/// Each in a house of its own: they break it, look at what only an untouched one shows, or want it set up otherwise.
mod own {
    mod loss;
    mod measures;
    mod memory;
    mod paste;
    mod reminders;
    mod succession;
    mod traces;
}

/// In one house, one after the other: they break nothing, and each has rooms and people of its own.
mod shared {
    mod clients;
    mod company;
    mod control;
    mod crowd;
    mod interruption;
    mod manners;
    mod page;
    mod record;
    mod sight;
    mod terminal;
    mod text;
    mod tools;
    mod turn;
}
