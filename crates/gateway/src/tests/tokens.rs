//! The token service.

use super::support::{AUDIENCE, Answer, Server};
use crate::CreatedPrincipal;
use crate::jose::{Algorithm, KeySet, base64url};
use base64::Engine;
use domain::Role;
use serde_json::{Value, json};

async fn grant(server: &Server, path: &str, client: &CreatedPrincipal, more: &str) -> Answer {
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}{more}",
        client.client_id, client.client_secret
    );
    server.token_call(path, &form).await
}

fn claims(answer: &Answer) -> Value {
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    serde_json::from_slice(&base64url(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn version_1_answers_in_text() {
    let server = Server::start().await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let answer = grant(&server, "oauth2/token", &client, "").await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    let body = answer.json();
    for (member, value) in
        [("token_type", "Bearer"), ("expires_in", "3599"), ("ext_expires_in", "3599"), ("resource", AUDIENCE)]
    {
        assert_eq!(body[member], value, "{body}");
    }
    assert!(body["expires_on"].is_string() && body["not_before"].is_string());
    let claims = claims(&answer);
    let tenant = server.gateway.tenant();
    assert_eq!(claims["iss"], format!("{}/{tenant}/", server.gateway.public_url()));
    for (member, value) in [
        ("aud", AUDIENCE),
        ("appid", &client.client_id),
        ("sub", &client.client_id),
        ("tid", tenant),
        ("ver", "1.0"),
    ] {
        assert_eq!(claims[member], value, "{claims}");
    }
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3599);
    assert_eq!(claims["roles"], json!(["scorer"]));
    let named = grant(&server, "oauth2/token", &client, "&resource=api%3A%2F%2Fdouble").await;
    assert_eq!(named.status, 200);
}

#[tokio::test]
async fn version_2_answers_in_numbers_and_both_pass_one_api() {
    let server = Server::start().await;
    server.publish("credit", &[]).await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let answer = grant(&server, "oauth2/v2.0/token", &client, "&scope=api%3A%2F%2Fdouble%2F.default").await;
    let body = answer.json();
    assert_eq!((&body["expires_in"], &body["token_type"]), (&json!(3599), &json!("Bearer")), "{body}");
    assert!(body.get("resource").is_none());
    let claims = claims(&answer);
    assert_eq!((&claims["ver"], &claims["azp"]), (&json!("2.0"), &json!(client.client_id)));
    assert!(claims["iss"].as_str().unwrap().ends_with("/v2.0"));
    for token in [body["access_token"].as_str().unwrap(), &server.token(&client).await] {
        assert_eq!(server.score("/credit/score", Some(token)).await.status, 200);
    }
}

#[tokio::test]
async fn a_client_gets_tokens_for_its_own_audience_only() {
    let server = Server::start().await;
    let scorer = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let v1 = grant(&server, "oauth2/token", &scorer, "&resource=api%3A%2F%2Fother").await;
    assert_eq!((v1.status, &v1.json()["error"]), (400, &json!("invalid_resource")));
    for scope in
        ["api%3A%2F%2Fother%2F.default", "api%3A%2F%2Fdouble", "urn%3Aportcullis%3Acontrol%2F.default"]
    {
        let v2 = grant(&server, "oauth2/v2.0/token", &scorer, &format!("&scope={scope}")).await;
        assert_eq!((v2.status, &v2.json()["error"]), (400, &json!("invalid_scope")), "{scope}");
    }
    let reader = server.principal("r", Role::Reader, Some(AUDIENCE)).await;
    let control =
        grant(&server, "oauth2/v2.0/token", &reader, "&scope=urn%3Aportcullis%3Acontrol%2F.default").await;
    assert_eq!(control.status, 200);
}

#[tokio::test]
async fn failures_have_the_known_shapes() {
    let server = Server::start().await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let (id, secret) = (&client.client_id, &client.client_secret);
    let cases = [
        (
            format!("grant_type=client_credentials&client_id={id}&client_secret=wrong"),
            401,
            "invalid_client",
            7_000_215,
        ),
        (format!("grant_type=client_credentials&client_id={id}"), 401, "invalid_client", 7_000_218),
        (
            format!("grant_type=client_credentials&client_id=nobody&client_secret={secret}"),
            400,
            "unauthorized_client",
            700_016,
        ),
        (
            format!("grant_type=password&client_id={id}&client_secret={secret}"),
            400,
            "unsupported_grant_type",
            70003,
        ),
        (format!("client_id={id}&client_secret={secret}"), 400, "invalid_request", 900_144),
        ("grant_type=client_credentials".to_owned(), 400, "invalid_request", 900_144),
        (
            format!("grant_type=client_credentials&client_id={id}&client_id={id}&client_secret={secret}"),
            400,
            "invalid_request",
            90015,
        ),
    ];
    for (form, status, error, number) in cases {
        for path in ["oauth2/token", "oauth2/v2.0/token"] {
            let answer = server.token_call(path, &form).await;
            let body = answer.json();
            assert_eq!(
                (answer.status, &body["error"], &body["error_codes"]),
                (status, &json!(error), &json!([number])),
                "{form}"
            );
            let text = body["error_description"].as_str().unwrap();
            assert!(
                text.starts_with(&format!("AADSTS{number}: ")) && text.contains("\r\nTrace ID: "),
                "{text}"
            );
            assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
        }
    }
    let path = format!("/{}/oauth2/token", server.gateway.tenant());
    assert_eq!(server.call("POST", &path, &[("Content-Type", "application/json")], "{}").await.status, 400);
    assert_eq!(server.call("GET", &path, &[], "").await.status, 405);
}

#[tokio::test]
async fn basic_and_body_both_work_but_not_together() {
    let server = Server::start().await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let pair = format!("{}:{}", client.client_id, client.client_secret);
    let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    let path = format!("/{}/oauth2/v2.0/token", server.gateway.tenant());
    let headers = [
        ("Authorization", basic.as_str()),
        ("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8"),
    ];
    assert_eq!(server.call("POST", &path, &headers, "grant_type=client_credentials").await.status, 200);
    let unknown = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("nobody:x"));
    let unknown = [("Authorization", unknown.as_str()), headers[1]];
    let unknown = server.call("POST", &path, &unknown, "grant_type=client_credentials").await;
    assert_eq!((unknown.status, &unknown.json()["error"]), (401, &json!("invalid_client")));
    assert!(unknown.header("www-authenticate").unwrap().starts_with("Basic "));
    let both = format!("grant_type=client_credentials&client_secret={}", client.client_secret);
    let both = server.call("POST", &path, &headers, &both).await;
    assert_eq!((both.status, &both.json()["error"]), (400, &json!("invalid_request")));
}

#[tokio::test]
async fn guessing_is_locked_out() {
    let server = Server::start().await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let wrong = format!("grant_type=client_credentials&client_id={}&client_secret=guess", client.client_id);
    for _ in 0..5 {
        assert_eq!(server.token_call("oauth2/token", &wrong).await.status, 401);
    }
    let locked = grant(&server, "oauth2/token", &client, "").await;
    assert_eq!((locked.status, locked.header("retry-after").is_some()), (429, true));
    let other = server.principal("d", Role::Scorer, Some(AUDIENCE)).await;
    assert_eq!(grant(&server, "oauth2/token", &other, "").await.status, 200);
}

#[tokio::test]
async fn discovery_leads_to_the_keys_that_verify() {
    let server = Server::start().await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let base = server.gateway.public_url().to_owned();
    for (path, issuer) in
        [(".well-known/openid-configuration", "/"), ("v2.0/.well-known/openid-configuration", "/v2.0")]
    {
        let path = format!("/{}/{path}", server.gateway.tenant());
        let document = server.call("GET", &path, &[], "").await.json();
        assert_eq!(document["issuer"], format!("{base}/{}{issuer}", server.gateway.tenant()));
        assert!(document["token_endpoint"].as_str().unwrap().starts_with(&base));
        let keys = document["jwks_uri"].as_str().unwrap().strip_prefix(&base).unwrap().to_owned();
        let keys = server.call("GET", &keys, &[], "").await;
        assert!(!keys.body.contains("\"d\""));
        let set = KeySet::parse(keys.body.as_bytes()).unwrap();
        let token = server.token(&client).await;
        assert!(crate::jose::verify(&token, &set, &Algorithm::GATE).is_ok());
        let kept = crate::Expectations { audience: Some(AUDIENCE.into()), ..crate::Expectations::default() };
        let now = domain::Timestamp::now().seconds();
        assert!(crate::verify_token(keys.body.as_bytes(), &token, &kept, now).unwrap().unwrap().is_some());
        let other = crate::Expectations { issuer: Some("x".into()), ..crate::Expectations::default() };
        assert!(crate::verify_token(keys.body.as_bytes(), &token, &other, now).unwrap().is_err());
    }
}

#[tokio::test]
async fn introspection_tells_the_owner_only() {
    let server = Server::start().await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let other = server.principal("o", Role::Scorer, Some("api://other")).await;
    let token = server.token(&client).await;
    let ask = async |who: &CreatedPrincipal, token: &str| {
        let form = format!("client_id={}&client_secret={}&token={token}", who.client_id, who.client_secret);
        server.token_call("oauth2/v2.0/introspect", &form).await
    };
    let mine = ask(&client, &token).await.json();
    assert_eq!((&mine["active"], &mine["username"]), (&json!(true), &json!("c")), "{mine}");
    assert_eq!(ask(&other, &token).await.json(), json!({"active": false}));
    assert_eq!(ask(&client, "garbage").await.json(), json!({"active": false}));
    let anonymous = server.token_call("oauth2/v2.0/introspect", &format!("token={token}")).await;
    assert_eq!(anonymous.status, 400);
}

#[tokio::test]
async fn metadata_stands_where_each_standard_puts_it() {
    let server = Server::start().await;
    let (base, tenant) = (server.gateway.public_url().to_owned(), server.gateway.tenant().to_owned());
    let get = async |path: String| server.call("GET", &path, &[], "").await;
    let resource = get("/.well-known/oauth-protected-resource".to_owned()).await.json();
    assert_eq!(resource["authorization_servers"][0], format!("{base}/{tenant}/v2.0"));
    for (issuer, paths) in [
        (
            format!("{base}/{tenant}/v2.0"),
            [
                format!("/.well-known/oauth-authorization-server/{tenant}/v2.0"),
                format!("/{tenant}/v2.0/.well-known/oauth-authorization-server"),
            ],
        ),
        (
            format!("{base}/{tenant}/"),
            [
                format!("/.well-known/oauth-authorization-server/{tenant}"),
                format!("/{tenant}/.well-known/oauth-authorization-server"),
            ],
        ),
    ] {
        for path in paths {
            let document = get(path.clone()).await.json();
            assert_eq!(document["issuer"], issuer, "{path}");
            for member in ["token_endpoint", "jwks_uri", "introspection_endpoint", "revocation_endpoint"] {
                assert!(document[member].as_str().unwrap().starts_with(&base), "{member} {document}");
            }
            for member in [
                "grant_types_supported",
                "response_types_supported",
                "scopes_supported",
                "token_endpoint_auth_methods_supported",
            ] {
                assert!(!document[member].as_array().unwrap().is_empty(), "{member} {document}");
            }
            assert_eq!(server.call("POST", &path, &[], "").await.status, 405);
        }
    }
    assert_eq!(get("/.well-known/oauth-authorization-server/other".to_owned()).await.status, 401);
}

#[tokio::test]
async fn version_2_tokens_are_of_rfc_9068_and_live_as_long_as_asked() {
    let server = Server::start().await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let header = |answer: &Answer| -> Value {
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        serde_json::from_slice(&base64url(token.split('.').next().unwrap()).unwrap()).unwrap()
    };
    let v2 = grant(&server, "oauth2/v2.0/token", &client, "&expires_in=60").await;
    assert_eq!((header(&v2)["typ"].as_str(), &v2.json()["expires_in"]), (Some("at+jwt"), &json!(60)));
    let claims = claims(&v2);
    for member in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti", "scope", "roles"] {
        assert!(claims.get(member).is_some(), "{member} {claims}");
    }
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    let v1 = grant(&server, "oauth2/token", &client, "").await;
    assert_eq!(header(&v1)["typ"], "JWT");
    for wrong in ["0", "59", "86401", "-1", "x", "60.5"] {
        let answer = grant(&server, "oauth2/token", &client, &format!("&expires_in={wrong}")).await;
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("invalid_request")), "{wrong}");
    }
}

