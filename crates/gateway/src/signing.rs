//! The token service's signing keys: the next is published before it signs, the former is accepted until its last token has
//! expired.

mod key;
mod keyring;
mod rotation;

pub(crate) use key::Typ;
pub(crate) use keyring::{Keyring, first};
pub use rotation::RotateKey;
pub(crate) use rotation::{accepted_for, tend};
