//! Principals: made with a secret that is told once and kept only as a digest; revoked at once.

use crate::error::{Error, Result};
use crate::gateway::{CONTROL_AUDIENCE, Gateway};
use crate::roles::fits;
use crate::secret;
use domain::{Actor, Fault, Name, Principal, PrincipalKind, Role, Scope, Timestamp};
use serde::{Deserialize, Serialize};

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
}

fn scorer() -> Option<Role> {
    Some(Role::Scorer)
}

fn workspace() -> Scope {
    Scope::Workspace
}

/// Names the ledger gives to the holder of the admin token, to Portcullis itself and to many callers at once.
const RESERVED: [&str; 3] = ["admin", "system", "others"];

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

impl Gateway {
    /// Makes a principal.
    pub async fn create_principal(
        &self,
        ask: CreatePrincipal,
        by: &Actor,
    ) -> Result<CreatedPrincipal, Fault> {
        let audience = ask.audience.unwrap_or_else(|| CONTROL_AUDIENCE.to_owned());
        let plain = |c: u8| c.is_ascii_graphic() && c != b'"' && c != b'\\';
        if audience.is_empty() || audience.len() > AUDIENCE_MAX || !audience.bytes().all(plain) {
            return Err(Error::Audience(ask.name).into());
        }
        if RESERVED.contains(&ask.name.as_str()) {
            let text = format!("'{}' is a name of the ledger: choose another for the principal", ask.name);
            return Err(Fault::invalid(text));
        }
        let (scope, role) = (ask.on, ask.role);
        self.refresh().await?;
        if !self.snapshot.load().roles.exists(&scope) {
            return Err(Fault::invalid(format!("there is no {scope} to have a role on")));
        }
        role.map_or(Ok(()), |role| fits(role, &scope))?;
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
        if let Some(role) = role
            && scope != Scope::Workspace
        {
            self.assign_role(principal.name.clone(), scope.clone(), role, by).await?;
        }
        self.refresh().await?;
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

    /// All principals.
    pub async fn principals(&self) -> Result<Vec<Principal>, Fault> {
        Ok(self.store.principals().await?)
    }

    /// Revokes a principal: when this returns, its tokens are refused and it gets no new ones.
    pub async fn revoke_principal(&self, name: &Name, by: &Actor) -> Result<(), Fault> {
        self.store.revoke_principal(name, by, Timestamp::now()).await?;
        self.refresh().await
    }
}