#[tokio::test]
async fn a_client_revokes_its_own_tokens_and_an_owner_all() {
    let server = Server::start().await;
    server.publish("credit", &[]).await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let other = server.principal("o", Role::Contributor, Some(AUDIENCE)).await;
    let owner = server.principal("w", Role::Owner, None).await;
    let ask = async |what: &str, who: &CreatedPrincipal, token: &str| {
        let form = format!(
            "client_id={}&client_secret={}&token={token}&token_type_hint=refresh_token",
            who.client_id, who.client_secret
        );
        server.token_call(&format!("oauth2/v2.0/{what}"), &form).await
    };
    let (first, second) = (server.token(&client).await, server.token(&client).await);
    let foreign = ask("revoke", &other, &first).await;
    assert_eq!((foreign.status, &foreign.json()["error"]), (400, &json!("unauthorized_client")));
    assert_eq!(server.score("/credit/score", Some(&first)).await.status, 200);
    assert_eq!(ask("revoke", &client, &first).await.status, 200);
    assert_eq!(ask("introspect", &client, &first).await.json(), json!({"active": false}));
    assert_eq!(ask("revoke", &owner, &second).await.status, 200);
    for token in [&first, &second] {
        assert_eq!(server.score("/credit/score", Some(token)).await.status, 401);
        assert_eq!(ask("revoke", &client, token).await.status, 200);
    }
    assert_eq!(ask("revoke", &client, "unknown").await.status, 200);
    let third = server.token(&client).await;
    assert_eq!(ask("introspect", &owner, &third).await.json()["active"], true);
    let missing = ask("revoke", &client, "").await;
    assert_eq!((missing.status, &missing.json()["error"]), (400, &json!("invalid_request")));
}

