//! Giving and taking roles: at once, for tokens that exist too.

use crate::gateway::Gateway;
use domain::{Actor, Assignment, Fault, Name, Role, Scope, Timestamp};
use serde::{Deserialize, Serialize};

/// Which role to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignRole {
    /// The role; the one held there before is replaced.
    pub role: Role,
}

/// Refuses a role that means nothing on a thing.
pub(crate) fn fits(role: Role, scope: &Scope) -> Result<(), Fault> {
    if role == Role::Scorer && matches!(scope, Scope::Model(_)) {
        return Err(Fault::invalid(
            "a model is scored through an endpoint: give the role scorer on endpoint:NAME or on the workspace",
        ));
    }
    Ok(())
}

impl Gateway {
    /// Gives a principal a role on something: when this returns, it has it.
    pub async fn assign_role(
        &self,
        principal: Name,
        scope: Scope,
        role: Role,
        by: &Actor,
    ) -> Result<Assignment, Fault> {
        fits(role, &scope)?;
        let assignment = Assignment { principal, scope, role, created: Timestamp::now() };
        self.store.assign_role(&assignment, by).await?;
        self.refresh().await?;
        Ok(assignment)
    }

    /// Takes a principal's role on something away.
    pub async fn remove_role(&self, principal: &Name, scope: &Scope, by: &Actor) -> Result<(), Fault> {
        self.store.remove_role(principal, scope, by, Timestamp::now()).await?;
        self.refresh().await
    }

    /// All roles of principals that are not revoked.
    pub async fn roles(&self) -> Result<Vec<Assignment>, Fault> {
        Ok(self.store.roles().await?)
    }
}
