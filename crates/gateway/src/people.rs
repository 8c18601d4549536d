//! Login for people: by password, or at any OpenID provider; sessions in a cookie, for the control plane only.
//!
//! A session is a secret of 256 bits, kept as its SHA-256 in the store and looked up in memory. A call that changes something
//! brings the session's token in `X-CSRF-Token` as well: a page of another site cannot read it, and cannot send a header of its
//! own without asking first.

mod cookie;
mod flow;
mod login;
mod oidc;
mod passwords;
mod provider;
mod sessions;

pub use flow::{Callback, Landed, Sent};
pub use login::{ChangePassword, CreatedPerson, LogIn, LoggedIn, LoginRefused, Opened};
pub use sessions::CurrentSession;

pub(crate) use cookie::clear;
pub(crate) use sessions::authenticate;

use crate::config::Config;
use domain::Fault;
use outbound::Client;
use passwords::Passwords;
use provider::Provider;
use sessions::Sessions;
use std::net::IpAddr;

/// The address a call came from, as an extension of the request: wrong passwords are counted by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// What the gate holds for people.
#[derive(Debug)]
pub(crate) struct People {
    passwords: Passwords,
    sessions: Sessions,
    provider: Option<Provider>,
    used: flow::UsedStates,
    /// Answers of the provider that are looked at now.
    exchanges: tokio::sync::Semaphore,
}

/// The most of them at once.
const EXCHANGES: usize = 16;

impl People {
    pub(crate) fn new(config: &Config, outbound: Client) -> Result<Self, Fault> {
        Ok(Self {
            passwords: Passwords::new(),
            sessions: Sessions::new(&config.sessions),
            provider: Provider::new(&config.login, outbound)?,
            used: flow::UsedStates::new(),
            exchanges: tokio::sync::Semaphore::new(EXCHANGES),
        })
    }

    /// Takes over the sessions that were open when the server stopped.
    pub(crate) async fn load(&self, store: &store::Store) -> Result<(), Fault> {
        self.sessions.load(store).await
    }
}
