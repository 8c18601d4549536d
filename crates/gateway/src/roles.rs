//! Who may do what: roles on the workspace, on an endpoint, on a model, decided by the Cedar policies in `roles/policy.cedar`.
//!
//! The entities are built with the snapshot; a decision reads nothing else. The scoring path makes none: what a principal may score is
//! decided here beforehand ([`Scores`]).

mod assign;
mod engine;
mod entities;
mod history;
mod refusals;
mod rights;

pub use assign::AssignRole;
pub(crate) use assign::fits;
pub(crate) use engine::Engine;
pub use history::{EndpointAccess, Fact, FactKind, PossibleCaller};
pub(crate) use refusals::Refusals;
pub(crate) use rights::CallerRights;

use cedar_policy::Entities;
use domain::{Assignment, Name, Principal, Role, Scope};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use store::ServingState;

/// Who asks for a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The holder of the admin token.
    Admin,
    /// A registered principal.
    Principal(Arc<str>),
    /// Somebody to whom an issuer's token gives a role on the workspace.
    Claimed(Role),
    /// A running job; no role at all.
    Job,
}

/// What a principal may score.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Scores {
    /// Nothing.
    #[default]
    Nothing,
    /// The APIs over these endpoints.
    Endpoints(HashSet<Box<str>>),
    /// Every API.
    Everything,
}

impl Scores {
    /// Whether the APIs over this endpoint are among it.
    pub(crate) fn include(&self, endpoint: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Endpoints(names) => names.contains(endpoint),
            Self::Everything => true,
        }
    }
}

/// What decisions depend on; equal ones decide equally.
#[derive(Debug, Default, PartialEq)]
struct Facts {
    principals: Vec<(Name, Option<Role>)>,
    assignments: Vec<Assignment>,
    things: HashSet<Scope>,
}

impl Facts {
    fn of(state: &ServingState) -> Self {
        let live = |p: &&Principal| p.revoked.is_none();
        let endpoints = state.endpoints.iter().map(|e| Scope::Endpoint(e.name.clone()));
        Self {
            principals: state.principals.iter().filter(live).map(|p| (p.name.clone(), p.role)).collect(),
            assignments: state.assignments.clone(),
            things: endpoints.chain(state.models.iter().cloned().map(Scope::Model)).collect(),
        }
    }
}

/// All roles of one moment.
#[derive(Debug)]
pub(crate) struct Roles {
    facts: Facts,
    entities: Entities,
    /// Where each principal holds a role besides the workspace.
    held: HashMap<Box<str>, Vec<Scope>>,
    scores: HashMap<Box<str>, Scores>,
}

impl Default for Roles {
    fn default() -> Self {
        // Roles that tokens claim are entities too: they count before there is a principal.
        let facts = Facts::default();
        let entities = entities::build(&facts).unwrap_or_else(|_| Entities::empty());
        Self { facts, entities, held: HashMap::new(), scores: HashMap::new() }
    }
}

impl Roles {
    /// The roles of a state; those of before when nothing about them changed.
    pub(crate) fn renewed(before: &Arc<Self>, state: &ServingState) -> Arc<Self> {
        let facts = Facts::of(state);
        if facts == before.facts {
            return before.clone();
        }
        let entities = entities::build(&facts).unwrap_or_else(|error| {
            // Nobody but the admin token gets in then: closed rather than open.
            tracing::error!(%error, "the roles could not be put together");
            Entities::empty()
        });
        let mut held: HashMap<Box<str>, Vec<Scope>> = HashMap::new();
        for a in &facts.assignments {
            held.entry(a.principal.as_str().into()).or_default().push(a.scope.clone());
        }
        let mut roles = Self { facts, entities, held, scores: HashMap::new() };
        roles.scores =
            roles.facts.principals.iter().map(|(name, _)| roles.scores_of(name.as_str())).collect();
        Arc::new(roles)
    }

    fn scores_of(&self, principal: &str) -> (Box<str>, Scores) {
        let subject = Subject::Principal(principal.into());
        if self.may(&subject, Role::Scorer, &Scope::Workspace) {
            return (principal.into(), Scores::Everything);
        }
        let on = self.held(principal).filter(|scope| self.may(&subject, Role::Scorer, scope));
        let names: HashSet<Box<str>> = on.filter_map(|s| endpoint_of(s).map(|n| n.as_str().into())).collect();
        let scores = if names.is_empty() { Scores::Nothing } else { Scores::Endpoints(names) };
        (principal.into(), scores)
    }

    /// What a principal may score.
    pub(crate) fn scores(&self, principal: &str) -> Scores {
        self.scores.get(principal).cloned().unwrap_or_default()
    }

    /// Whether the policies permit what `role` stands for. A thing that does not exist is judged as the workspace.
    pub(crate) fn may(&self, subject: &Subject, role: Role, scope: &Scope) -> bool {
        if *subject == Subject::Job {
            return false;
        }
        let scope = if self.facts.things.contains(scope) { scope } else { &Scope::Workspace };
        // A model scores behind an endpoint only.
        if role == Role::Scorer && matches!(scope, Scope::Model(_)) {
            return false;
        }
        Engine::get().is_some_and(|engine| engine.permits(subject, role, scope, &self.entities))
    }

    /// Whether a thing is there.
    pub(crate) fn exists(&self, scope: &Scope) -> bool {
        *scope == Scope::Workspace || self.facts.things.contains(scope)
    }

    /// Whether there is anything on which the subject may do what `role` stands for.
    pub(crate) fn somewhere(&self, subject: &Subject, role: Role) -> bool {
        self.may(subject, role, &Scope::Workspace) || self.held_as(subject, role).next().is_some()
    }

    /// The endpoints that the subject may read; none when it may read all.
    pub(crate) fn endpoints(&self, subject: &Subject) -> Option<Vec<Name>> {
        if self.may(subject, Role::Reader, &Scope::Workspace) {
            return None;
        }
        Some(self.held_as(subject, Role::Reader).filter_map(endpoint_of).cloned().collect())
    }

    fn held_as<'a>(&'a self, subject: &'a Subject, role: Role) -> impl Iterator<Item = &'a Scope> + 'a {
        let principal = match subject {
            Subject::Principal(name) => name,
            Subject::Admin | Subject::Claimed(_) | Subject::Job => "",
        };
        self.held(principal).filter(move |scope| self.may(subject, role, scope))
    }

    fn held<'a>(&'a self, principal: &str) -> impl Iterator<Item = &'a Scope> + 'a {
        self.held.get(principal).into_iter().flatten()
    }
}

fn endpoint_of(scope: &Scope) -> Option<&Name> {
    match scope {
        Scope::Endpoint(name) => Some(name),
        Scope::Workspace | Scope::Model(_) => None,
    }
}

/// Roles by their place, as texts: for entities of things that somebody has a role on.
fn by_scope(assignments: &[Assignment]) -> BTreeMap<&Scope, Vec<&Assignment>> {
    let mut found: BTreeMap<&Scope, Vec<&Assignment>> = BTreeMap::new();
    for a in assignments {
        found.entry(&a.scope).or_default().push(a);
    }
    found
}

#[cfg(test)]
mod tests;
