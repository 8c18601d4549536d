//! What a rightly signed token says: dates, issuer, audience, client, roles (RFC 7519, RFC 9068, RFC 8725 §3.8 to §3.12), and
//! credentials of one place used at another.

use super::wire::{get, post};
use super::world::{CONTROL, CONTROL_AUDIENCE, DIRECT, FRONT, World, now};
use super::{Expect, Group};
use serde_json::{Value, json};

/// Well over the allowed skew, well under any lifetime.
const FAR: i64 = 100;
/// Well inside the allowed skew of 30 s.
const NEAR: i64 = 10;

/// A good token with some claims set; `null` takes a claim away.
fn changed(world: &World, change: &Value) -> String {
    let mut claims = world.claims(&world.scorer, "api://small");
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    world.key.sign(&world.header().to_string(), claims.to_string())
}

#[test]
fn dates_bound_a_token() {
    let world = World::get();
    let mut group = Group::new("claims dates", world.url());
    let now = now();
    let mut add = |id: &str, why: &'static str, change: Value, expect: Expect| {
        group.add(id, why, post(FRONT, &changed(&world, &change), &World::row()), expect);
    };
    use Expect::{Accepted, InvalidToken};
    add("good", "the forger's own hand is right", json!({}), Accepted);
    add("exp-missing", "exp is required", json!({ "exp": null }), InvalidToken);
    add(
        "exp-past",
        "expired beyond the skew",
        json!({ "iat": now - 4000, "nbf": now - 4000, "exp": now - FAR }),
        InvalidToken,
    );
    add(
        "exp-at-skew",
        "exp plus 30 s is past",
        json!({ "iat": now - 4000, "nbf": now - 4000, "exp": now - 31 }),
        InvalidToken,
    );
    add(
        "exp-near",
        "within the skew",
        json!({ "iat": now - 4000, "nbf": now - 4000, "exp": now - NEAR }),
        Accepted,
    );
    add("nbf-far", "not yet", json!({ "nbf": now + FAR }), InvalidToken);
    add("nbf-near", "within the skew", json!({ "nbf": now + NEAR }), Accepted);
    add("iat-far", "issued in the future", json!({ "iat": now + FAR }), InvalidToken);
    add("iat-near", "within the skew", json!({ "iat": now + NEAR }), Accepted);
    add("life-day", "24 h are allowed", json!({ "iat": now, "exp": now + 86_400 }), Accepted);
    add("life-over", "a second over 24 h", json!({ "iat": now, "exp": now + 86_401 }), InvalidToken);
    add("life-year", "365 days", json!({ "exp": now + 365 * 86_400 }), InvalidToken);
    add("life-old", "long ago until soon", json!({ "iat": now - 200_000, "exp": now + 100 }), InvalidToken);
    add(
        "life-no-iat",
        "without iat the rest counts",
        json!({ "iat": null, "exp": now + 2 * 86_400 }),
        InvalidToken,
    );
    add("life-iat-zero", "since 1970", json!({ "iat": 0 }), InvalidToken);
    add("no-iat", "iat is not required", json!({ "iat": null }), Accepted);
    add("no-nbf", "nbf is not required", json!({ "nbf": null }), Accepted);
    add("float", "NumericDate may have a fraction", json!({ "exp": now as f64 + 100.5 }), Accepted);
    for name in ["exp", "nbf", "iat"] {
        for (id, value) in [
            ("text", json!(now.to_string())),
            ("iso", json!("2030-01-01T00:00:00Z")),
            ("true", json!(true)),
            ("list", json!([now])),
            ("object", json!({ "t": now })),
            ("negative", json!(-now)),
            ("minus-one", json!(-1)),
            ("huge", json!(u64::MAX)),
            ("i64", json!(i64::MAX)),
            ("float-huge", json!(1e300)),
            ("milliseconds", json!(now * 1000)),
            ("microseconds", json!(now * 1_000_000)),
        ] {
            add(
                &format!("{name}-{id}"),
                "a date is a number of seconds",
                json!({ name: value }),
                InvalidToken,
            );
        }
    }
    let mut null = world.claims(&world.scorer, "api://small");
    null["exp"] = Value::Null;
    let token = world.key.sign(&world.header().to_string(), null.to_string());
    group.add("exp-null", "null is no date", post(FRONT, &token, &World::row()), InvalidToken);
    group.run();
}

