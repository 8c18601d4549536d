//! The gate: both doors of every endpoint, the token service, and the authentication of the control plane.
//!
//! Closed by default. A scoring call is answered from an in-memory snapshot, swapped atomically; nothing on its way touches the
//! database or holds a lock across an await. The checks stand in `stack.rs`, top to bottom.

mod apis;
mod bearer;
mod checks;
pub mod config;
mod control;
pub mod error;
mod gateway;
pub mod jose;
pub mod jwt;
mod lockout;
mod pages;
mod principals;
mod roles;
mod row;
mod score;
mod secret;
mod signing;
mod single;
mod snapshot;
mod stack;
#[cfg(test)]
mod tests;
mod tokens;
mod verified;
mod verify;

pub use apis::PublishApi;
pub use config::{Config, Options};
pub use error::Error;
pub use gateway::{CONTROL_AUDIENCE, Gateway};
pub use principals::{CreatePrincipal, CreatedPrincipal};
pub use roles::{AssignRole, EndpointAccess, Fact, FactKind, PossibleCaller};
pub use secret::{ADMIN_TOKEN_FILE, fresh_secret};
pub use single::SingleDoor;
pub use stack::{Door, OPEN_PATHS};
pub use verify::{Expectations, verify_token};
