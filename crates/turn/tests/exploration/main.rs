//! Every state that the machines of production can get into with one and with two people, and what is true in all of them.
//!
//! `room.rs` is the world around the machines: people, a transcriber, brain, tts and a playout that do whatever they can, in
//! any order, or nothing at all. `shell.rs` carries effects out as `aether-voice` does. `rule.rs` says what is true in every
//! state, and what has to be seen at least once, so that nothing is true only because it is never tried.

mod room;
mod rule;
mod shell;
mod truth;
mod world;

use std::time::Instant;

use room::{Bounds, Room};
use stateright::{Checker as _, Model as _};

#[test]
fn one_person_with_everything_that_can_happen() {
    explore("one person", Bounds { people: 1, frames: 2, waiting: 2, extras: true }, 100_000);
}

#[test]
fn two_people_with_everything_that_can_happen() {
    explore("two people", Bounds { people: 2, frames: 1, waiting: 1, extras: true }, 500_000);
}

#[test]
fn two_people_for_whose_words_it_gets_crowded() {
    explore("two people, waiting", Bounds { people: 2, frames: 1, waiting: 2, extras: false }, 300_000);
}

fn explore(name: &str, bounds: Bounds, at_least: usize) {
    let began = Instant::now();
    let checker = Room::new(bounds).checker().spawn_bfs().join();
    let (states, steps) = (checker.unique_state_count(), checker.state_count());
    println!("{name}: {states} states, {steps} steps, {:.1?}", began.elapsed());
    checker.assert_properties();
    assert!(checker.is_done() && states >= at_least, "only {states} states");
    let unseen = checker.model().unseen();
    assert!(unseen.is_empty(), "never happened: {unseen:?}");
}
