//! The policies against their schema, and decisions against a table.

use super::engine::{POLICY, SCHEMA};
use super::*;
use cedar_policy::{PolicySet, Schema, ValidationMode, Validator};
use domain::Timestamp;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

/// Principals with a role on one thing each, named `ROLE` or `ROLE.SCOPE` with the colon as a dash.
fn facts() -> Facts {
    let mut facts = Facts {
        things: ["endpoint:a", "endpoint:b", "model:a", "model:b"].map(scope).into(),
        ..Facts::default()
    };
    facts.principals.push((name("nothing"), None));
    for role in ROLES {
        facts.principals.push((name(role.as_str()), Some(role)));
        for on in ["endpoint:a", "model:a"] {
            let principal = name(&format!("{}.{}", role.as_str(), on.replace(':', "-")));
            facts.principals.push((principal.clone(), None));
            facts.assignments.push(Assignment { principal, scope: scope(on), role, created: Timestamp(0) });
        }
    }
    facts
}

const ROLES: [Role; 4] = [Role::Scorer, Role::Reader, Role::Contributor, Role::Owner];

fn roles() -> Roles {
    let facts = facts();
    let mut roles = Roles { entities: entities::build(&facts).unwrap(), facts, ..Roles::default() };
    for a in &roles.facts.assignments {
        roles.held.entry(a.principal.as_str().into()).or_default().push(a.scope.clone());
    }
    roles.scores = roles.facts.principals.iter().map(|(n, _)| roles.scores_of(n.as_str())).collect();
    roles
}

fn principal(text: &str) -> Subject {
    Subject::Principal(text.into())
}

#[test]
fn the_policies_fit_their_schema_and_so_do_the_entities() {
    Engine::check().unwrap();
    let (schema, warnings) = Schema::from_cedarschema_str(SCHEMA).unwrap();
    assert_eq!(warnings.map(|w| w.to_string()).collect::<Vec<_>>(), [""; 0]);
    let policies: PolicySet = POLICY.parse().unwrap();
    let result = Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict);
    assert!(result.validation_passed_without_warnings(), "{result}");
    let entities = roles().entities;
    Entities::from_entities(entities.iter().cloned(), Some(&schema)).unwrap();
}

#[test]
fn every_role_on_every_thing_against_every_need() {
    let roles = roles();
    for held in ROLES {
        for asked in ROLES {
            for on in ["workspace", "endpoint:a", "endpoint:b", "model:a", "model:b", "endpoint:absent"] {
                let may = |who: &str| roles.may(&principal(who), asked, &scope(on));
                let applies = asked != Role::Scorer || !on.starts_with("model");
                let wanted = applies && held.includes(asked);
                let told = format!("{} asks for {} on {on}", held.as_str(), asked.as_str());
                assert_eq!(may(held.as_str()), wanted, "{told}");
                assert_eq!(roles.may(&Subject::Claimed(held), asked, &scope(on)), wanted, "{told}, claimed");
                let at = format!("{}.endpoint-a", held.as_str());
                assert_eq!(may(&at), wanted && on == "endpoint:a", "{told}, held on endpoint:a");
                let at = format!("{}.model-a", held.as_str());
                assert_eq!(may(&at), wanted && on == "model:a", "{told}, held on model:a");
                assert!(!may("nothing") && !may("unknown"));
                assert_eq!(roles.may(&Subject::Admin, asked, &scope(on)), applies);
            }
        }
    }
}

#[test]
fn what_may_be_scored_is_what_the_policies_say() {
    let roles = roles();
    for (who, _) in &roles.facts.principals {
        for endpoint in ["a", "b"] {
            let decided = roles.may(&principal(who.as_str()), Role::Scorer, &Scope::Endpoint(name(endpoint)));
            assert_eq!(roles.scores(who.as_str()).include(endpoint), decided, "{who} on {endpoint}");
        }
    }
    assert_eq!(roles.scores("unknown"), Scores::Nothing);
}

#[test]
fn lists_show_what_may_be_read() {
    let roles = roles();
    assert_eq!(roles.endpoints(&principal("reader")), None);
    assert_eq!(roles.endpoints(&principal("owner.endpoint-a")), Some(vec![name("a")]));
    assert_eq!(roles.endpoints(&principal("owner.model-a")), Some(Vec::new()));
    for (who, sees) in [
        ("reader", true),
        ("scorer", false),
        ("nothing", false),
        ("reader.model-a", true),
        ("scorer.endpoint-a", false),
    ] {
        assert_eq!(roles.somewhere(&principal(who), Role::Reader), sees, "{who}");
    }
    assert!(
        roles.somewhere(&Subject::Admin, Role::Reader)
            && roles.somewhere(&Subject::Claimed(Role::Reader), Role::Reader)
    );
}

#[test]
fn roles_that_tokens_claim_count_before_there_is_a_principal() {
    let roles = Roles::default();
    assert!(roles.may(&Subject::Claimed(Role::Reader), Role::Reader, &Scope::Workspace));
    assert!(!roles.may(&Subject::Claimed(Role::Reader), Role::Owner, &Scope::Workspace));
    assert!(roles.somewhere(&Subject::Claimed(Role::Owner), Role::Contributor));
}
