//! Starts the parts Aether stands on (Postgres, Redis, NATS, LiveKit, a language model) and Aether's own services as
//! child processes, keeps them up, and takes them down again without a trace.
//!
//! - [`Layout`] knows where everything lies in the state folder `.aether/`.
//! - [`Component`] says what one process needs: what to launch, which [`ports`](Port) it takes, how to tell that it is
//!   ready. The modules of [`part`] make one for each server.
//! - [`Process`] is one running child: own process group, killed by the kernel when this process dies.
//! - [`Supervised`] keeps a component up for ever, [`Stack`] starts several in order and stops them in reverse.
//!
//! Nothing here knows what the parts are used for, and nothing is asked on a terminal: the command line tool does that.
//! Start reading at [`Stack::start`].

mod component;
mod error;
mod layout;
pub mod part;
mod port;
mod probe;
mod process;
mod secrets;
mod spawner;
mod stack;
mod supervised;

pub use component::Component;
pub use error::Error;
pub use layout::Layout;
pub use port::{Port, free_port, free_udp_port};
pub use probe::Probe;
pub use process::{Launch, Process, Signal};
pub use secrets::{Secrets, write_private};
pub use stack::{PartReport, Stack};
pub use supervised::{State, Supervised};
