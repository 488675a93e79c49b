//! One file for each thing that is looked at. Each has a `look` that asks, and judges what it was told in functions without
//! I/O.

pub mod clock;
pub mod disk;
pub mod graphics;
pub mod language_model;
pub mod livekit;
pub mod memory;
pub mod models;
pub mod nats;
pub mod network;
pub mod ports;
pub mod postgres;
pub mod redis;
pub mod services;
pub mod setup;
pub mod sockets;
pub mod speed;
pub mod turn;