#[test]
fn issuer_and_audience_are_exact() {
    let world = World::get();
    let mut group = Group::new("claims issuer and audience", world.url());
    let base = format!("{}/{}", world.url(), world.tenant);
    let mut add = |id: String, why: &'static str, change: Value, expect: Expect| {
        group.add(id, why, post(FRONT, &changed(&world, &change), &World::row()), expect);
    };
    use Expect::{Accepted, InvalidToken};
    add("v2".into(), "the service's second name", json!({ "iss": format!("{base}/v2.0") }), Accepted);
    for (id, issuer) in [
        ("no-slash", json!(base)),
        ("v2-slash", json!(format!("{base}/v2.0/"))),
        ("v3", json!(format!("{base}/v3.0"))),
        ("slashes", json!(format!("{base}//"))),
        ("upper", json!(format!("{base}/").to_uppercase())),
        ("https", json!(format!("{base}/").replace("http:", "https:"))),
        ("prefix", json!(world.url())),
        ("longer", json!(format!("{base}/x"))),
        ("userinfo", json!(format!("{base}/").replace("http://", "http://a@"))),
        ("localhost", json!(format!("{base}/").replace("127.0.0.1", "localhost"))),
        ("dotted", json!(format!("{base}/./"))),
        (
            "encoded",
            json!(format!("{}/%{:02x}{}/", world.url(), world.tenant.as_bytes()[0], &world.tenant[1..])),
        ),
        ("query", json!(format!("{base}/?a"))),
        ("fragment", json!(format!("{base}/#a"))),
        ("spaced", json!(format!(" {base}/"))),
        ("nul", json!(format!("{base}/\0"))),
        ("empty", json!("")),
        ("missing", Value::Null),
        ("number", json!(1)),
        ("list", json!([format!("{base}/")])),
        ("cloud", json!(format!("https://sts.windows.net/{}/", world.tenant))),
        ("cloud-v2", json!(format!("https://login.microsoftonline.com/{}/v2.0", world.tenant))),
        ("other-tenant", json!(format!("{}/00000000-0000-0000-0000-000000000000/", world.url()))),
    ] {
        add(format!("iss-{id}"), "issuers are compared byte by byte", json!({ "iss": issuer }), InvalidToken);
    }
    add("aud-list".into(), "one of several", json!({ "aud": ["api://else", "api://small"] }), Accepted);
    for (id, audience) in [
        ("missing", Value::Null),
        ("empty", json!("")),
        ("empty-list", json!([])),
        ("prefix", json!("api://sma")),
        ("longer", json!("api://small/")),
        ("sub", json!("api://small/score")),
        ("upper", json!("API://SMALL")),
        ("spaced", json!(" api://small")),
        ("two-in-one", json!("api://small api://other")),
        ("comma", json!("api://small,api://other")),
        ("star", json!("*")),
        ("number", json!(1)),
        ("true", json!(true)),
        ("object", json!({ "aud": "api://small" })),
        ("list-number", json!(["api://small", 1])),
        ("list-null", json!([null, "api://small"])),
        ("list-nested", json!([["api://small"]])),
        ("list-other", json!(["api://else"])),
        ("other-api", json!("api://other")),
        ("control", json!(CONTROL_AUDIENCE)),
        ("client", world.scorer["client_id"].clone()),
        ("graph", json!("https://graph.microsoft.com")),
    ] {
        add(
            format!("aud-{id}"),
            "audiences are compared byte by byte",
            json!({ "aud": audience }),
            InvalidToken,
        );
    }
    group.run();
}