#[tokio::test]
async fn two_secrets_live_until_the_next_rotation_or_their_end() {
    let server = Server::start().await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let by = domain::Actor::admin();
    let status = async |secret: &str| {
        let form =
            format!("grant_type=client_credentials&client_id={}&client_secret={secret}", client.client_id);
        server.token_call("oauth2/token", &form).await.status
    };
    let rotate = async |span: Option<u64>| {
        let expires_in = span.map(|ms| domain::Span(std::time::Duration::from_millis(ms)));
        server.gateway.rotate_secret(&client.name, crate::RotateSecret { expires_in }, &by).await.unwrap()
    };
    let second = rotate(None).await.client_secret;
    assert_eq!((status(&client.client_secret).await, status(&second).await), (200, 200));
    let third = rotate(Some(3_600_000)).await;
    assert!(third.expires.is_some());
    assert_eq!((status(&client.client_secret).await, status(&second).await), (401, 200));
    server.gateway.revoke_former_secret(&client.name, &by).await.unwrap();
    assert_eq!((status(&second).await, status(&third.client_secret).await), (401, 200));
    // A part of a second is none: it has ended by now.
    let fourth = rotate(Some(1)).await.client_secret;
    assert_eq!((status(&fourth).await, status(&third.client_secret).await), (401, 200));
    let mut told = server.gateway.principal(&client.name).await.unwrap().secrets;
    for _ in 0..500 {
        if told[1].used.is_some() {
            break;
        }
        tokio::task::yield_now().await;
        told = server.gateway.principal(&client.name).await.unwrap().secrets;
    }
    assert!(told[1].used.is_some() && told[0].used.is_none(), "{told:?}");
}

