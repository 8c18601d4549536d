//! Principals: made with a secret that is told once and kept only as a digest; revoked at once.

use crate::error::{Error, Result};
use crate::gateway::{CONTROL_AUDIENCE, Gateway};
use crate::people::CreatedPerson;
use crate::roles::fits;
use crate::secret;
use domain::{Actor, Fault, Name, Principal, PrincipalInfo, PrincipalKind, Role, Scope, Span, Timestamp};
use serde::{Deserialize, Serialize};
use store::NewSecret;

/// The longest audience.
const AUDIENCE_MAX: usize = 512;

/// Who to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePrincipal {
    /// Its name.
    pub name: Name,
    /// What it may do; scorer when left out, nothing yet when null.
    #[serde(default = "scorer")]
    pub role: Option<Role>,
    /// On what: `workspace` when left out, `endpoint:NAME`, `model:NAME`.
    #[serde(default = "workspace")]
    pub on: Scope,
    /// The audience of its tokens; the control plane's when left out.
    #[serde(default)]
    pub audience: Option<String>,
    /// A client with a secret, or a person who logs in; a client when left out.
    #[serde(default = "client")]
    pub kind: PrincipalKind,
}

fn client() -> PrincipalKind {
    PrincipalKind::Client
}

fn scorer() -> Option<Role> {
    Some(Role::Scorer)
}

fn workspace() -> Scope {
    Scope::Workspace
}

/// Names the ledger gives to the holder of the admin token, to Portcullis itself and to many callers at once; the jobs' own client.
pub(crate) const RESERVED: [&str; 4] = ["admin", "system", "others", crate::tokens::job::JOBS];

/// A new principal with all that its client needs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CreatedPrincipal {
    /// Its name.
    pub name: Name,
    /// What it may do.
    pub role: Option<Role>,
    /// On what.
    pub on: Scope,
    /// The client id.
    pub client_id: String,
    /// The client secret, told this once.
    pub client_secret: String,
    /// The workspace's tenant id.
    pub tenant: String,
    /// Where to get tokens.
    pub token_url: String,
    /// The audience of its tokens when none is asked for.
    pub audience: String,
}

impl std::fmt::Debug for CreatedPrincipal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedPrincipal").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How to change a client's secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateSecret {
    /// How long the new secret lives; until it is rotated out when left out.
    #[serde(default)]
    pub expires_in: Option<Span>,
}

/// A client's new secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RotatedSecret {
    /// The principal's name.
    pub name: Name,
    /// The client id.
    pub client_id: String,
    /// The new secret, told this once.
    pub client_secret: String,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

impl std::fmt::Debug for RotatedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RotatedSecret").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A new client or person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Created {
    /// A client.
    Client(CreatedPrincipal),
    /// A person.
    Person(CreatedPerson),
}

impl Gateway {
    /// Makes a client or a person.
    pub async fn create(&self, ask: CreatePrincipal, by: &Actor) -> Result<Created, Fault> {
        if ask.kind == PrincipalKind::Client {
            return Ok(Created::Client(self.create_principal(ask, by).await?));
        }
        if ask.audience.is_some() {
            return Err(Fault::invalid("a person gets no tokens and has no audience: leave it out"));
        }
        self.check_grant(&ask).await?;
        let role = ask.role.filter(|_| ask.on == Scope::Workspace);
        let made = self.create_person(ask.name.clone(), role, by).await?;
        self.grant(ask.name, ask.on, ask.role, by).await?;
        Ok(Created::Person(made))
    }

    /// Makes a client.
    pub async fn create_principal(
        &self,
        ask: CreatePrincipal,
        by: &Actor,
    ) -> Result<CreatedPrincipal, Fault> {
        self.check_grant(&ask).await?;
        let audience = ask.audience.unwrap_or_else(|| CONTROL_AUDIENCE.to_owned());
        let plain = |c: u8| c.is_ascii_graphic() && c != b'"' && c != b'\\';
        if audience.is_empty() || audience.len() > AUDIENCE_MAX || !audience.bytes().all(plain) {
            return Err(Error::Audience(ask.name).into());
        }
        let (scope, role) = (ask.on, ask.role);
        let client_secret = secret::fresh()?;
        let principal = Principal {
            name: ask.name,
            client_id: uuid::Uuid::new_v4().to_string(),
            kind: PrincipalKind::Client,
            role: role.filter(|_| scope == Scope::Workspace),
            audience,
            created: Timestamp::now(),
            revoked: None,
        };
        self.store.add_principal(&principal, secret::digest(client_secret.as_bytes()), by).await?;
        self.grant(principal.name.clone(), scope.clone(), role, by).await?;
        Ok(CreatedPrincipal {
            name: principal.name,
            role,
            on: scope,
            client_id: principal.client_id,
            client_secret,
            tenant: self.tenant.clone(),
            token_url: self.token_url(),
            audience: principal.audience,
        })
    }

    /// Refuses a name of the ledger's own, and a role on what is not there or cannot be held there.
    async fn check_grant(&self, ask: &CreatePrincipal) -> Result<(), Fault> {
        if RESERVED.contains(&ask.name.as_str()) {
            let text = format!("'{}' is a name of the ledger: choose another for the principal", ask.name);
            return Err(Fault::invalid(text));
        }
        self.refresh().await?;
        if !self.snapshot.load().roles.exists(&ask.on) {
            return Err(Fault::invalid(format!("there is no {} to have a role on", ask.on)));
        }
        ask.role.map_or(Ok(()), |role| fits(role, &ask.on))
    }

    /// Gives a new principal its role on one thing; that on the workspace stands with it already.
    async fn grant(&self, name: Name, scope: Scope, role: Option<Role>, by: &Actor) -> Result<(), Fault> {
        if let Some(role) = role
            && scope != Scope::Workspace
        {
            self.assign_role(name, scope, role, by).await?;
        }
        self.refresh().await
    }

    /// All principals.
    pub async fn principals(&self) -> Result<Vec<PrincipalInfo>, Fault> {
        Ok(self.store.principal_infos().await?)
    }

    /// A principal.
    pub async fn principal(&self, name: &Name) -> Result<PrincipalInfo, Fault> {
        Ok(self.store.principal_info(name).await?)
    }

    /// Gives a client a new secret; the one it had lives on until the next rotation, an older one ends.
    pub async fn rotate_secret(
        &self,
        name: &Name,
        ask: RotateSecret,
        by: &Actor,
    ) -> Result<RotatedSecret, Fault> {
        let now = Timestamp::now();
        if ask.expires_in.is_some_and(|span| span.0.is_zero()) {
            return Err(Error::Duration("a secret lives longer than 0s: name another expires_in").into());
        }
        let expires = ask.expires_in.map(|span| now.plus_seconds(crate::gateway::seconds(span.0)));
        let client_secret = secret::fresh()?;
        let new = NewSecret { digest: secret::digest(client_secret.as_bytes()), expires };
        let principal = self.store.rotate_principal_secret(name, new, by, now).await?;
        Ok(RotatedSecret { name: principal.name, client_id: principal.client_id, client_secret, expires })
    }

    /// Ends the secret before a client's newest.
    pub async fn revoke_former_secret(&self, name: &Name, by: &Actor) -> Result<(), Fault> {
        Ok(self.store.revoke_former_secret(name, by, Timestamp::now()).await?)
    }

    /// Revokes a principal: when this returns, its tokens are refused and it gets no new ones.
    pub async fn revoke_principal(&self, name: &Name, by: &Actor) -> Result<(), Fault> {
        self.store.revoke_principal(name, by, Timestamp::now()).await?;
        self.refresh().await
    }
}
