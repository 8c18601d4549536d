//! The token service: clients prove themselves in one of two ways, guessing is slowed, errors have one shape and no secret.

use super::wire::{Answer, request, talk, unclean};
use crate::support::Server;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

struct Service {
    server: Server,
    tenant: String,
    id: String,
    secret: String,
    _folder: tempfile::TempDir,
}

impl Service {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&folder.path().join("data"));
        let client =
            server.cli(&["principal", "create", "caller", "--role", "scorer", "--audience", "api://small"]);
        let text = |name: &str| client[name].as_str().unwrap().to_owned();
        let (tenant, id, secret) = (text("tenant"), text("client_id"), text("client_secret"));
        Self { server, tenant, id, secret, _folder: folder }
    }

    fn path(&self, tail: &str) -> String {
        format!("/{}/oauth2/{tail}", self.tenant)
    }

    fn good(&self) -> String {
        format!("grant_type=client_credentials&client_id={}&client_secret={}", self.id, self.secret)
    }

    fn ask(&self, method: &str, path: &str, lines: &[&str], body: &str) -> Answer {
        let mut answers = talk(&self.server.url, &request(method, path, lines, body.as_bytes()));
        assert_eq!(answers.len(), 1, "{path}");
        answers.remove(0)
    }

    fn form(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, &[FORM], body)
    }

    fn basic(&self, id: &str, secret: &str) -> String {
        format!("Authorization: Basic {}", STANDARD.encode(format!("{id}:{secret}")))
    }
}

/// What is wrong with an error of the token service (contract AD-04).
fn misshapen(service: &Service, answer: &Answer, status: u16, error: &str) -> Option<String> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = answer.text();
    let members = ["error", "error_description", "error_codes", "timestamp", "trace_id", "correlation_id"];
    if answer.status != status || body["error"] != error {
        return Some(format!("expected {status} {error}, got {} {text}", answer.status));
    }
    if let Some(missing) = members.into_iter().find(|m| body[m].is_null()) {
        return Some(format!("no {missing} in {text}"));
    }
    if text.contains(&service.secret) || text.contains("access_token") {
        return Some(format!("a secret in {text}"));
    }
    if answer.header("cache-control").as_deref() != Some("no-store") {
        return Some("may be kept by a cache".into());
    }
    let challenged = answer.header("www-authenticate").is_some_and(|c| c.starts_with("Basic"));
    if (status == 401) != challenged {
        return Some(format!("challenge {:?} with {status}", answer.header("www-authenticate")));
    }
    unclean(answer)
}

/// An attack on the token route: id, lines of the head, body, status, error.
type Attack = (&'static str, Vec<String>, String, u16, &'static str);

