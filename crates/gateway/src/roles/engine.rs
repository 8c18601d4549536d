//! The policies and the engine that judges by them.

use super::Subject;
use super::entities::{Kinds, role_on};
use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request};
use domain::{Fault, Role, Scope};
use std::sync::LazyLock;

/// Who may do what, as text.
pub(super) const POLICY: &str = include_str!("policy.cedar");
/// What the policies speak of.
#[cfg(test)]
pub(super) const SCHEMA: &str = include_str!("schema.cedarschema");

static ENGINE: LazyLock<Result<Engine, String>> = LazyLock::new(Engine::open);

/// The compiled policies.
pub(crate) struct Engine {
    policies: PolicySet,
    authorizer: Authorizer,
    pub(super) kinds: Kinds,
}

impl Engine {
    fn open() -> Result<Self, String> {
        let policies: PolicySet = POLICY.parse().map_err(|e| format!("the role policies: {e}"))?;
        Ok(Self { policies, authorizer: Authorizer::new(), kinds: Kinds::new()? })
    }

    /// The engine; none when the policies do not compile, which [`Engine::check`] tells at start.
    pub(super) fn get() -> Option<&'static Self> {
        ENGINE.as_ref().ok()
    }

    /// Refuses to start with policies that do not compile.
    pub(crate) fn check() -> Result<(), Fault> {
        ENGINE.as_ref().map(|_| ()).map_err(|e| Fault::internal(e.as_str()))
    }

    /// The decision; what cannot be asked is refused.
    pub(super) fn permits(&self, who: &Subject, role: Role, scope: &Scope, entities: &Entities) -> bool {
        let (principal, resource) = (self.kinds.subject(who), self.kinds.thing(scope));
        let Ok(request) = Request::new(principal, self.action(role), resource, Context::empty(), None) else {
            return false;
        };
        let answer = self.authorizer.is_authorized(&request, &self.policies, entities);
        for error in answer.diagnostics().errors() {
            tracing::error!(%error, "a role policy could not be applied");
        }
        answer.decision() == Decision::Allow
    }

    fn action(&self, role: Role) -> EntityUid {
        self.kinds.action(match role {
            Role::Reader => "read",
            Role::Contributor => "change",
            Role::Owner => "manage",
            Role::Scorer => "score",
        })
    }

    /// The entity of a role on something.
    pub(super) fn role(&self, role: Role, scope: &Scope) -> EntityUid {
        self.kinds.role(&role_on(role, scope))
    }
}
