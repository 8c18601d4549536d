//! Published APIs.

use super::support::{AUDIENCE, Server, name};
use crate::PublishApi;
use crate::jose::to_base64url;
use domain::{Actor, Role, Timestamp};
use serde_json::{Value, json};

const PATH: &str = "/credit/v1/score";

/// A token of the workspace's own key with other claims.
fn forged(server: &Server, client_id: &str, change: impl Fn(&mut Value)) -> String {
    let now = Timestamp::now().seconds();
    let mut claims = json!({
        "iss": format!("{}/{}/", server.gateway.public_url(), server.gateway.tenant()), "aud": AUDIENCE,
        "sub": client_id, "appid": client_id, "jti": "j", "iat": now, "nbf": now, "exp": now + 600, "roles": ["scorer"],
    });
    change(&mut claims);
    server.gateway.signing.sign(&claims).unwrap()
}

#[tokio::test]
async fn a_token_passes_and_nothing_else_does() {
    let server = Server::start().await;
    server.publish("credit/v1", &[]).await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let token = server.token(&client).await;
    let good = server.score(PATH, Some(&token)).await;
    assert_eq!((good.status, good.body.as_str()), (200, r#""{\"result\": [6.0]}""#));
    assert!(!good.head.contains(&server.keys().await.primary));
    let none = server.score(PATH, None).await;
    assert_eq!((none.status, none.header("www-authenticate")), (401, Some("Bearer realm=\"portcullis\"")));
    assert_eq!(none.json()["message"], "JWT not present.");
    assert_eq!(none.json()["statusCode"], 401);
    let key = server.score(PATH, Some(&server.keys().await.primary)).await;
    assert_eq!((key.status, &key.json()["message"]), (401, &"Invalid JWT.".into()));
    // And the other way round: a token does not open the direct door.
    assert_eq!(server.score("/endpoints/double/score", Some(&token)).await.status, 401);
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let server = Server::start().await;
    server.publish("credit/v1", &[]).await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let id = client.client_id.as_str();
    let now = Timestamp::now().seconds();
    assert_eq!(server.score(PATH, Some(&forged(&server, id, |_| {}))).await.status, 200);
    type Change<'a> = (&'static str, &'a dyn Fn(&mut Value));
    let changes: [Change<'_>; 9] = [
        ("expired", &|c| c["exp"] = json!(now - 31)),
        ("early", &|c| c["nbf"] = json!(now + 60)),
        ("future", &|c| c["iat"] = json!(now + 60)),
        ("long", &|c| c["exp"] = json!(now + 90_000)),
        ("audience", &|c| c["aud"] = json!("api://other")),
        ("control", &|c| c["aud"] = json!(crate::CONTROL_AUDIENCE)),
        ("issuer", &|c| c["iss"] = json!("https://evil.example/")),
        ("client", &|c| c["appid"] = json!("nobody")),
        ("no id", &|c| drop(c.as_object_mut().unwrap().remove("jti"))),
    ];
    for (what, change) in changes {
        let answer = server.score(PATH, Some(&forged(&server, id, change))).await;
        assert_eq!((answer.status, &answer.json()["message"]), (401, &"Invalid JWT.".into()), "{what}");
        assert!(answer.header("www-authenticate").unwrap().contains("invalid_token"));
    }
    let good = forged(&server, id, |_| {});
    let parts: Vec<&str> = good.split('.').collect();
    let none = format!("{}.{}.", to_base64url(br#"{"alg":"none","typ":"JWT"}"#), parts[1]);
    let hs = to_base64url(br#"{"alg":"HS256","typ":"JWT"}"#);
    let mut tampered = good.clone().into_bytes();
    let last = tampered.len() - 10;
    tampered[last] = if tampered[last] == b'A' { b'B' } else { b'A' };
    let long = format!("{good}{}", "A".repeat(20_000));
    for bad in [
        none,
        format!("{hs}.{}.{}", parts[1], parts[2]),
        String::from_utf8(tampered).unwrap(),
        format!("{good}="),
        long,
    ] {
        assert_eq!(server.score(PATH, Some(&bad)).await.status, 401, "{bad}");
    }
}

#[tokio::test]
async fn a_revoked_client_or_token_is_refused_at_once() {
    let server = Server::start().await;
    server.publish("credit/v1", &[]).await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let (first, second) = (server.token(&client).await, server.token(&client).await);
    for token in [&first, &second] {
        assert_eq!(server.score(PATH, Some(token)).await.status, 200);
    }
    let form = format!("client_id={}&client_secret={}&token={first}", client.client_id, client.client_secret);
    assert_eq!(server.token_call("oauth2/v2.0/revoke", &form).await.status, 200);
    assert_eq!(server.score(PATH, Some(&first)).await.status, 401);
    assert_eq!(server.score(PATH, Some(&second)).await.status, 200);
    server.gateway.revoke_principal(&name("c"), &Actor::admin()).await.unwrap();
    assert_eq!(server.score(PATH, Some(&second)).await.status, 401);
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        client.client_id, client.client_secret
    );
    assert_eq!(server.token_call("oauth2/token", &form).await.json()["error"], "unauthorized_client");
}

#[tokio::test]
async fn required_claims_are_required() {
    let server = Server::start().await;
    server.publish("credit/v1", &[("roles", "owner")]).await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let answer = server.score(PATH, Some(&server.token(&client).await)).await;
    assert_eq!(answer.status, 403);
    assert!(answer.header("www-authenticate").unwrap().contains("insufficient_scope"));
    server.publish("credit/v1", &[("roles", "scorer")]).await;
    assert_eq!(server.score(PATH, Some(&server.token(&client).await)).await.status, 200);
}

#[tokio::test]
async fn paths_under_an_api_are_its_own() {
    let server = Server::start().await;
    server.publish("credit/v1", &[]).await;
    server.publish("credit", &[]).await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let bearer = format!("Bearer {}", server.token(&client).await);
    for (method, path, status) in [
        ("POST", "/credit/v1/nothing", 404),
        ("DELETE", "/credit/v1/score", 404),
        ("GET", "/credit/v1", 404),
        ("POST", "/credit/v1/score/", 404),
        ("POST", "/credit//score", 404),
        ("POST", "/credit/v1/../score", 404),
        ("GET", "/credit/v1/swagger.json", 200),
        ("GET", "/credit/openapi.json", 200),
        ("POST", "/credit%2Fv1/score", 404),
        ("POST", "/nothing/score", 404),
    ] {
        let answer = server.call(method, path, &[("Authorization", &bearer)], "").await;
        assert_eq!(answer.status, status, "{method} {path} {}", answer.body);
        if status == 404 {
            assert_eq!(answer.json()["message"], "Resource not found");
        }
    }
    assert_eq!(server.call("GET", "/credit/v1/openapi.json", &[], "").await.status, 401);
    let former = server.gateway.api("credit/v1").await.unwrap().unwrap();
    server.gateway.unpublish("credit/v1", Some(&former), &Actor::admin()).await.unwrap();
    assert_eq!(server.score(PATH, None).await.status, 404);
}

#[tokio::test]
async fn publishing_is_refused_without_audience_or_over_reserved_paths() {
    let server = Server::start().await;
    let tenant = server.gateway.tenant().to_owned();
    let ask = |path: &str, audiences: &[&str]| PublishApi {
        path: path.into(),
        endpoint: name("double"),
        policy: domain::Policy {
            audiences: audiences.iter().map(|a| (*a).to_owned()).collect(),
            ..domain::Policy::default()
        },
    };
    for bad in [ask("credit", &[]), ask("endpoints/x", &["a"]), ask(&tenant, &["a"]), ask("a/score", &["a"])]
    {
        let fault = server.gateway.publish(bad.clone(), &Actor::admin()).await.unwrap_err();
        assert_eq!(fault.code, domain::ErrorCode::InvalidInput, "{bad:?}");
    }
    let mut nobody = ask("credit", &["a"]);
    nobody.endpoint = name("nobody");
    assert_eq!(
        server.gateway.publish(nobody, &Actor::admin()).await.unwrap_err().code,
        domain::ErrorCode::NotFound
    );
    assert!(server.gateway.apis().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_log_tells_the_api_and_the_caller_and_no_secret() {
    let server = Server::start().await;
    server.publish("credit/v1", &[]).await;
    let client = server.principal("caller", Role::Scorer, Some(AUDIENCE)).await;
    let token = server.token(&client).await;
    server.score(PATH, Some(&token)).await;
    server.score(PATH, None).await;
    let json = serde_json::to_value(server.rows().await).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 2, "{json}");
    for (member, value) in [("ApiPath", "credit/v1"), ("Principal", "caller"), ("AuthType", "AADToken")] {
        assert_eq!(json[0][member], value, "{json}");
    }
    assert_eq!(json[1]["ResponseCode"], 401);
    assert!(!json.to_string().contains(&token) && !json.to_string().contains(&client.client_secret));
}

/// Nanoseconds this thread has computed; 0 where that cannot be told.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn the_check_of_a_warm_token_is_cheap() {
    let server = Server::start().await;
    server.publish("credit/v1", &[]).await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let token = server.token(&client).await;
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    let check = |cold: bool| {
        let snapshot = server.gateway.snapshot.load();
        let (api, _) = snapshot.api("credit/v1/score").unwrap();
        let token = crate::bearer::bearer(&headers).unwrap();
        let now = Timestamp::now().seconds();
        let issuers = &server.gateway.issuers;
        let claims = if cold {
            issuers.judge(token, now).unwrap().claims
        } else {
            issuers.verify(token, now).unwrap().claims.clone()
        };
        assert!(snapshot.owner(&claims).is_some() && claims.is_for(&api.policy.audiences));
        assert!(claims.fulfil(&api.policy.required_claims));
    };
    for (what, cold, times) in [("warm", false, 20_000), ("first sight", true, 2_000)] {
        check(cold);
        let start = cpu_ns();
        (0..times).for_each(|_| check(cold));
        println!("{what}: {} ns of CPU a check", (cpu_ns() - start) / times);
    }
}

#[tokio::test]
async fn a_path_that_is_not_published_is_told_to_those_who_are_known() {
    let server = Server::start().await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let token = server.token(&client).await;
    for path in ["/credit/score", "/credit", "/nothing/at/all"] {
        let unknown = server.call("POST", path, &[], "{}").await;
        assert_eq!((unknown.status, &unknown.json()["message"]), (401, &json!("JWT not present.")), "{path}");
        assert_eq!(unknown.header("www-authenticate"), Some("Bearer realm=\"portcullis\""));
        let bad = server.call("POST", path, &[("Authorization", "Bearer x.y.z")], "{}").await;
        assert_eq!(bad.status, 401);
        assert!(bad.header("www-authenticate").unwrap().contains("invalid_token"));
        let known = server.call("POST", path, &[("Authorization", &format!("Bearer {token}"))], "{}").await;
        let told = known.json();
        assert_eq!((known.status, &told["message"]), (404, &json!("Resource not found")), "{path}");
        assert_eq!(told["statusCode"], 404);
        assert_eq!(server.admin("GET", path, "").await.status, 404);
    }
    server.gateway.revoke_principal(&client.name, &Actor::admin()).await.unwrap();
    let revoked =
        server.call("GET", "/credit/score", &[("Authorization", &format!("Bearer {token}"))], "").await;
    assert_eq!(revoked.status, 401);
}