#[tokio::test]
async fn a_lock_out_is_told_once_in_the_ledger() {
    let server = Server::start().await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    for id in [client.client_id.as_str(), "made-up"] {
        for _ in 0..8 {
            let form = format!("grant_type=client_credentials&client_id={id}&client_secret=guess");
            server.token_call("oauth2/token", &form).await;
        }
    }
    let ledger = serde_json::to_value(server.store.ledger(0, 100).await.unwrap()).unwrap();
    let lines: Vec<_> = ledger.as_array().unwrap().iter().filter(|l| l["action"] == "lock out").collect();
    assert_eq!((lines.len(), &lines[0]["subject"]), (1, &json!("c")), "{ledger}");
    assert!(server.gateway.metrics.render("").1.contains("locked_out"));
}

#[tokio::test]
async fn a_client_that_asks_for_too_many_tokens_waits_and_others_do_not() {
    let server = Server::start_with(|o| o.rate.grants = 3).await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let other = server.principal("d", Role::Scorer, Some(AUDIENCE)).await;
    let ask = async |client: &crate::CreatedPrincipal, path: &str| {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            client.client_id, client.client_secret
        );
        server.token_call(path, &form).await
    };
    for n in 0..3 {
        assert_eq!(ask(&client, "oauth2/token").await.status, 200, "{n}");
    }
    for path in ["oauth2/token", "oauth2/v2.0/token"] {
        let refused = ask(&client, path).await;
        assert_eq!(refused.status, 429);
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=61).contains(&wait), "{wait}");
        let told = refused.json();
        assert_eq!(told["error"], "temporarily_unavailable");
        assert!(told["error_description"].as_str().unwrap().contains("too many tokens"), "{told}");
    }
    assert_eq!(ask(&other, "oauth2/token").await.status, 200);
    // A wrong secret is told as such, whatever was granted before.
    let form = format!("grant_type=client_credentials&client_id={}&client_secret=wrong", client.client_id);
    assert_eq!(server.token_call("oauth2/token", &form).await.status, 401);
}
