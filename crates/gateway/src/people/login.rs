//! Logging in by password, changing it, and people who begin with a secret that is told once.

use super::cookie::{self, SESSION, SameSite};
use super::passwords::{MAX, check_new};
use super::sessions::{CurrentSession, same_site};
use crate::error::Error;
use crate::gateway::{CONTROL_AUDIENCE, Gateway};
use crate::secret;
use axum::response::{IntoResponse, Response};
use domain::{Actor, ErrorCode, Fault, Name, Principal, PrincipalKind, Role, SessionInfo, Timestamp};
use http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use store::NewLogin;
use web::Problem;
use zeroize::Zeroizing;

/// Name and password.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogIn {
    /// The person's name.
    pub name: String,
    /// Its password, or the secret it was first given.
    pub password: String,
    /// The password to have from now on; needed at the first login.
    #[serde(default)]
    pub new_password: Option<String>,
}

/// The password in use and the one to come.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The password in use.
    pub password: String,
    /// The password to have from now on.
    pub new_password: String,
}

/// An open session as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LoggedIn {
    /// Who logged in.
    pub principal: Name,
    /// What it may do.
    pub role: Option<Role>,
    /// What unsafe calls bring along as `X-CSRF-Token`.
    pub csrf_token: String,
    /// The session.
    pub session: SessionInfo,
}

/// A new session with the header that hands its secret to the browser.
#[derive(Debug, Clone)]
pub struct Opened {
    /// What its owner sees.
    pub logged_in: LoggedIn,
    /// `Set-Cookie`.
    pub cookie: HeaderValue,
}

/// A new person with its first secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CreatedPerson {
    /// Its name.
    pub name: Name,
    /// What it may do.
    pub role: Option<Role>,
    /// The first secret, told this once; the first login sets a password with it.
    pub first_secret: String,
}

impl std::fmt::Debug for CreatedPerson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedPerson").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why nobody was logged in.
#[derive(Debug)]
pub struct LoginRefused {
    problem: Box<Problem>,
    wait: Option<Duration>,
}

impl From<Problem> for LoginRefused {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), wait: None }
    }
}

impl From<Fault> for LoginRefused {
    fn from(fault: Fault) -> Self {
        let busy = fault.code == ErrorCode::TooManyRequests;
        Self { problem: Box::new(fault.into()), wait: busy.then_some(Duration::from_secs(2)) }
    }
}

impl From<Error> for LoginRefused {
    fn from(error: Error) -> Self {
        Fault::from(error).into()
    }
}

impl IntoResponse for LoginRefused {
    fn into_response(self) -> Response {
        let mut response = self.problem.into_response();
        if let Some(wait) = self.wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        }
        response
    }
}

impl LoginRefused {
    pub(super) fn locked(gateway: &Gateway, wait: Duration) -> Self {
        gateway.metrics.refused("locked_out");
        let text = "locked out at this address after too many wrong passwords: try again later";
        Self { problem: Box::new(Problem::new(ErrorCode::TooManyRequests, text)), wait: Some(wait) }
    }

    /// The answer, and how long to wait.
    pub(crate) fn into_parts(self) -> (Problem, Option<Duration>) {
        (*self.problem, self.wait)
    }

    pub(super) fn nobody() -> Self {
        Problem::new(ErrorCode::Unauthenticated, "the name or the password is wrong").into()
    }
}

/// The name under which wrong passwords are counted: never that of a client.
fn counted(name: &str) -> String {
    format!("person:{name}")
}

impl Gateway {
    /// Makes a person with a first secret.
    pub async fn create_person(
        &self,
        name: Name,
        role: Option<Role>,
        by: &Actor,
    ) -> Result<CreatedPerson, Fault> {
        let first_secret = secret::fresh()?;
        let hash = self.people.passwords.hash(&Zeroizing::new(first_secret.clone())).await?;
        let person = person(name, role);
        self.store.add_person(&person, NewLogin::FirstSecret(&hash), by).await?;
        self.refresh().await?;
        Ok(CreatedPerson { name: person.name, role, first_secret })
    }

    /// Gives a person who forgot its password a first secret again, and ends its sessions.
    pub async fn reset_password(&self, name: &Name, by: &Actor) -> Result<CreatedPerson, Fault> {
        let role = self.store.principal(name).await?.role;
        let first_secret = secret::fresh()?;
        let hash = self.people.passwords.hash(&Zeroizing::new(first_secret.clone())).await?;
        self.store.set_password(name, (&hash, true), None, by).await?;
        self.forget_sessions(name);
        Ok(CreatedPerson { name: name.clone(), role, first_secret })
    }