fn attacks(s: &Service) -> Vec<Attack> {
    let (id, secret, good) = (&s.id, &s.secret, s.good());
    let grant = "grant_type=client_credentials";
    let form = || vec![FORM.to_owned()];
    let with = |line: String| vec![FORM.to_owned(), line];
    let kind = |kind: &str| vec![format!("Content-Type: {kind}")];
    let (request, client, unknown) = ("invalid_request", "invalid_client", "unauthorized_client");
    let mut all: Vec<Attack> = vec![
        ("wrong-secret", form(), good.replace(secret, "wrong"), 401, client),
        ("secret-cut", form(), good.replace(secret, &secret[1..]), 401, client),
        ("secret-longer", form(), format!("{good}x"), 401, client),
        ("secret-case", form(), good.replace(secret, &secret.to_uppercase()), 401, client),
        ("secret-nul", form(), format!("{good}%00"), 401, client),
        ("secret-space", form(), format!("{good}+"), 401, client),
        ("no-secret", form(), format!("{grant}&client_id={id}"), 401, client),
        ("empty-secret", form(), format!("{grant}&client_id={id}&client_secret="), 401, client),
        ("unknown-client", form(), good.replace(id, "00000000-0000-0000-0000-000000000000"), 400, unknown),
        ("client-upper", form(), good.replace(id, &id.to_uppercase()), 400, unknown),
        ("client-name", form(), good.replace(id, "caller"), 400, unknown),
        ("client-sql", form(), good.replace(id, "%27+OR+1%3D1--"), 400, unknown),
        ("client-like", form(), good.replace(id, "%25"), 400, unknown),
        ("client-markup", form(), good.replace(id, "%3Cscript%3E"), 400, unknown),
        ("no-client", form(), format!("{grant}&client_secret={secret}"), 400, request),
        ("no-grant", form(), good.replace(grant, "x=y"), 400, request),
        ("empty-grant", form(), good.replace(grant, "grant_type="), 400, request),
        ("empty", form(), String::new(), 400, request),
        ("twice-id", form(), format!("{good}&client_id={id}"), 400, request),
        ("twice-secret", form(), format!("client_secret=wrong&{good}"), 400, request),
        ("twice-grant", form(), format!("{good}&{grant}"), 400, request),
        ("twice-encoded", form(), format!("{good}&client%5Fid={id}"), 400, request),
        ("twice-other", form(), format!("{good}&a=1&a=2"), 400, request),
        (
            "json",
            kind("application/json"),
            format!(r#"{{"grant_type":"client_credentials","client_id":"{id}","client_secret":"{secret}"}}"#),
            400,
            request,
        ),
        ("multipart", kind("multipart/form-data; boundary=x"), good.clone(), 400, request),
        ("text", kind("text/plain"), good.clone(), 400, request),
        ("no-kind", Vec::new(), good.clone(), 400, request),
        ("basic-and-body", with(s.basic(id, secret)), good.clone(), 400, request),
        ("basic-and-other-id", with(s.basic(id, secret)), format!("{grant}&client_id=other"), 400, request),
        ("basic-wrong", with(s.basic(id, "wrong")), grant.into(), 401, client),
        ("basic-unknown", with(s.basic("nobody", secret)), grant.into(), 401, client),
        ("basic-garbage", with("Authorization: Basic !!!!".into()), grant.into(), 400, request),
        (
            "basic-no-colon",
            with(format!("Authorization: Basic {}", STANDARD.encode(id))),
            grant.into(),
            400,
            request,
        ),
        ("basic-empty", with("Authorization: Basic".into()), grant.into(), 400, request),
        ("bearer", with(format!("Authorization: Bearer {secret}")), grant.into(), 400, request),
        (
            "two-headers",
            vec![FORM.into(), s.basic(id, secret), s.basic(id, secret)],
            grant.into(),
            400,
            request,
        ),
        ("long-secret", form(), good.replace(secret, &"s".repeat(600)), 400, request),
        ("long-id", form(), good.replace(id, &"i".repeat(600)), 400, request),
        ("long-form", form(), format!("{good}&x={}", "x".repeat(70_000)), 400, request),
        ("other-resource", form(), format!("{good}&resource=api://other"), 400, "invalid_resource"),
        (
            "control-resource",
            form(),
            format!("{good}&resource=urn:portcullis:control"),
            400,
            "invalid_resource",
        ),
        ("resource-prefix", form(), format!("{good}&resource=api://smal"), 400, "invalid_resource"),
        ("resource-case", form(), format!("{good}&resource=API://small"), 400, "invalid_resource"),
        (
            "resource-newline",
            form(),
            format!("{good}&resource=a%0d%0aX-Injected:+y"),
            400,
            "invalid_resource",
        ),
    ];
    for kind in [
        "password",
        "authorization_code",
        "refresh_token",
        "implicit",
        "CLIENT_CREDENTIALS",
        "client_credentials+",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "device_code",
    ] {
        let name: &'static str = kind;
        all.push((name, form(), good.replace("client_credentials", kind), 400, "unsupported_grant_type"));
    }
    all
}

#[test]
fn clients_prove_themselves_and_errors_have_one_shape() {
    let service = Service::start();
    let mut breaches = Vec::new();
    let mut count = 0;
    let (v1, v2) = (service.path("token"), service.path("v2.0/token"));
    for (generation, path) in [("v1", &v1), ("v2", &v2)] {
        let good = service.form(path, &service.good());
        assert_eq!(good.status, 200, "the control: {}", good.text());
        assert_eq!(good.header("cache-control").as_deref(), Some("no-store"));
        let basic = service.ask(
            "POST",
            path,
            &[FORM, &service.basic(&service.id, &service.secret)],
            "grant_type=client_credentials",
        );
        assert_eq!(basic.status, 200, "the control: {}", basic.text());
        for (id, lines, body, status, error) in attacks(&service) {
            // v2 has no resource; its scope is judged below.
            if generation == "v2" && error == "invalid_resource" {
                continue;
            }
            count += 1;
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let answer = service.ask("POST", path, &lines, &body);
            let injected = answer.header("x-injected").map(|_| "a header was injected".to_owned());
            let breach = injected.or_else(|| misshapen(&service, &answer, status, error));
            breaches.extend(breach.map(|breach| format!("{generation} {id}: {breach}")));
            // A good login in between keeps the lock-out out of this test.
            assert_eq!(service.form(path, &service.good()).status, 200, "{generation} {id}");
        }
        for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH"] {
            count += 1;
            let answer = service.ask(method, &format!("{path}?{}", service.good()), &[], "");
            let right = answer.status == 405 && answer.header("allow").as_deref() == Some("POST");
            breaches.extend((!right).then(|| format!("{generation} {method}: {}", answer.status)));
        }
        count += 1;
        let query = service.form(&format!("{path}?{}", service.good()), "");
        breaches.extend(misshapen(&service, &query, 400, "invalid_request"));
    }
    for scope in [
        "api://small",
        "api://other/.default",
        "/.default",
        "api://small/.default openid",
        "*",
        "urn:portcullis:control/.default",
    ] {
        count += 1;
        let encoded: String = form_urlencoded::byte_serialize(scope.as_bytes()).collect();
        let answer = service.form(&v2, &format!("{}&scope={encoded}", service.good()));
        breaches.extend(
            misshapen(&service, &answer, 400, "invalid_scope").map(|b| format!("scope {scope}: {b}")),
        );
    }
    let login = service.good().replace("grant_type=client_credentials&", "");
    for (route, path) in
        [("introspect", service.path("v2.0/introspect")), ("revoke", service.path("v2.0/revoke"))]
    {
        for (id, body, status, error) in [
            ("no-credentials", "token=x".to_owned(), 400, "invalid_request"),
            ("only-id", format!("token=x&client_id={}", service.id), 401, "invalid_client"),
            (
                "wrong-secret",
                format!("token=x&client_id={}&client_secret=wrong", service.id),
                401,
                "invalid_client",
            ),
            ("no-token", login.clone(), 400, "invalid_request"),
            ("twice-token", format!("{login}&token=a&token=b"), 400, "invalid_request"),
        ] {
            count += 1;
            let answer = service.form(&path, &body);
            breaches
                .extend(misshapen(&service, &answer, status, error).map(|b| format!("{route} {id}: {b}")));
        }
        for token in ["x", "a.b.c", "", "%00", &"x".repeat(20_000), &service.server.token] {
            count += 1;
            let answer = service.form(&path, &format!("{login}&token={token}"));
            let text = answer.text();
            let right = match (route, token) {
                (_, "") => answer.status == 400,
                ("introspect", _) => answer.status == 200 && text == r#"{"active":false}"#,
                _ => answer.status == 200 && text == "{}",
            };
            breaches
                .extend((!right).then(|| format!("{route} of '{:.10}': {} {text}", token, answer.status)));
        }
        count += 1;
        let answer = service.ask("GET", &path, &[], "");
        breaches.extend((answer.status != 405).then(|| format!("{route} GET: {}", answer.status)));
    }
    for tail in [
        "oauth2",
        "oauth2/",
        "oauth2/token/",
        "oauth2/TOKEN",
        "oauth2/v2.0",
        "oauth2//token",
        "oauth2/v3.0/token",
        ".well-known",
        "discovery",
        "discovery/keys/",
        "secrets",
        "",
    ] {
        count += 1;
        let answer = service.form(&format!("/{}/{tail}", service.tenant), &service.good());
        breaches.extend((answer.status != 404).then(|| format!("{tail}: {}", answer.status)));
    }
    eprintln!("token service: {count} cases, {} breaches", breaches.len());
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn guessing_locks_the_client_out_and_no_other() {
    let service = Service::start();
    let other = service.server.cli(&[
        "principal",
        "create",
        "other",
        "--role",
        "scorer",
        "--audience",
        "api://small",
    ]);
    let path = service.path("token");
    let wrong = service.good().replace(&service.secret, "wrong");
    for attempt in 0..10 {
        assert_eq!(service.form(&path, &wrong).status, 401, "attempt {attempt}");
    }
    for body in [&wrong, &service.good()] {
        let locked = service.form(&path, body);
        assert_eq!(misshapen(&service, &locked, 429, "invalid_client"), None);
        let wait: u64 = locked.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=301).contains(&wait), "{wait}");
    }
    let introspect = format!("token=x&client_id={}&client_secret={}", service.id, service.secret);
    assert_eq!(service.form(&service.path("v2.0/introspect"), &introspect).status, 429, "no way round it");
    let login = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        other["client_id"].as_str().unwrap(),
        other["client_secret"].as_str().unwrap()
    );
    assert_eq!(service.form(&path, &login).status, 200, "others are not locked out");
}
