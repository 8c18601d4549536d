//! The way to a provider and back: authorization code with PKCE (RFC 7636), state, nonce and the `iss` of the answer (RFC 9207).
//!
//! What belongs to one way is sealed into a cookie of the browser that began it, so nobody else's answer fits, and nobody can
//! fill the server with ways begun. A way is gone once: the cookie is taken away, and its state remembered until it expires.

use super::cookie::{self, FLOW, SameSite};
use super::login::{LoginRefused, Opened, person};
use super::oidc::{Vouched, mark};
use super::provider::Provider;
use crate::gateway::Gateway;
use crate::jose::to_base64url;
use crate::principals::RESERVED;
use crate::secret;
use aws_lc_rs::digest;
use domain::{Actor, ErrorCode, Fault, Name, Principal, Timestamp};
use http::{HeaderMap, HeaderValue};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use store::NewLogin;
use web::Problem;

/// How long somebody may take at the provider, in seconds.
const PATIENCE: i64 = 600;
/// What the cookie is sealed for.
const PURPOSE: &str = "login-flow";
/// States remembered as used.
const USED: usize = 10_000;
/// Where the provider sends the browser back to.
pub(crate) const CALLBACK: &str = "/api/v1/sessions/oidc/callback";
/// The longest path to go back to.
const RETURN_MAX: usize = 512;

/// A way that was begun.
#[derive(Debug, Serialize, Deserialize)]
struct Flow {
    state: String,
    nonce: String,
    verifier: String,
    return_to: String,
    expires: i64,
}

/// Where to send the browser, and the cookie that belongs to the way.
#[derive(Debug)]
pub struct Sent {
    /// `Location`.
    pub location: HeaderValue,
    /// `Set-Cookie`.
    pub cookie: HeaderValue,
}

/// What the provider sent the browser back with.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Callback {
    /// The code to exchange.
    pub code: Option<String>,
    /// The state the way began with.
    pub state: Option<String>,
    /// The provider's issuer.
    pub iss: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
}

/// Somebody who came back and was logged in.
#[derive(Debug)]
pub struct Landed {
    /// The session.
    pub opened: Opened,
    /// Where to go on: a path of this server.
    pub return_to: String,
}

/// States that were used, until they expire by themselves.
#[derive(Debug)]
pub(super) struct UsedStates(Cache<[u8; 32], ()>);

impl UsedStates {
    pub(super) fn new() -> Self {
        Self(Cache::new(USED))
    }

    /// Whether this is the first use.
    fn first(&self, state: &str) -> bool {
        let key = secret::digest(state.as_bytes()).0;
        let fresh = self.0.get(&key).is_none();
        self.0.insert(key, ());
        fresh
    }
}

/// A path of this server, and of no other: one slash, then none and no backslash, which browsers take for one.
fn own_path(path: &str) -> bool {
    let plain =
        path.bytes().all(|c| c.is_ascii_graphic() && !matches!(c, b'\\' | b'"' | b'<' | b'>' | b'\''));
    path.len() <= RETURN_MAX && path.starts_with('/') && !path.starts_with("//") && plain
}

impl Gateway {
    fn provider(&self) -> Result<&Provider, Fault> {
        let none = || Fault::new(ErrorCode::NotFound, "no login provider is set: name one in gateway.login");
        self.people.provider.as_ref().ok_or_else(none)
    }

    fn redirect_uri(&self) -> String {
        format!("{}{CALLBACK}", self.public_url)
    }

