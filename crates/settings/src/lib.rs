//! Settings: defaults < `aether.toml` < environment, read once at start and never again.
//!
//! A *block* ([`NatsSettings`], [`LlmSettings`], …) belongs to one part. A service composes its own `Settings` from the
//! blocks it needs and reads them with [`load`]; every problem of every block is reported at once, and the process stops.
//! Nothing here connects, creates a folder or looks at the network.
//!
//! ```
//! use aether_settings::{HttpSettings, Invalid, Loader, NatsSettings};
//!
//! struct Settings {
//!     nats: NatsSettings,
//!     http: HttpSettings,
//! }
//!
//! fn read(loader: &mut Loader<'_>) -> Result<Settings, Invalid> {
//!     // Read everything first and only then use `?`: this is what lets all problems be reported together.
//!     let (nats, http) = (NatsSettings::read(loader), HttpSettings::tts(loader));
//!     Ok(Settings { nats: nats?, http: http? })
//! }
//!
//! let environment = |name: &str| (name == "NATS_URL").then(|| "nats://bus.example:4222".to_owned());
//! let settings = Loader::new(environment, None).load(read)?;
//! assert_eq!(settings.nats.url.to_string(), "nats://bus.example:4222");
//! assert_eq!(settings.http.bind.port(), 7903);
//! # Ok::<(), aether_settings::Error>(())
//! ```
//!
//! What is secret stays in a [`Secret`] or a [`ServerUrl`]: neither shows it in `Debug`, `Display` or JSON, and errors never
//! quote it. Start reading with [`Loader`]; a new setting is a `const` in its block and one line in the block's list.

mod blocks;
mod catalogue;
mod error;
mod loader;
mod obsolete;
mod secret;
mod server_url;
mod setting;
mod value;

pub use blocks::agent::AgentSettings;
pub use blocks::brain::{BrainSettings, OfferTools};
pub use blocks::gateway::GatewaySettings;
pub use blocks::home::HomeSettings;
pub use blocks::http::HttpSettings;
pub use blocks::identity::IdentitySettings;
pub use blocks::kernel::KernelSettings;
pub use blocks::livekit::LiveKitSettings;
pub use blocks::llm::{Dialect, LlmSettings};
pub use blocks::nats::NatsSettings;
pub use blocks::notifier::NotifierSettings;
pub use blocks::postgres::PostgresSettings;
pub use blocks::redis::RedisSettings;
pub use blocks::speech::SpeechSettings;
pub use blocks::telemetry::{LogFormat, TelemetrySettings};
pub use blocks::tts::TtsSettings;
pub use blocks::turn_taking::TurnTakingSettings;
pub use catalogue::{ALL, describe};
pub use error::{Error, Problem};
pub use loader::{Invalid, Loader, load};
pub use secret::Secret;
pub use server_url::ServerUrl;
pub use setting::{Row, Setting, Shown, Source};
