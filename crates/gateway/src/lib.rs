//! The gate: both doors of every endpoint, the token service, and the authentication of the control plane.
//!
//! Closed by default. A scoring call is answered from an in-memory snapshot, swapped atomically; nothing on its way touches the
//! database or holds a lock across an await. The checks stand in `stack.rs` and `published.rs`, top to bottom.

pub mod apim;
mod apis;
mod aside;
mod basic;
mod bearer;
mod checks;
pub mod config;
mod control;
pub mod error;
mod gateway;
mod inference;
mod issuers;
pub mod jose;
pub mod jwt;
mod lockout;
mod named_values;
mod pages;
mod people;
mod policy;
mod principals;
mod published;
mod refusals;
mod roles;
mod row;
mod sagemaker;
mod score;
mod secret;
mod signing;
mod single;
mod snapshot;
mod stack;
mod subscriptions;
#[cfg(test)]
mod tests;
mod tokens;
mod verified;
mod verify;

pub use apis::{PolicyXml, PublishApi, PublishAsk, PublishedApi};
pub use aside::{Difference, MirrorReport};
pub use config::{Config, LoginConfig, Options, RateConfig, SessionConfig, SigningConfig};
pub use control::OPEN_CALLS;
pub use error::Error;
pub use gateway::{CONTROL_AUDIENCE, Gateway};
pub use issuers::{AddIssuer, IssuerKey, IssuerState, JwksConfig, KeySetState};
pub use named_values::SetNamedValue;
pub use people::{
    Callback, ChangePassword, ClientAddress, CreatedPerson, CurrentSession, Landed, LogIn, LoggedIn,
    LoginRefused, Opened, Sent,
};
pub use principals::{CreatePrincipal, Created, CreatedPrincipal, RotateSecret, RotatedSecret};
pub use roles::{AssignRole, EndpointAccess, Fact, FactKind, PossibleCaller};
pub use secret::{ADMIN_TOKEN_FILE, fresh_secret};
pub use signing::RotateKey;
pub use single::SingleDoor;
pub use stack::{Door, OPEN_PATHS};
pub use subscriptions::{CreateSubscription, SubscriptionKeys};
pub use tokens::job::Made;
pub use verify::{Expectations, verify_token};