    /// Begins a way to the provider. `return_to` is a path of this server.
    pub async fn begin_oidc(&self, return_to: Option<&str>) -> Result<Sent, Fault> {
        let provider = self.provider()?;
        let return_to = return_to.unwrap_or("/");
        if !own_path(return_to) {
            return Err(Fault::invalid("return_to must be a path of this server, as /studio"));
        }
        let metadata = provider.metadata().await?;
        let flow = Flow {
            state: secret::fresh()?,
            nonce: secret::fresh()?,
            verifier: secret::fresh()?,
            return_to: return_to.to_owned(),
            expires: Timestamp::now().seconds() + PATIENCE,
        };
        let challenge = digest::digest(&digest::SHA256, flow.verifier.as_bytes());
        let mut url = metadata.authorization.clone();
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &provider.rules.client_id),
            ("redirect_uri", &self.redirect_uri()),
            ("scope", &provider.scopes),
            ("state", &flow.state),
            ("nonce", &flow.nonce),
            ("code_challenge", &to_base64url(challenge.as_ref())),
            ("code_challenge_method", "S256"),
        ]);
        let text = serde_json::to_vec(&flow).map_err(|e| Fault::internal(e.to_string()))?;
        let sealed = self.store.seal(PURPOSE, &text)?;
        let location = HeaderValue::from_str(url.as_str())
            .map_err(|_| Fault::internal("the provider's authorization endpoint cannot stand in a header"))?;
        Ok(Sent { location, cookie: cookie::set(FLOW, &sealed, (SameSite::Lax, PATIENCE), self.secure()) })
    }

    /// Ends a way: the browser is back from the provider. The session is always a new one, whatever cookie came along.
    ///
    /// Failures are not counted: nothing here can be guessed, and any page could have a browser fail. What is bounded is how many
    /// answers are exchanged at the provider at the same time.
    pub async fn finish_oidc(&self, back: Callback, headers: &HeaderMap) -> Result<Landed, LoginRefused> {
        let provider = self.provider()?;
        let flow = self.flow(&back, headers)?;
        let _turn = self.people.exchanges.try_acquire().map_err(|_| {
            Problem::new(ErrorCode::TooManyRequests, "too many people log in at once: try again in a moment")
        })?;
        self.land(provider, back, flow).await
    }

    /// The header that takes the cookie of a way away.
    pub fn flow_ended_cookie(&self) -> HeaderValue {
        super::clear(FLOW, self.secure())
    }

    async fn land(&self, provider: &Provider, back: Callback, flow: Flow) -> Result<Landed, LoginRefused> {
        let metadata = provider.metadata().await?;
        let named = match &back.iss {
            Some(iss) => *iss == provider.rules.issuer,
            None => !metadata.names_itself,
        };
        if !named {
            return Err(refused("the answer is of another login provider"));
        }
        if let Some(error) = &back.error {
            let shown: String =
                error.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect();
            return Err(refused(&format!("the login provider refused: {shown}")));
        }
        let Some(code) = &back.code else {
            return Err(refused("the answer of the login provider has no code"));
        };
        let redirect = self.redirect_uri();
        let vouched =
            provider.vouch(code, (&redirect, &flow.verifier, &flow.nonce)).await?.map_err(|refusal| {
                tracing::warn!(%refusal, "an ID token was refused");
                refused("the login provider's ID token was refused; the server's log says why")
            })?;
        let person = self.person_of(&provider.rules.issuer, vouched).await?;
        Ok(Landed { opened: self.opened(&person, None).await?, return_to: flow.return_to })
    }

    /// The way that this answer belongs to: begun by this browser, not expired, not used before.
    fn flow(&self, back: &Callback, headers: &HeaderMap) -> Result<Flow, LoginRefused> {
        let stale = || {
            LoginRefused::from(Problem::new(
                ErrorCode::InvalidInput,
                "this log-in was not begun in this browser, took too long, or is over: begin again at /api/v1/sessions/oidc",
            ))
        };
        let sealed = cookie::read(headers, FLOW, self.secure()).ok_or_else(stale)?;
        let text = self.store.unseal(PURPOSE, sealed).map_err(|_| stale())?;
        let flow: Flow = serde_json::from_slice(&text).map_err(|_| stale())?;
        let given = secret::digest(back.state.as_deref().unwrap_or_default().as_bytes());
        let fits = secret::known(&given, &[secret::digest(flow.state.as_bytes())]);
        if !fits || Timestamp::now().seconds() >= flow.expires || !self.people.used.first(&flow.state) {
            return Err(stale());
        }
        Ok(flow)
    }

    /// The person bound to a provider's subject; made at the first login, when its claims give a role. Never somebody else of the
    /// same name.
    async fn person_of(&self, provider: &str, vouched: Vouched) -> Result<Principal, LoginRefused> {
        let subject = vouched.subject.as_str();
        let known = self.store.person_of_subject(provider, subject).await.map_err(Fault::from)?;
        let Some(role) = vouched.role else {
            if let Some(person) = known.filter(|person| person.role.is_some()) {
                let by = Actor::system();
                self.store.set_person_role(&person.name, None, &by).await.map_err(Fault::from)?;
                self.refresh().await?;
                self.end_all_sessions(&person.name, &by).await?;
            }
            let text = "the login provider gives you no role here: ask an owner of this workspace";
            return Err(Problem::new(ErrorCode::Forbidden, text).into());
        };
        if let Some(mut person) = known {
            if person.revoked.is_some() {
                return Err(LoginRefused::nobody());
            }
            if person.role != Some(role) {
                // What it may do is what the provider says now: who left a group loses its role.
                self.store
                    .set_person_role(&person.name, Some(role), &Actor::system())
                    .await
                    .map_err(Fault::from)?;
                self.refresh().await?;
                person.role = Some(role);
            }
            return Ok(person);
        }
        let login = NewLogin::Subject { provider, subject };
        let suffix = &mark(provider, subject)[..8];
        let longer = Name::new(format!("{}-{suffix}", vouched.name))?;
        for name in [vouched.name, longer] {
            if RESERVED.contains(&name.as_str()) {
                continue;
            }
            let new = person(name, Some(role));
            match self.store.add_person(&new, login, &Actor::system()).await {
                Ok(()) => {
                    self.refresh().await?;
                    return Ok(new);
                }
                Err(store::Error::Conflict(_)) => {}
                Err(error) => return Err(Fault::from(error).into()),
            }
        }
        Err(Fault::conflict("the names this person could have are taken: ask an owner of this workspace")
            .into())
    }
}

fn refused(why: &str) -> LoginRefused {
    Problem::new(ErrorCode::Unauthenticated, why).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_server_are_gone_back_to() {
        for good in ["/", "/studio", "/studio/models?x=1#y"] {
            assert!(own_path(good), "{good}");
        }
        for bad in [
            "",
            "studio",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\"b",
            "/a\r\nb",
            "/<x>",
        ] {
            assert!(!own_path(bad), "{bad}");
        }
        assert!(!own_path(&format!("/{}", "x".repeat(RETURN_MAX))));
    }

    #[test]
    fn a_state_is_used_once() {
        let used = UsedStates::new();
        assert!(used.first("a") && !used.first("a") && used.first("b"));
    }
}
