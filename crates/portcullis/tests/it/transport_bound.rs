//! Tokens bound to a client certificate (RFC 8705 §3): good over the connection that shows it, and nowhere else.

use crate::attacks::forge::{Ec, b64};
use crate::support::Road;
use crate::transport::{Authority, client, connect, status, talk};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

const ISSUER: &str = "urn:bank";

/// A token of the bank with this confirmation.
fn token(key: &Ec, audience: &str, cnf: Option<Value>) -> String {
    let now = domain::Timestamp::now().seconds();
    let mut claims = json!({"iss": ISSUER, "aud": audience, "sub": "teller", "iat": now, "exp": now + 600, "grants": ["owner"]});
    if let Some(cnf) = cnf {
        claims["cnf"] = cnf;
    }
    key.sign(r#"{"alg":"ES256","kid":"k","typ":"JWT"}"#, &claims.to_string())
}

fn thumbprint(pem: &str) -> String {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    b64(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der))
}

#[tokio::test]
async fn a_bound_token_passes_only_over_its_own_connection() {
    let folder = tempfile::tempdir().unwrap();
    let people = Authority::new("people");
    let (own, other) = (people.sign("teller", &["t.example"]), people.sign("guest", &["g.example"]));
    let (ca, keys) = (folder.path().join("people.pem"), folder.path().join("keys.json"));
    std::fs::write(&ca, &people.pem).unwrap();
    let key = Ec::new();
    let mut jwk = key.jwk();
    jwk["kid"] = json!("k");
    std::fs::write(&keys, json!({ "keys": [jwk] }).to_string()).unwrap();
    let road = Road::walk_with(&[
        ("LISTEN__TLS__GENERATE", "true"),
        ("LISTEN__TLS__CLIENTS__MODE", "optional"),
        ("LISTEN__TLS__CLIENTS__CA", ca.to_str().unwrap()),
    ]);
    let server = &road.server;
    let audience = "api://bank";
    let add = ["issuer", "add", ISSUER, "--audience", audience, "--jwks-file", keys.to_str().unwrap()];
    server.cli(&[&add[..], &["--role-claim", "grants", "--role", "owner=owner"]].concat());
    let publish = ["api", "publish", "--endpoint", "small", "--path", "bank", "--audience", audience];
    server.cli(&[&publish[..], &["--issuer", ISSUER]].concat());
    let trusted = std::fs::read_to_string(server.certificate.as_ref().unwrap()).unwrap();
    let bound = json!({ "x5t#S256": thumbprint(&own.0) });
    let body = json!({ "data": [Road::row()] }).to_string();
    let cases = [
        (Some(bound.clone()), Some(&own), 200),
        (Some(bound.clone()), Some(&other), 401),
        (Some(bound), None, 401),
        (None, None, 200),
        (None, Some(&other), 200),
        (Some(json!({ "jkt": "abc" })), Some(&own), 401),
        (Some(json!({ "x5t#S256": "" })), Some(&own), 401),
        (Some(json!("abc")), Some(&own), 401),
    ];
    for (cnf, identity, expected) in cases {
        let token = token(&key, audience, cnf.clone());
        let score = format!(
            "POST /bank/score HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let control = format!(
            "GET /api/v1/endpoints HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        for request in [score, control] {
            let stream = connect(&server.address(), client(&trusted, identity, &["http/1.1"])).await.unwrap();
            let answer = talk(stream, request.as_bytes()).await;
            assert_eq!(status(&answer), expected, "{cnf:?} {}\n{answer}", identity.is_some());
            if expected == 401 {
                assert!(answer.contains("error=\"invalid_token\""), "{answer}");
            }
        }
    }
}
