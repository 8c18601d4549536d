//! The token service's rows (AD) against the running binary.

use crate::contracts::{Answer, call};
use crate::support::{Road, Server};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::{Value, json};

/// A client of the token service, as it is told its credentials.
struct Client<'a> {
    /// Server and tenant, without the route.
    tenant: &'a str,
    id: &'a str,
    secret: &'a str,
}

impl Client<'_> {
    async fn ask(&self, route: &str, body: &str) -> Answer {
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        call(Method::POST, &format!("{}/{route}", self.tenant), &kind, body).await
    }

    fn form(&self) -> String {
        format!("grant_type=client_credentials&client_id={}&client_secret={}", self.id, self.secret)
    }
}

/// Header or claims of a token.
fn part(token: &Value, at: usize) -> Value {
    let text = token.as_str().unwrap().split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

#[tokio::test]
async fn the_token_service_answers_as_its_clients_expect() {
    let road = Road::walk();
    let text = |member: &str| road.principal[member].as_str().unwrap();
    let tenant = text("token_url").strip_suffix("/oauth2/token").unwrap();
    assert!(tenant.ends_with(text("tenant")), "AD-01: /{{tenant}}/oauth2/token");
    let client = Client { tenant, id: text("client_id"), secret: text("client_secret") };
    let first = version_1(&client).await;
    let second = version_2(&client).await;
    failures(&client).await;
    discovery(&client, &first, &second).await;
    both_pass(&road.server, &first, &second).await;
}

async fn version_1(client: &Client<'_>) -> Value {
    // Exactly the three members, and neither resource nor scope.
    let answer = client.ask("oauth2/token", &client.form()).await;
    assert_eq!(answer.status, 200, "AD-01: {}", answer.body);
    assert!(answer.header("content-type").unwrap().starts_with("application/json"), "AD-02");
    let body = answer.json();
    for (member, expected) in [
        ("token_type", "Bearer"),
        ("expires_in", "3599"),
        ("ext_expires_in", "3599"),
        ("resource", "api://small"),
    ] {
        assert_eq!(body[member], json!(expected), "AD-02 {member}");
    }
    for member in ["expires_on", "not_before"] {
        let seconds = body[member].as_str().unwrap_or_else(|| panic!("AD-02: {member} is text"));
        assert!(seconds.parse::<i64>().is_ok_and(|s| s > 1_600_000_000), "AD-02 {member}: {seconds}");
    }
    assert_eq!(part(&body["access_token"], 1)["aud"], json!("api://small"), "AD-01: the default audience");
    let named = client.ask("oauth2/token", &format!("{}&resource=api%3A%2F%2Fsmall", client.form())).await;
    assert_eq!(named.status, 200, "AD-01 with a resource: {}", named.body);
    body["access_token"].clone()
}

async fn version_2(client: &Client<'_>) -> Value {
    let scoped = format!("{}&scope=api%3A%2F%2Fsmall%2F.default", client.form());
    let answer = client.ask("oauth2/v2.0/token", &scoped).await;
    assert_eq!(answer.status, 200, "AD-03: {}", answer.body);
    let body = answer.json();
    for (member, expected) in
        [("token_type", json!("Bearer")), ("expires_in", json!(3599)), ("ext_expires_in", json!(3599))]
    {
        assert_eq!(body[member], expected, "AD-03 {member}");
    }
    body["access_token"].clone()
}

async fn failures(client: &Client<'_>) {
    let with = |id: &str, secret: &str, grant: &str| {
        format!("grant_type={grant}&client_id={id}&client_secret={secret}")
    };
    let grant = "client_credentials";
    for (form, status, error, number) in [
        (with(client.id, "wrong", grant), 401, "invalid_client", 7_000_215),
        (
            with("00000000-0000-0000-0000-000000000000", client.secret, grant),
            400,
            "unauthorized_client",
            700_016,
        ),
        (with(client.id, client.secret, "password"), 400, "unsupported_grant_type", 70003),
        (format!("grant_type={grant}&client_id={}", client.id), 401, "invalid_client", 7_000_218),
        (format!("client_id={}&client_secret={}", client.id, client.secret), 400, "invalid_request", 900_144),
    ] {
        for route in ["oauth2/token", "oauth2/v2.0/token"] {
            let answer = client.ask(route, &form).await;
            let place = format!("AD-04 {route} {error} {number}: {}", answer.body);
            assert_eq!(answer.status, status, "{place}");
            let body = answer.json();
            assert_eq!((&body["error"], &body["error_codes"]), (&json!(error), &json!([number])), "{place}");
            let lines: Vec<&str> = body["error_description"].as_str().unwrap().split("\r\n").collect();
            let heads = [
                format!("AADSTS{number}:"),
                "Trace ID: ".into(),
                "Correlation ID: ".into(),
                "Timestamp: ".into(),
            ];
            assert_eq!(lines.len(), heads.len(), "{place}");
            assert!(lines.iter().zip(&heads).all(|(line, head)| line.starts_with(head)), "{place}");
            for (line, member) in [(1, "trace_id"), (2, "correlation_id"), (3, "timestamp")] {
                assert!(lines[line].ends_with(body[member].as_str().unwrap()), "{place}");
            }
            assert!(!answer.body.contains(client.secret), "AD-04: the secret comes back");
        }
    }
}

async fn discovery(client: &Client<'_>, first: &Value, second: &Value) {
    for (route, issuer, token_route, token) in [
        (".well-known/openid-configuration", "/", "oauth2/token", first),
        ("v2.0/.well-known/openid-configuration", "/v2.0", "oauth2/v2.0/token", second),
    ] {
        let answer = call(Method::GET, &format!("{}/{route}", client.tenant), &[], "").await;
        assert_eq!(answer.status, 200, "AD-05 {route}");
        let document = answer.json();
        assert_eq!(document["issuer"], json!(format!("{}{issuer}", client.tenant)), "AD-05 {route}");
        assert_eq!(document["token_endpoint"], json!(format!("{}/{token_route}", client.tenant)), "AD-05");
        let keys = call(Method::GET, document["jwks_uri"].as_str().unwrap(), &[], "").await.json();
        let header = part(token, 0);
        assert_eq!(header["alg"], json!("RS256"), "AD-05");
        let key = keys["keys"].as_array().unwrap().iter().find(|k| k["kid"] == header["kid"]);
        let key = key.unwrap_or_else(|| panic!("AD-05 {route}: {header} is not in {keys}"));
        assert_eq!((&key["kty"], &key["use"]), (&json!("RSA"), &json!("sig")), "AD-05");
        assert!(key["n"].is_string() && key["e"].is_string() && key["d"].is_null(), "AD-05");
        assert_eq!(part(token, 1)["iss"], document["issuer"], "AD-05 {route}");
    }
}

async fn both_pass(server: &Server, first: &Value, second: &Value) {
    let body = json!({ "data": [Road::row()] });
    for (token, which) in [(first, "v1"), (second, "v2")] {
        let (status, answer) = server.post("/team/small/score", token.as_str(), &body).await;
        assert_eq!(status, 200, "AD-06 {which}: {answer}");
    }
}
