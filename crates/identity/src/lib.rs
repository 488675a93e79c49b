//! Who somebody is and what they may do, as far as that can be said without asking anybody.
//!
//! A caller proves who they are with one of two texts ([`Bearer`] tells them apart):
//!
//! - an *API key*, which lasts. The [`Keyring`] makes it and turns a presented one into its prefix, under which the store
//!   finds its row, and a keyed hash to compare with the row's ([`same_hash`]). The text itself is kept nowhere.
//! - a *page token*, which is short-lived and carries its [`PageClaims`] itself, signed by the same [`Keyring`]. No row, so
//!   it can't be revoked: it expires.
//!
//! Either becomes a [`Principal`], which a route asks for the [`Scope`] it names.
//!
//! Software proves itself otherwise: a webhook is signed ([`sign`], [`verify`]) with a [`Secret`] that both sides know, which
//! [`Keyring::derive`] makes out of the installation's own, so that none has to be kept.
//!
//! This crate never does I/O and knows no clock: times come in as seconds since 1970. What it keeps secret never shows in a
//! `Debug` text. Start with [keyring.rs](keyring.rs).

mod bearer;
mod keyring;
mod page_token;
mod principal;
mod scope;
mod signature;

pub use bearer::Bearer;
pub use keyring::{Keyring, NewKey, PresentedKey, same_hash};
pub use page_token::{PageClaims, TokenError};
pub use principal::Principal;
pub use scope::{Scope, Scopes, UnknownScope};
pub use signature::{Refused, Secret, SecretError, TOLERANCE, sign, verify, verify_github};
