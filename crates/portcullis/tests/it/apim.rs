//! Policy files of API Management, published by command and met by clients (contracts GW-01 to GW-11, AD-05, AD-06, AD-08).

use crate::support::{Road, Server, binary, repository};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A server whose map leads the cloud's URLs to itself, and `map` besides.
fn mapped(dir: &Path, map: &str) -> Server {
    let config = dir.with_extension("toml");
    let text = format!("[gateway.url_map]\n\"https://login.microsoftonline.com/\" = \"built_in\"\n{map}");
    std::fs::write(&config, text).unwrap();
    let mut command = binary();
    command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir);
    command.arg("--config").arg(config);
    Server::ready(command, dir)
}

fn template() -> PathBuf {
    repository("examples/gateway/api_policy_template.xml")
}

/// A command that fails; what it says.
fn refused(server: &Server, args: &[&str]) -> String {
    let output = server.try_cli(args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
    said
}

/// `secret set`, the content on standard input.
fn set_secret(server: &Server, args: &[&str], content: &str) -> Value {
    let mut command = binary();
    command.args(["secret", "set"]).args(args).args(["--json", "--server", &server.url]);
    command.env("PORTCULLIS_TOKEN", &server.token);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(content.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{args:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn publish<'a>(file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let head = ["api", "publish", "--endpoint", "small", "--path", "testprivv2", "--policy", file];
    head.into_iter().chain(more.iter().copied()).collect()
}

/// A token of the second version of the protocol.
async fn token_v2(server: &Server, principal: &Value, scope: &str) -> String {
    let text = |member: &str| principal[member].as_str().unwrap().to_owned();
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &text("client_id"))
        .append_pair("client_secret", &text("client_secret"))
        .append_pair("scope", scope)
        .finish();
    let url = text("token_url").replace("/oauth2/token", "/oauth2/v2.0/token");
    let request = server.http().post(url).header("content-type", "application/x-www-form-urlencoded");
    let answer: Value = request.body(form).send().await.unwrap().json().await.unwrap();
    answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// POST with an Authorization header as it is written.
async fn score(server: &Server, path: &str, authorization: Option<&str>) -> (u16, Value) {
    let mut request =
        server.http().post(format!("{}{path}", server.url)).json(&json!({ "data": [Road::row()] }));
    if let Some(text) = authorization {
        request = request.header("authorization", text);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap())
}

/// Published with its named value there and a word about its audience, and not before.
fn published_by_explicit_words(server: &Server, file: &str, key: &str) {
    // A value that is not there, then no audience: refused by line, nothing published.
    let said = refused(server, &publish(file, &["--any-audience"]));
    assert!(said.contains("api_policy_template.xml: line 14, column ") && said.contains("AMLKey"), "{said}");
    set_secret(server, &["AMLKey"], &format!("{key}\n"));
    let said = refused(server, &publish(file, &[]));
    assert!(said.contains("--audience A") && said.contains("--any-audience"), "{said}");
    assert!(!server.cli(&["api", "list"]).to_string().contains("testprivv2"));

    // Without an audience only by an explicit word, said aloud and written down.
    let made = server.cli(&publish(file, &["--any-audience"]));
    assert_eq!(
        (&made["policy"]["any_audience"], &made["policy"]["issuers"]),
        (&json!(true), &json!(["built_in"]))
    );
    assert!(made["notes"].to_string().contains("any audience"), "{made}");
    let ledger = server.cli(&["ledger", "show"]);
    let entry = ledger.as_array().unwrap().iter().rfind(|e| e["action"] == "publish api").unwrap();
    assert_eq!(entry["detail"]["policy"]["any_audience"], json!(true));
    let mut list = binary();
    list.args(["api", "list", "--server", &server.url]).env("PORTCULLIS_TOKEN", &server.token);
    let list = String::from_utf8(list.output().unwrap().stdout).unwrap();
    assert!(list.contains("ANY AUDIENCE"), "{list}");
}

#[tokio::test]
async fn the_template_works_as_it_is() {
    let road = Road::walk();
    let dir = road.server.dir.clone();
    road.server.kill();
    let server = mapped(&dir, "");
    let key = road.keys["primaryKey"].as_str().unwrap().to_owned();
    let client = server.cli(&["principal", "create", "two-step", "--audience", "api://small"]);
    let file = template();
    let file = file.to_str().unwrap();
    published_by_explicit_words(&server, file, &key);

    // The two-step client, by both versions of the protocol; each issuer's token passes.
    let path = "/testprivv2/score";
    let (v1, v2) =
        (server.token_for(&client).await, token_v2(&server, &client, "api://small/.default").await);
    for (bearer, status, message) in [
        (Some(format!("bearer {v1}")), 200, None),
        (Some(format!("Bearer {v2}")), 200, None),
        (None, 401, Some("JWT not present.")),
        (Some(format!("bearer {v1}x")), 401, Some("Invalid JWT.")),
        (Some(format!("Bearer {key}")), 401, Some("Invalid JWT.")),
    ] {
        let (found, answer) = score(&server, path, bearer.as_deref()).await;
        assert_eq!(found, status, "{bearer:?}: {answer}");
        if let Some(message) = message {
            assert_eq!((&answer["statusCode"], &answer["message"]), (&json!(401), &json!(message)));
        } else {
            assert_eq!(answer, json!("{\"result\": [\"yes\"]}"));
        }
    }
    // The other way round: a token does not open the endpoint's own door, its key does.
    assert_eq!(score(&server, "/endpoints/small/score", Some(&format!("Bearer {v1}"))).await.0, 401);
    assert_eq!(score(&server, "/endpoints/small/score", Some(&format!("Bearer {key}"))).await.0, 200);
    // What the policy does not have is not there (GW-13).
    let (status, answer) = score(&server, "/testprivv2/other", Some(&format!("Bearer {v1}"))).await;
    assert_eq!((status, &answer["message"]), (404, &json!("Resource not found")));

    // The named value is what opens the backend: another content shuts the API, the right one opens it, without publishing.
    set_secret(&server, &["AMLKey"], "no-key-of-this-endpoint");
    assert_eq!(score(&server, path, Some(&format!("Bearer {v1}"))).await.0, 401);
    set_secret(&server, &["AMLKey"], &key);
    assert_eq!(score(&server, path, Some(&format!("Bearer {v1}"))).await.0, 200);
    // A regenerated key goes into the named value by itself.
    let keys = server.cli(&["endpoint", "regenerate-key", "small", "--key", "primary"]);
    let (old, key) = (key, keys["primaryKey"].as_str().unwrap().to_owned());
    assert_ne!(old, key);
    assert_eq!(score(&server, path, Some(&format!("Bearer {v1}"))).await.0, 200);

    // Published again with an audience: replaced whole.
    server.cli(&publish(file, &["--audience", "api://other"]));
    assert_eq!(score(&server, path, Some(&format!("Bearer {v1}"))).await.0, 401);
    server.cli(&publish(file, &["--audience", "api://small"]));
    assert_eq!(score(&server, path, Some(&format!("Bearer {v1}"))).await.0, 200);

    // The policy is shown whole, and no secret with it.
    let mut show = binary();
    show.args(["api", "show", "testprivv2", "--server", &server.url]).env("PORTCULLIS_TOKEN", &server.token);
    let shown = String::from_utf8(show.output().unwrap().stdout).unwrap();
    for part in ["api://small", "built_in", "Authorization override Bearer {{AMLKey}}", "401"] {
        assert!(shown.contains(part), "'{part}' is missing in {shown}");
    }
    for args in
        [&["api", "show", "testprivv2"][..], &["api", "list"], &["ledger", "show"], &["secret", "list"]]
    {
        assert!(!server.cli(args).to_string().contains(&key), "{args:?}");
    }
}

/// A server with an endpoint `small` that nothing runs under: enough to publish.
fn bare(folder: &Path, map: &str) -> Server {
    let server = mapped(&folder.join("data"), map);
    server.cli(&["endpoint", "create", "small"]);
    server
}

#[tokio::test]
async fn what_is_not_supported_is_refused_by_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let server = bare(folder.path(), "");
    set_secret(&server, &["AMLKey"], "k");
    let file = folder.path().join("policy.xml");
    let seed = std::fs::read_to_string(template()).unwrap();
    for (from, to, line, word) in [
        ("<base />\n        <validate", "<choose />\n        <validate", 8, "<choose>"),
        ("        <base />\n    </backend>", "        <retry />\n    </backend>", 18, "<retry>"),
        ("header-name=\"Authorization\"", "query-parameter-name=\"token\"", 9, "header only"),
        ("failed-validation-httpcode=\"401\"", "failed-validation-httpcode=\"200\"", 9, "400 to 499"),
        ("https://login.microsoftonline.com/{tenant_id}/v2.0", "http://a.example/{tenant_id}", 10, "https"),
        ("/{tenant_id}/.well", "/{tenant}/.well", 11, "--set tenant"),
        ("/{tenant_id}/.well", "/11111111-2222-3333-4444-555555555555/.well", 11, "{tenant_id}"),
        ("Bearer {{AMLKey}}", "Bearer {{Other}}", 14, "secret set Other"),
        ("Bearer {{AMLKey}}", "Bearer abc", 13, "secret set NAME"),
        ("Bearer {{AMLKey}}", "@(context.RequestId)", 14, "expressions"),
        ("exists-action=\"override\"", "exists-action=\"override\" id=\"x\"", 13, "'id'"),
        ("<policies>", "<!DOCTYPE p><policies>", 6, "document type"),
        ("</inbound>", "", 0, "well-formed"),
    ] {
        let text = seed.replacen(from, to, 1);
        assert_ne!(text, seed, "{from}");
        std::fs::write(&file, text).unwrap();
        let said = refused(&server, &publish(file.to_str().unwrap(), &["--any-audience"]));
        let place =
            if line == 0 { "policy.xml: line ".to_owned() } else { format!("policy.xml: line {line}, ") };
        assert!(said.contains(&place) && said.contains(word), "{to}: {said}");
    }
    assert_eq!(server.cli(&["api", "list"]), json!([]));
}

/// Policies with a fault, and what the refusal says.
const FAULTS: &[(&str, &[&str])] = &[
    (r#"{}"#, &["needs an audience"]),
    (r#"{"audiences": ["urn:portcullis:control"]}"#, &["audiences[0]"]),
    (r#"{"audiences": ["a"], "any_audience": true}"#, &["any_audience"]),
    (r#"{"audiences": ["a"], "issuers": []}"#, &["issuers"]),
    (
        r#"{"audiences": ["a"], "issuers": ["https://nobody.example/"]}"#,
        &["issuer", "https://nobody.example/"],
    ),
    (r#"{"audiences": ["a"], "required_claims": {"roles": []}}"#, &["required_claims[0].values"]),
    (r#"{"audiences": ["a"], "clock_skew": 121}"#, &["clock_skew"]),
    (r#"{"audiences": ["a"], "refused_status": 302}"#, &["refused_status"]),
    (
        r#"{"audiences": ["a"], "rate_limits": [{"calls": 0, "per": "60s", "by": "caller"}]}"#,
        &["rate_limits[0].calls"],
    ),
    (
        r#"{"audiences": ["a"], "rate_limits": [{"calls": 1, "per": "10m", "by": "caller"}]}"#,
        &["rate_limits[0].per", "300s"],
    ),
    (r#"{"audiences": ["a"], "quotas": [{"calls": 1, "per": "60s", "by": "caller"}]}"#, &["quotas[0].per"]),
    (r#"{"audiences": ["a"], "quotas": [{"per": "0s", "by": "caller"}]}"#, &["quotas[0]", "limits nothing"]),
    (r#"{"audiences": ["a"], "concurrency": 0}"#, &["concurrency"]),
    (r#"{"audiences": ["a"], "addresses": {"forbid": ["10.0.0.0/40"]}}"#, &["addresses.forbid[0]"]),
    (r#"{"audiences": ["a"], "cors": {"origins": ["*"], "credentials": true}}"#, &["cors.credentials"]),
    (r#"{"audiences": ["a"], "cors": {"origins": ["a.example/x"]}}"#, &["cors.origins"]),
    (r#"{"audiences": ["a"], "body_bytes": 9000000}"#, &["body_bytes", "limits.body_bytes"]),
    (r#"{"audiences": ["a"], "rows": 0}"#, &["rows", "endpoint.rows"]),
    (r#"{"audiences": ["a"], "timeout": "0s"}"#, &["timeout"]),
    (
        r#"{"audiences": ["a"], "request_headers": [{"name": "Host", "action": "override", "values": ["a"]}]}"#,
        &["request_headers[0]", "host"],
    ),
    (
        r#"{"audiences": ["a"], "request_headers": [{"name": "X-A", "action": "override", "values": ["a\r\nb"]}]}"#,
        &["request_headers[0]", "line break"],
    ),
    (
        r#"{"audiences": ["a"], "response_headers": [{"name": "Authorization", "action": "override", "values": ["{{K}}"]}]}"#,
        &["response_headers[0]"],
    ),
    (
        r#"{"audiences": ["a"], "request_headers": [{"name": "X-A", "action": "override", "values": ["{{K}}"]}]}"#,
        &["'K'", "secret set K"],
    ),
    (r#"{"audience": ["a"]}"#, &["policy.json", "audience"]),
];

#[tokio::test]
async fn fields_of_a_policy_in_json_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let server = bare(folder.path(), "");
    let file = folder.path().join("policy.json");
    for (policy, words) in FAULTS {
        std::fs::write(&file, policy).unwrap();
        let said = refused(&server, &publish(file.to_str().unwrap(), &[]));
        for word in *words {
            assert!(said.contains(word), "'{word}' is missing for {policy}: {said}");
        }
    }
    assert_eq!(server.cli(&["api", "list"]), json!([]));
    std::fs::write(&file, r#"{"rate_limits": [{"calls": 5, "per": "60s", "by": "address"}]}"#).unwrap();
    let made =
        server.cli(&publish(file.to_str().unwrap(), &["--audience", "api://a", "--require-subscription"]));
    assert_eq!(
        (&made["policy"]["audiences"], &made["policy"]["subscription_required"]),
        (&json!(["api://a"]), &json!(true))
    );
    let flags = [
        "api",
        "publish",
        "--endpoint",
        "small",
        "--path",
        "b",
        "--audience",
        "a",
        "--rate",
        "10/1m:header:X-Team",
    ];
    let made = server.cli(&flags);
    assert_eq!(made["policy"]["rate_limits"], json!([{"calls": 10, "per": "1m", "by": "header:x-team"}]));
}

#[tokio::test]
async fn named_values_are_kept_and_secret_ones_never_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = bare(folder.path(), "");
    let made = set_secret(&server, &["AMLKey"], "hush-hush\n");
    assert_eq!((&made["secret"], made.get("value")), (&json!(true), None));
    assert_eq!(set_secret(&server, &["region", "--plain"], "west\r\n")["value"], json!("west"));
    assert_eq!(server.cli(&["secret", "show", "region"])["value"], json!("west"));
    assert!(refused(&server, &["secret", "show", "AMLKey"]).contains("never shown"));
    server.cli(&publish(template().to_str().unwrap(), &["--audience", "a"]));
    let said = refused(&server, &["secret", "delete", "AMLKey"]);
    assert!(said.contains("'testprivv2'"), "{said}");
    // A secret never reaches callers, nor a place where readers see it.
    let xml = folder.path().join("tell.xml");
    for (section, header) in
        [("outbound", "X-Key\"><value>{{AMLKey}}"), ("inbound", "X-{{AMLKey}}\"><value>a")]
    {
        let text = format!(
            "<policies><{section}><set-header name=\"{header}</value></set-header></{section}></policies>"
        );
        std::fs::write(&xml, text).unwrap();
        let said = refused(&server, &publish(xml.to_str().unwrap(), &["--audience", "a"]));
        assert!(said.contains("secret") && !said.contains("hush"), "{said}");
    }
    server.cli(&["api", "unpublish", "testprivv2"]);
    server.cli(&["secret", "delete", "AMLKey"]);
    let ledger = server.cli(&["ledger", "show"]).to_string();
    assert!(ledger.contains("set named value") && ledger.contains("delete named value"), "{ledger}");
    assert!(!ledger.contains("hush") && !server.cli(&["secret", "list"]).to_string().contains("hush"));
    assert!(refused(&server, &["secret", "show", "AMLKey"]).contains("no named value"));
}

/// Answers every request with one discovery document until it is dropped.
async fn provider(issuer: &str) -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    let body = json!({ "issuer": issuer, "jwks_uri": format!("{base}keys") }).to_string();
    let answering = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let head =
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length:";
            let _ = stream.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes()).await;
        }
    });
    (base, answering)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_discovery_url_of_elsewhere_registers_its_issuer() {
    let folder = tempfile::tempdir().unwrap();
    let (base, answering) = provider("https://id.example/").await;
    // Nobody is behind a port that was just given back.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let map =
        format!("\"https://id.example/\" = \"{base}\"\n\"https://gone.example/\" = \"http://{gone}/\"\n");
    let server = bare(folder.path(), &map);
    set_secret(&server, &["AMLKey"], "k");
    let file = folder.path().join("policy.xml");
    let seed = std::fs::read_to_string(template()).unwrap();
    let with = |url: &str| seed.replace("https://login.microsoftonline.com/{tenant_id}/v2.0", url);

    std::fs::write(&file, with("https://gone.example")).unwrap();
    let said = refused(&server, &publish(file.to_str().unwrap(), &["--audience", "a"]));
    assert!(said.contains("line 10, ") && said.contains(&gone.to_string()), "{said}");
    assert_eq!(server.cli(&["api", "list"]), json!([]));

    std::fs::write(&file, with("https://id.example")).unwrap();
    let made = server.cli(&publish(file.to_str().unwrap(), &["--audience", "a"]));
    assert_eq!(made["policy"]["issuers"], json!(["https://id.example/", "built_in"]));
    let notes = made["notes"].to_string();
    assert!(notes.contains("exactly these issuers") && notes.contains("registered the issuer"), "{notes}");
    let put =
        |ledger: Value| ledger.as_array().unwrap().iter().filter(|e| e["action"] == "put issuer").count();
    assert_eq!(put(server.cli(&["ledger", "show"])), 1);
    // Known now: nobody is asked again.
    answering.abort();
    server.cli(&publish(file.to_str().unwrap(), &["--audience", "b"]));
    assert_eq!(put(server.cli(&["ledger", "show"])), 1);
}
