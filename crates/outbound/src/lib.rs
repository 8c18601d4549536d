//! The one guarded HTTP client: whatever Portcullis fetches from an address somebody gave it goes through here.
//!
//! It speaks `http` and `https` only, resolves names itself, refuses every address that is not public unless the setting
//! `outbound.allow` lists it, and connects to exactly the address it checked, so that a name cannot change its mind
//! between the check and the connection. Redirects stay on the host that was asked for; size, silence and total time are
//! capped; no proxy is taken from the environment and no credentials from a URL.

mod body;
mod client;
pub mod config;
pub mod error;
mod guard;
mod post;
pub mod range;

pub use body::{Body, BodyReader};
pub use client::{Client, Limits};
pub use config::Config;
pub use error::{Error, Result};
pub use range::Range;

#[cfg(test)]
mod tests;