    /// Logs a person in by password. With a first secret a new password must come along.
    pub async fn log_in(
        &self,
        ask: LogIn,
        headers: &HeaderMap,
        from: IpAddr,
    ) -> Result<Opened, LoginRefused> {
        same_site(headers)?;
        let password = Zeroizing::new(ask.password);
        let (login, hash) = self.prove(&ask.name, &password, from).await?;
        let name = login.name.clone();
        let mut proven = hash.0;
        if let Some(new) = ask.new_password.map(Zeroizing::new) {
            proven = self.change(&name, &password, &new, &proven).await?;
        } else if hash.1 {
            let text = "the first log-in sets a password: send it as new_password";
            return Err(Problem::new(ErrorCode::Forbidden, text)
                .field("/new_password", "it is missing")
                .into());
        }
        Ok(self.opened(&login, Some(&proven)).await?)
    }

    /// Changes the password of the person whose session this is; all of its sessions end, and a new one begins.
    pub async fn change_password(
        &self,
        current: &CurrentSession,
        ask: ChangePassword,
        from: IpAddr,
    ) -> Result<Opened, LoginRefused> {
        let (password, new) = (Zeroizing::new(ask.password), Zeroizing::new(ask.new_password));
        let (login, hash) = self.prove(current.principal.as_str(), &password, from).await?;
        let proven = self.change(&login.name, &password, &new, &hash.0).await?;
        Ok(self.opened(&login, Some(&proven)).await?)
    }

    /// The person behind a name and a password, with the password's hash and whether it is a first secret. An unknown name costs
    /// as much time as a known one.
    async fn prove(
        &self,
        name: &str,
        password: &Zeroizing<String>,
        from: IpAddr,
    ) -> Result<(Principal, (String, bool)), LoginRefused> {
        let key = counted(name);
        self.lockout.check(from, &key, Instant::now()).map_err(|wait| LoginRefused::locked(self, wait))?;
        if password.len() > MAX {
            return Err(Error::Password("it is longer than 1024 bytes").into());
        }
        let login = match Name::new(name) {
            Ok(name) => self.store.password_login(&name).await.map_err(Fault::from)?,
            Err(_) => None,
        };
        let fits = self.people.passwords.fits(password, login.as_ref().map(|l| l.hash.clone())).await?;
        let known = login.as_ref().map(|l| l.principal.name.clone());
        match login {
            Some(login) if fits && login.principal.revoked.is_none() => {
                self.lockout.succeeded(from, &key);
                Ok((login.principal, (login.hash, login.temporary)))
            }
            _ => {
                self.login_failed(from, &key, known.as_ref()).await;
                Err(LoginRefused::nobody())
            }
        }
    }

    /// The person behind a name and a password, with the password's hash and whether it is a first secret.
    pub(crate) async fn prove_person(
        &self,
        name: &str,
        password: &Zeroizing<String>,
        from: IpAddr,
    ) -> Result<(Principal, String, bool), LoginRefused> {
        let (person, (hash, temporary)) = self.prove(name, password, from).await?;
        Ok((person, hash, temporary))
    }

    async fn change(
        &self,
        name: &Name,
        old: &str,
        new: &Zeroizing<String>,
        hash: &str,
    ) -> Result<String, LoginRefused> {
        check_new(name, new)?;
        if old == new.as_str() {
            return Err(Error::Password("it is the one in use").into());
        }
        let next = self.people.passwords.hash(new).await?;
        let by = Actor(name.to_string());
        self.store.set_password(name, (&next, false), Some(hash), &by).await.map_err(Fault::from)?;
        self.forget_sessions(name);
        Ok(next)
    }

    /// Opens a session for somebody who was proven, by the password with this hash where it was one.
    pub(super) async fn opened(&self, person: &Principal, proven: Option<&str>) -> Result<Opened, Fault> {
        let (text, current) = self.open_session(&person.name, proven).await?;
        let cookie = cookie::set(SESSION, &text, (SameSite::Strict, self.session_seconds()), self.secure());
        Ok(Opened { logged_in: self.logged_in(&current, person.role), cookie })
    }

    /// A session as its owner sees it.
    pub fn logged_in(&self, current: &CurrentSession, role: Option<Role>) -> LoggedIn {
        LoggedIn {
            principal: current.principal.clone(),
            role,
            csrf_token: current.csrf_token.clone(),
            session: current.info.clone(),
        }
    }

    /// The header that takes the session's cookie away.
    pub fn logged_out_cookie(&self) -> HeaderValue {
        super::clear(SESSION, self.secure())
    }
}

/// A person as a record.
pub(super) fn person(name: Name, role: Option<Role>) -> Principal {
    Principal {
        name,
        client_id: uuid::Uuid::new_v4().to_string(),
        kind: PrincipalKind::Person,
        role,
        audience: CONTROL_AUDIENCE.to_owned(),
        created: Timestamp::now(),
        revoked: None,
    }
}