#[test]
fn client_and_token_are_known_and_live() {
    let world = World::get();
    let mut group = Group::new("claims client", world.url());
    use Expect::{InsufficientScope, InvalidToken};
    let mut add = |id: &str, why: &'static str, path: &str, token: &str, expect: Expect| {
        group.add(id, why, post(path, token, &World::row()), expect);
    };
    let none = json!({ "client_id": null, "azp": null, "appid": null });
    add("no-client", "nobody's token", FRONT, &changed(&world, &none), InvalidToken);
    for (id, value) in [
        ("unknown", json!("00000000-0000-0000-0000-000000000000")),
        ("empty", json!("")),
        ("upper", json!(world.scorer["client_id"].as_str().unwrap().to_uppercase())),
        ("name", json!("caller")),
        ("number", json!(1)),
        ("list", json!([world.scorer["client_id"]])),
        ("sql", json!("' OR 1=1 --")),
        ("revoked", world.revoked["client_id"].clone()),
    ] {
        let all = json!({ "client_id": value, "appid": value, "azp": value });
        add(&format!("client-{id}"), "a live client of ours", FRONT, &changed(&world, &all), InvalidToken);
    }
    let own = world.scorer["client_id"].clone();
    let split = json!({ "client_id": world.revoked["client_id"], "appid": own });
    add("client-split", "the first name that is there counts", FRONT, &changed(&world, &split), InvalidToken);
    add(
        "jti-missing",
        "a token that could not be revoked",
        FRONT,
        &changed(&world, &json!({ "jti": null })),
        InvalidToken,
    );
    for (id, value) in [("number", json!(1)), ("list", json!(["a"])), ("object", json!({}))] {
        add(
            &format!("jti-{id}"),
            "an id is text",
            FRONT,
            &changed(&world, &json!({ "jti": value })),
            InvalidToken,
        );
    }
    add("sub-number", "a subject is text", FRONT, &changed(&world, &json!({ "sub": 1 })), InvalidToken);

    let owner = |roles: Value| changed(&world, &json!({ "roles": roles }));
    let path = "/owners/score";
    let forged = &owner(json!(["owner"]));
    add(
        "role-there",
        "the role of now is asked for, not that of the token",
        path,
        forged,
        Expect::InsufficientScope,
    );
    for (id, roles) in [
        ("missing", Value::Null),
        ("other", json!(["scorer"])),
        ("empty", json!([])),
        ("prefix", json!(["own"])),
        ("longer", json!(["owner2"])),
        ("upper", json!(["Owner"])),
        ("spaced", json!(["scorer owner"])),
        ("spaced-text", json!("scorer owner")),
        ("comma", json!("scorer,owner")),
        ("nested", json!([["owner"]])),
        ("object", json!({ "owner": true })),
        ("true", json!(true)),
        ("pattern", json!(["*"])),
    ] {
        add(
            &format!("role-{id}"),
            "a required claim has a whole value",
            path,
            &owner(roles),
            InsufficientScope,
        );
    }
    for (id, value) in
        [("number", json!(2)), ("v1", json!("1.0")), ("text", json!("2.00")), ("list", json!(["1.0"]))]
    {
        let token = changed(&world, &json!({ "ver": value }));
        add(
            &format!("ver-{id}"),
            "a required value is compared as text",
            "/twice/score",
            &token,
            InsufficientScope,
        );
    }
    let bad = changed(&world, &json!({ "aud": "api://other", "roles": ["scorer"] }));
    add("both-wrong", "the audience is judged before the claims", path, &bad, InvalidToken);
    group.run();
}

