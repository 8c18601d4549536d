//! Where credentials may come from: one Authorization header with a bearer token, and nothing else (RFC 6750 §2).

use super::forge::b64;
use super::wire::request;
use super::world::{CONTROL, CONTROL_AUDIENCE, DIRECT, FRONT, World};
use super::{Expect, Group};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const JSON: &str = "Content-Type: application/json";

/// A door and a credential that opens it.
struct Door {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    good: String,
}

impl Door {
    fn all(world: &World) -> [Self; 3] {
        [
            Self { name: "front", method: "POST", path: FRONT, good: world.good() },
            Self { name: "direct", method: "POST", path: DIRECT, good: world.road.key().to_owned() },
            Self {
                name: "control",
                method: "GET",
                path: CONTROL,
                good: world.token(&world.reader, CONTROL_AUDIENCE),
            },
        ]
    }

    /// A request with these lines; `target` replaces the path.
    fn asked(&self, target: Option<&str>, lines: &[&str]) -> Vec<u8> {
        let body = if self.method == "POST" { World::row() } else { String::new() };
        let lines: Vec<&str> = lines.iter().copied().chain([JSON]).collect();
        request(self.method, target.unwrap_or(self.path), &lines, body.as_bytes())
    }
}

#[test]
fn only_one_authorization_header_counts() {
    let world = World::get();
    let mut group = Group::new("credential sources", world.url());
    use Expect::{Accepted, InvalidRequest, NoCredentials, Status};
    for door in Door::all(&world) {
        let good = &door.good;
        let bearer = format!("Authorization: Bearer {good}");
        let mut add = |id: &str, why: &'static str, lines: &[&str], expect: Expect| {
            group.add(format!("{}-{id}", door.name), why, door.asked(None, lines), expect);
        };
        for (id, line) in [
            ("good", bearer.clone()),
            ("lower-scheme", format!("Authorization: bearer {good}")),
            ("upper-scheme", format!("Authorization: BEARER {good}")),
            ("mixed-scheme", format!("Authorization: bEaReR {good}")),
            ("lower-name", format!("authorization: Bearer {good}")),
            ("upper-name", format!("AUTHORIZATION: Bearer {good}")),
            ("no-space-after-colon", format!("Authorization:Bearer {good}")),
            ("trailing-space", format!("Authorization: Bearer {good}   ")),
            ("spaces", format!("Authorization: Bearer   {good}")),
        ] {
            add(id, "allowed spellings", &[&line], Accepted);
        }
        add("none", "nothing sent", &[], NoCredentials);
        for (id, line) in [
            ("scheme-only", "Authorization: Bearer".to_owned()),
            ("scheme-space", "Authorization: Bearer ".to_owned()),
            ("empty", "Authorization: ".to_owned()),
            ("token-only", format!("Authorization: {good}")),
            ("no-space", format!("Authorization: Bearer{good}")),
            ("tab", format!("Authorization: Bearer\t{good}")),
            ("colon", format!("Authorization: Bearer:{good}")),
            ("equals", format!("Authorization: Bearer={good}")),
            ("scheme-longer", format!("Authorization: Bearers {good}")),
            ("token-scheme", format!("Authorization: Token {good}")),
            ("apikey-scheme", format!("Authorization: ApiKey {good}")),
            ("jwt-scheme", format!("Authorization: JWT {good}")),
            ("dpop-scheme", format!("Authorization: DPoP {good}")),
            ("basic", format!("Authorization: Basic {}", STANDARD.encode(format!("Bearer:{good}")))),
            ("basic-token", format!("Authorization: Basic {good}")),
            ("negotiate", format!("Authorization: Negotiate {}", b64(good))),
            ("x-authorization", format!("X-Authorization: Bearer {good}")),
            ("proxy-authorization", format!("Proxy-Authorization: Bearer {good}")),
            ("x-access-token", format!("X-Access-Token: {good}")),
            ("x-api-key", format!("X-Api-Key: {good}")),
            ("api-key", format!("Api-Key: {good}")),
            ("subscription-key", format!("Ocp-Apim-Subscription-Key: {good}")),
            ("x-forwarded-authorization", format!("X-Forwarded-Authorization: Bearer {good}")),
            ("x-original-authorization", format!("X-Original-Authorization: Bearer {good}")),
            ("x-amzn", format!("X-Amzn-Oidc-Data: {good}")),
            ("x-ms-token", format!("X-MS-TOKEN-AAD-ACCESS-TOKEN: {good}")),
            ("cookie", format!("Cookie: access_token={good}")),
            ("cookie-authorization", format!("Cookie: Authorization=Bearer {good}")),
            ("cookie-session", format!("Cookie: session={good}; token={good}")),
            ("underscore", format!("Authorization_: Bearer {good}")),
            ("underscored", format!("HTTP_AUTHORIZATION: Bearer {good}")),
            ("dotted", format!("Authoriz.ation: Bearer {good}")),
            ("remote-user", "X-Remote-User: admin".to_owned()),
            ("forwarded-user", "X-Forwarded-User: admin".to_owned()),
            ("client-cert", "X-Client-Verified: SUCCESS".to_owned()),
            ("principal", "X-MS-CLIENT-PRINCIPAL-NAME: admin".to_owned()),
            ("original-url", "X-Original-URL: /health".to_owned()),
            ("rewrite-url", "X-Rewrite-URL: /health".to_owned()),
            ("forwarded-for", "X-Forwarded-For: 127.0.0.1".to_owned()),
            ("forwarded-prefix", "X-Forwarded-Prefix: /health".to_owned()),
            ("host-header", "X-Forwarded-Host: localhost".to_owned()),
            ("user-agent", "User-Agent: kube-probe/1.0".to_owned()),
        ] {
            add(id, "no other place and no other scheme", &[&line], NoCredentials);
        }
        for (id, lines) in [
            ("twice-same", vec![bearer.clone(), bearer.clone()]),
            ("twice-good-last", vec!["Authorization: Bearer x".into(), bearer.clone()]),
            ("twice-good-first", vec![bearer.clone(), "Authorization: Bearer x".into()]),
            ("twice-case", vec![bearer.clone(), format!("AUTHORIZATION: Bearer {good}")]),
            ("twice-basic", vec!["Authorization: Basic YTpi".into(), bearer.clone()]),
            ("twice-empty", vec!["Authorization:".into(), bearer.clone()]),
            ("comma", vec![format!("{bearer}, Bearer {good}")]),
            ("comma-tight", vec![format!("{bearer},{good}")]),
            ("semicolon", vec![format!("{bearer}; x=y")]),
            ("two-tokens", vec![format!("{bearer} {good}")]),
            ("garbage", vec![format!("{bearer} x")]),
            ("quoted", vec![format!("Authorization: Bearer \"{good}\"")]),
            ("braces", vec![format!("Authorization: Bearer {{{good}}}")]),
            ("inner-tab", vec![format!("Authorization: Bearer {}\t{}", &good[..5], &good[5..])]),
            ("percent", vec![format!("Authorization: Bearer %{good}")]),
            ("non-ascii", vec![format!("{bearer}\u{e4}")]),
            ("double-scheme", vec![format!("Authorization: Bearer Bearer {good}")]),
        ] {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            add(id, "one header, one token", &lines, InvalidRequest);
        }
        for (id, line) in [
            ("folded", format!("Authorization: Bearer\r\n {good}")),
            ("name-space", format!("Authorization : Bearer {good}")),
            ("name-tab", format!("Authorization\t: Bearer {good}")),
            ("line-space", format!(" Authorization: Bearer {good}")),
            ("bare-cr", format!("X: a\rAuthorization: Bearer {good}")),
            ("bare-lf", format!("X: a\nAuthorization: Bearer {good}")),
            ("nul", format!("{bearer}\0")),
            ("name-nul", format!("Authorization\0: Bearer {good}")),
        ] {
            add(id, "a malformed head is not read further", &[&line], Status(400));
        }
        let path = door.path;
        for (id, target) in [
            ("query-access-token", format!("{path}?access_token={good}")),
            ("query-token", format!("{path}?token={good}")),
            ("query-authorization", format!("{path}?Authorization=Bearer%20{good}")),
            ("query-key", format!("{path}?subscription-key={good}&api-key={good}&key={good}&code={good}")),
        ] {
            let bytes = door.asked(Some(&target), &[]);
            group.add(format!("{}-{id}", door.name), "tokens in URLs end up in logs", bytes, NoCredentials);
        }
        if door.method == "POST" {
            let form = "Content-Type: application/x-www-form-urlencoded";
            let body = format!("access_token={good}&token={good}");
            let bytes = request("POST", path, &[form], body.as_bytes());
            group.add(format!("{}-form", door.name), "nor from a form", bytes, NoCredentials);
            let body = format!(r#"{{"access_token":"{good}","data":[]}}"#);
            let bytes = request("POST", path, &[JSON], body.as_bytes());
            group.add(format!("{}-json", door.name), "nor from the body", bytes, NoCredentials);
        }
        let chunked = format!(
            "{} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n{JSON}\r\n\r\n0\r\n{bearer}\r\n\r\n",
            door.method
        );
        group.add(format!("{}-trailer", door.name), "nor from a trailer", chunked, NoCredentials);
    }
    group.run();
}
