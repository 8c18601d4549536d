//! Principals, roles and things as Cedar's entities.

use super::{Engine, Facts, Subject, by_scope};
use cedar_policy::{Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use domain::{Role, Scope};
use std::collections::{HashMap, HashSet};

/// The id of the one workspace.
const WORKSPACE: &str = "portcullis";
const ROLES: [Role; 4] = [Role::Reader, Role::Contributor, Role::Owner, Role::Scorer];

/// The types of entities, read once.
pub(super) struct Kinds {
    role: EntityTypeName,
    admin: EntityTypeName,
    principal: EntityTypeName,
    claimed: EntityTypeName,
    workspace: EntityTypeName,
    endpoint: EntityTypeName,
    model: EntityTypeName,
    action: EntityTypeName,
}

impl Kinds {
    pub(super) fn new() -> Result<Self, String> {
        let kind = |text: &str| text.parse().map_err(|e| format!("the entity type {text}: {e}"));
        Ok(Self {
            role: kind("Role")?,
            admin: kind("Admin")?,
            principal: kind("Principal")?,
            claimed: kind("Claimed")?,
            workspace: kind("Workspace")?,
            endpoint: kind("Endpoint")?,
            model: kind("Model")?,
            action: kind("Action")?,
        })
    }

    pub(super) fn role(&self, text: &str) -> EntityUid {
        uid(&self.role, text)
    }

    pub(super) fn action(&self, text: &str) -> EntityUid {
        uid(&self.action, text)
    }

    pub(super) fn subject(&self, who: &Subject) -> EntityUid {
        match who {
            Subject::Admin => uid(&self.admin, "admin"),
            Subject::Principal(name) => uid(&self.principal, name),
            Subject::Claimed(role) => uid(&self.claimed, role.as_str()),
            Subject::Job => uid(&self.claimed, "job"),
        }
    }

    pub(super) fn thing(&self, scope: &Scope) -> EntityUid {
        match scope {
            Scope::Workspace => uid(&self.workspace, WORKSPACE),
            Scope::Endpoint(name) => uid(&self.endpoint, name.as_str()),
            Scope::Model(name) => uid(&self.model, name.as_str()),
        }
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

/// `owner` on the workspace, `owner on endpoint:credit` elsewhere.
pub(super) fn role_on(role: Role, scope: &Scope) -> String {
    match scope {
        Scope::Workspace => role.as_str().to_owned(),
        _ => format!("{} on {scope}", role.as_str()),
    }
}

/// Every entity that the policies may look at.
pub(super) fn build(facts: &Facts) -> Result<Entities, String> {
    let engine = Engine::get().ok_or("the role policies do not compile")?;
    let mut entities = Vec::new();
    let scopes = by_scope(&facts.assignments);
    for scope in std::iter::once(&Scope::Workspace).chain(scopes.keys().copied()) {
        entities.extend(ROLES.map(|role| ladder(engine, role, scope)));
    }
    let mut held: HashMap<&str, HashSet<EntityUid>> = HashMap::new();
    for (name, role) in &facts.principals {
        let roles = held.entry(name.as_str()).or_default();
        roles.extend(role.map(|role| engine.role(role, &Scope::Workspace)));
    }
    for a in &facts.assignments {
        // A revoked principal keeps its assignments on paper only.
        if let Some(roles) = held.get_mut(a.principal.as_str()) {
            roles.insert(engine.role(a.role, &a.scope));
        }
    }
    for (name, roles) in held {
        entities.push(Entity::new_no_attrs(engine.kinds.subject(&Subject::Principal(name.into())), roles));
    }
    for role in ROLES {
        let own = HashSet::from([engine.role(role, &Scope::Workspace)]);
        entities.push(Entity::new_no_attrs(engine.kinds.subject(&Subject::Claimed(role)), own));
    }
    let workspace = engine.kinds.thing(&Scope::Workspace);
    entities.push(Entity::new_no_attrs(workspace.clone(), HashSet::new()));
    for scope in &facts.things {
        entities.push(thing(engine, scope, workspace.clone())?);
    }
    Entities::from_entities(entities, None).map_err(|e| e.to_string())
}

/// A role inside those it contains: owner in contributor, contributor in reader and scorer.
fn ladder(engine: &Engine, role: Role, scope: &Scope) -> Entity {
    let below: &[Role] = match role {
        Role::Owner => &[Role::Contributor],
        Role::Contributor => &[Role::Reader, Role::Scorer],
        Role::Reader | Role::Scorer => &[],
    };
    let parents = below.iter().map(|role| engine.role(*role, scope)).collect();
    Entity::new_no_attrs(engine.role(role, scope), parents)
}

fn thing(engine: &Engine, scope: &Scope, workspace: EntityUid) -> Result<Entity, String> {
    let holders = [
        ("readers", Role::Reader),
        ("contributors", Role::Contributor),
        ("owners", Role::Owner),
        ("scorers", Role::Scorer),
    ];
    let attributes = holders.map(|(name, role)| {
        (name.to_owned(), RestrictedExpression::new_entity_uid(engine.role(role, scope)))
    });
    Entity::new(engine.kinds.thing(scope), attributes.into(), HashSet::from([workspace]))
        .map_err(|e| e.to_string())
}