#[tokio::test]
async fn a_credential_opens_its_own_door_only() {
    let world = World::get();
    let server = world.server();
    let scorer = server.token_for(&world.scorer).await;
    let reader = server.token_for(&world.reader).await;
    let other = server.token_for(&world.other).await;
    let (admin, key) = (server.token.as_str(), world.road.key());
    let other_key = world.other_keys["primaryKey"].as_str().unwrap();
    let secret = |client: &Value| client["client_secret"].as_str().unwrap().to_owned();
    let (scorer_secret, id) = (secret(&world.scorer), world.scorer["client_id"].as_str().unwrap());
    let former = world.token(&world.revoked, "api://small");
    let mut group = Group::new("one credential, one door", world.url());
    use Expect::{Accepted, InvalidToken};
    let doors = [("front", FRONT), ("other", "/team/other/score"), ("direct", DIRECT), ("control", CONTROL)];
    for (who, bearer, opens) in [
        ("scorer", scorer.as_str(), "front"),
        ("other-scorer", &other, "other"),
        ("reader", &reader, "control"),
        ("admin", admin, "control"),
        ("key", key, "direct"),
        ("other-key", other_key, ""),
        ("revoked", &former, ""),
        ("secret", &scorer_secret, ""),
        ("client-id", id, ""),
        ("tenant", &world.tenant, ""),
        ("key-cut", &key[..key.len() - 1], ""),
        ("key-longer", &format!("{key}A"), ""),
        ("key-case", &flipped(key), ""),
        ("admin-cut", &admin[..admin.len() - 1], ""),
        ("admin-case", &flipped(admin), ""),
    ] {
        for (door, path) in doors {
            let bytes = if door == "control" { get(path, bearer) } else { post(path, bearer, &World::row()) };
            let expect = if door == opens { Accepted } else { InvalidToken };
            group.add(format!("{who}-{door}"), "each credential has one door", bytes, expect);
        }
    }
    group.add(
        "other-key-own",
        "its own endpoint",
        post("/endpoints/other/score", other_key, &World::row()),
        Accepted,
    );
    group.run();
}

/// The same text with the case of its first letter turned.
fn flipped(text: &str) -> String {
    let turn = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap();
    let mut chars: Vec<char> = text.chars().collect();
    chars[at] = turn(chars[at]);
    chars.into_iter().collect()
}

#[tokio::test]
async fn a_revoked_token_is_dead_and_others_live() {
    let world = World::get();
    let server = world.server();
    let client =
        server.cli(&["principal", "create", "revoker", "--role", "scorer", "--audience", "api://small"]);
    let (dead, live) = (server.token_for(&client).await, server.token_for(&client).await);
    let revoke = format!(
        "token={dead}&client_id={}&client_secret={}",
        client["client_id"].as_str().unwrap(),
        client["client_secret"].as_str().unwrap()
    );
    let warm = super::wire::talk(world.url(), &post(FRONT, &dead, &World::row()));
    assert_eq!(warm[0].status, 200, "it is in the cache of verified tokens");
    let path = format!("/{}/oauth2/v2.0/revoke", world.tenant);
    let form = ["Content-Type: application/x-www-form-urlencoded"];
    let answer =
        super::wire::talk(world.url(), &super::wire::request("POST", &path, &form, revoke.as_bytes()));
    assert_eq!(answer[0].status, 200);
    let mut group = Group::new("revoked token", world.url());
    group.add("dead", "revoked, though cached", post(FRONT, &dead, &World::row()), Expect::InvalidToken);
    group.add("live", "another token of the client", post(FRONT, &live, &World::row()), Expect::Accepted);
    let claims = world.claims(&client, "api://small");
    let late = world.key.sign(&world.header().to_string(), claims.to_string());
    group.add("forged", "a third of the client", post(FRONT, &late, &World::row()), Expect::Accepted);
    group.run();
    server.cli(&["principal", "revoke", "revoker"]);
    let mut group = Group::new("revoked client", world.url());
    group.add("cached", "its cached token dies", post(FRONT, &live, &World::row()), Expect::InvalidToken);
    group.add("forged", "all of its tokens die", post(FRONT, &late, &World::row()), Expect::InvalidToken);
    group.run();
}
