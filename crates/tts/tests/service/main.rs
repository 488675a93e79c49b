//! The service on real parts: NATS, the voice, espeak-ng and sockets.

mod bus;
mod http;
mod mouth;
