//! Every state that one job and its workers can get into, and what is true in all of them.
//!
//! `world.rs` is what is around the machine: workers that claim, report, die, are given up and come back late, and the
//! clock and people that do what they can in any order. `desk.rs` is the row in the database: each event goes through it, and
//! it watches what comes out. `rule.rs` says what is true in every state, and what has to be seen at least once, so that
//! nothing is true only because it is never tried.

mod desk;
mod rule;
mod truth;
mod world;

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::time::Instant;

use rule::{DRAWN, Sight};
use stateright::{Checker as _, Model as _};
use world::{Bounds, Kernel};

#[test]
fn two_workers_and_two_attempts() {
    explore("two workers, two attempts", Bounds { workers: 2, attempts: NonZeroU32::new(2).unwrap() }, 400);
}

#[test]
fn three_workers_and_three_attempts() {
    explore("three workers, three attempts", Bounds { workers: 3, attempts: NonZeroU32::new(3).unwrap() }, 2_000);
}

fn explore(name: &str, bounds: Bounds, at_least: usize) {
    let began = Instant::now();
    let checker = Kernel::new(bounds).checker().spawn_bfs().join();
    let (states, steps) = (checker.unique_state_count(), checker.state_count());
    println!("{name}: {states} states, {steps} steps, {:.1?}", began.elapsed());
    checker.assert_properties();
    assert!(checker.is_done() && states >= at_least, "only {states} states");

    let seen = checker.model().seen();
    let drawn: HashSet<_> = DRAWN.into_iter().collect();
    assert_eq!(seen.ways, drawn, "the picture in `machine.rs`, no more and no less");
    let unseen: Vec<_> = Sight::ALL.into_iter().filter(|sight| !seen.sights.contains(sight)).collect();
    assert!(unseen.is_empty(), "never happened: {unseen:?}");
}
