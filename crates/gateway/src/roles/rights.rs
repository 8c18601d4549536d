//! What one caller of the control plane may do, for the extractors of `web`.

use super::{Refusals, Roles, Subject};
use domain::{Actor, Name, Role, Scope};
use std::sync::Arc;
use web::{Refusal, Rights};

/// A caller with the roles of the moment it called.
pub(crate) struct CallerRights {
    pub subject: Subject,
    pub actor: Actor,
    pub roles: Arc<Roles>,
    pub refusals: Arc<Refusals>,
}

impl Rights for CallerRights {
    fn may(&self, role: Role, scope: &Scope) -> bool {
        self.roles.may(&self.subject, role, scope)
    }

    fn endpoints(&self) -> Option<Vec<Name>> {
        self.roles.endpoints(&self.subject)
    }

    fn somewhere(&self, role: Role) -> bool {
        self.roles.somewhere(&self.subject, role)
    }

    fn refused(&self, refusal: &Refusal<'_>) {
        tracing::info!(actor = %self.actor, role = refusal.role.as_str(), on = %refusal.scope, "refused");
        // Names that do not exist are the caller's invention: they count as the workspace.
        let scope = if self.roles.exists(refusal.scope) { refusal.scope } else { &Scope::Workspace };
        self.refusals.note(&self.actor, &Refusal { scope, ..*refusal });
    }
}
