//! Tests of the timeline over a story of ledger entries.

use super::*;
use domain::Actor;

fn entry(minute: i64, action: &str, subject: &str, detail: Value) -> LedgerEntry {
    LedgerEntry {
        sequence: minute,
        time: at(minute),
        actor: Actor::admin(),
        action: action.to_owned(),
        subject: subject.to_owned(),
        detail,
    }
}

fn at(minute: i64) -> Timestamp {
    Timestamp(0).plus_seconds(60 * minute)
}

fn story() -> Vec<LedgerEntry> {
    let policy = |audience: &str| json!({"issuers": [Issuer::BuiltIn], "audiences": [audience]});
    let principal =
        |audience: &str, role: Value| json!({"client_id": "id", "role": role, "audience": audience});
    vec![
        entry(1, "create endpoint", "credit", json!({"docs_public": true, "key_generations": [3, 0]})),
        entry(2, "create endpoint", "credit2", json!({"docs_public": false})),
        entry(3, "deploy model", "credit/blue", json!({"model": "m", "version": 1, "all_traffic": true})),
        entry(4, "publish api", "team/credit", json!({"endpoint": "credit", "policy": policy("api://a")})),
        entry(5, "create principal", "ci", principal("api://a", json!("scorer"))),
        entry(6, "create principal", "other", principal("api://b", json!("scorer"))),
        entry(7, "create principal", "guest", principal("api://a", Value::Null)),
        entry(8, "assign role", "guest", json!({"on": "endpoint:credit", "role": "scorer"})),
        entry(9, "deploy model", "credit/green", json!({"model": "m", "version": 2, "all_traffic": false})),
        entry(10, "set traffic", "credit", json!({"blue": 50, "green": 50})),
        entry(11, "regenerate key", "credit", json!({"slot": "primary", "generation": 4})),
        entry(12, "revoke principal", "ci", json!({})),
        entry(13, "remove role", "guest", json!({"on": "endpoint:credit"})),
        entry(14, "update endpoint", "credit", json!({"public_network_access": "disabled"})),
        entry(15, "publish api", "team/credit", json!({"endpoint": "credit2", "policy": policy("api://a")})),
        entry(16, "delete endpoint", "credit", json!({})),
    ]
}

fn seen(from: i64, until: i64) -> (Vec<String>, Vec<String>) {
    let name = Name::new("credit").unwrap();
    let mut timeline = Timeline::new(&name);
    for entry in story().iter().filter(|e| e.time <= at(until)) {
        timeline.apply(entry);
    }
    let facts = timeline.facts(at(from));
    let who = callers(&facts, "tenant").into_iter().map(|c| c.caller).collect();
    let facts = facts.iter().filter(|f| f.kind < Principal && f.kind != Api);
    (who, facts.map(|f| format!("{} {}", f.name, f.value)).collect())
}

#[test]
fn a_moment_shows_what_held_then() {
    let (who, facts) = seen(8, 8);
    assert_eq!(who, ["ci", "guest"], "the other's audience does not pass");
    assert_eq!(
        facts,
        [
            r#"docs_public {"value":true}"#,
            r#"primary {"generation":3}"#,
            r#"secondary {"generation":0}"#,
            r#"blue {"model":"m","version":1}"#,
            r#"traffic {"blue":100}"#,
        ]
    );
    assert_eq!(seen(13, 13).0, [""; 0]);
    assert_eq!(seen(16, 16), (Vec::new(), Vec::new()));
    assert_eq!(seen(0, 0), (Vec::new(), Vec::new()));
}

#[test]
fn subscriptions_to_its_apis_are_shown_and_the_workspaces_roles_can_be_left_out() {
    let name = Name::new("credit").unwrap();
    let mut timeline = Timeline::new(&name);
    let subscription =
        |minute, name: &str, api: Value| entry(minute, "create subscription", name, json!({ "api": api }));
    let made = [
        subscription(9, "partner", json!("team/credit")),
        subscription(9, "everything", Value::Null),
        subscription(9, "elsewhere", json!("team/other")),
        subscription(9, "gone", json!("team/credit")),
        entry(10, "revoke subscription", "gone", Value::Null),
    ];
    for entry in story().iter().filter(|e| e.time <= at(9)).chain(&made) {
        timeline.apply(entry);
    }
    let facts = timeline.facts(at(11));
    let callers = callers(&facts, "tenant");
    let of = |facts: &[Fact], kind| -> Vec<String> {
        facts.iter().filter(|f| f.kind == kind).map(|f| f.name.clone()).collect()
    };
    assert_eq!(of(&facts, Subscription), ["everything", "partner"]);
    let all = EndpointAccess { endpoint: name, from: at(11), until: at(11), sequence: 1, callers, facts };
    let who = |access: &EndpointAccess| -> Vec<String> {
        access.callers.iter().map(|caller| caller.caller.clone()).collect()
    };
    assert_eq!(who(&all), ["ci", "guest"]);
    let own = all.of_endpoint_only();
    assert_eq!(who(&own), ["guest"]);
    assert_eq!(of(&own.facts, Assigned), ["guest on endpoint:credit"]);
    assert_eq!(of(&own.facts, Principal), ["guest"]);
}

#[test]
fn a_while_shows_all_that_held_in_it() {
    let (who, facts) = seen(9, 14);
    assert_eq!(who, ["ci", "guest"]);
    for held in [
        r#"primary {"generation":3}"#,
        r#"primary {"generation":4}"#,
        r#"traffic {"blue":100}"#,
        r#"traffic {"blue":50,"green":50}"#,
        r#"green {"model":"m","version":2}"#,
        r#"public_network_access {"value":"disabled"}"#,
    ] {
        assert!(facts.iter().any(|fact| fact == held), "{held} is missing in {facts:?}");
    }
}
