//! The second half of the quickstart: publish, get a token as a client would, and prove that the doors are shut and open
//! where they should be.

use crate::cli::Global;
use crate::cli::logs::rows_table;
use crate::cli::quickstart::Road;
use crate::client::segment;
use crate::session::Session;
use crate::show::table;
use domain::{Api, Endpoint, ErrorCode, Fault, ModelVersion, Principal, Timestamp};
use http::Method;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// The published API, the client that may call it, and the row it sends.
pub struct Published {
    base: String,
    path: String,
    endpoint: String,
    token_url: String,
    client_id: String,
    client_secret: String,
    body: Value,
}

/// Publishes the endpoint and makes (or finds) the client.
pub async fn publish(
    session: &Session,
    road: &Road,
    endpoint: &Endpoint,
    global: &Global,
) -> Result<Published, Fault> {
    let client = &session.client;
    let audience = format!("api://{}", road.name);
    let apis: Vec<Api> = client.get("/api/v1/apis").await?;
    if apis.iter().any(|api| api.path == road.name.as_str() && api.endpoint == endpoint.name) {
        session.out.say(&format!("/{} is published", road.name));
    } else {
        let body =
            json!({ "path": road.name, "endpoint": endpoint.name, "policy": { "audiences": [audience] } });
        let api: Api = client.send(Method::PUT, "/api/v1/apis", &body).await?;
        session.out.say(&format!(
            "published /{} over endpoint {}: a token must name audience {audience}",
            api.path, api.endpoint
        ));
    }
    let made = principal(session, road, &audience, global).await?;
    let text = |member: &str| made[member].as_str().unwrap_or_default().to_owned();
    Ok(Published {
        base: client.base().to_owned(),
        path: road.name.to_string(),
        endpoint: endpoint.name.to_string(),
        token_url: token_url(client.base(), &text("tenant")),
        client_id: text("client_id"),
        client_secret: text("client_secret"),
        body: Value::Null,
    })
}

fn token_url(base: &str, tenant: &str) -> String {
    format!("{base}/{tenant}/oauth2/token")
}

/// The client of the quickstart; its secret is kept in a file of the data directory that only its owner reads.
async fn principal(session: &Session, road: &Road, audience: &str, global: &Global) -> Result<Value, Fault> {
    let file = credentials_file(&global.data_dir, road);
    let all: Vec<Principal> = session.client.get("/api/v1/principals").await?;
    if let Ok(text) = std::fs::read_to_string(&file)
        && let Ok(kept) = serde_json::from_str::<Value>(&text)
        && all.iter().any(|p| json!(p.client_id) == kept["client_id"] && p.revoked.is_none())
    {
        session.out.say(&format!("the client of {} is there", file.display()));
        return Ok(kept);
    }
    let taken = |name: &str| all.iter().any(|p| p.name.as_str() == name);
    let stem = format!("{}-client", road.name);
    let name = std::iter::once(stem.clone())
        .chain((2..).map(|n| format!("{stem}-{n}")))
        .find(|n| !taken(n))
        .unwrap_or(stem);
    let ask = json!({ "name": name, "role": "scorer", "audience": audience });
    let made: Value = session.client.post("/api/v1/principals", &ask).await?;
    registry::write_private_file(&file, made.to_string().as_bytes())?;
    session
        .out
        .say(&format!("created principal {name} (scorer); its secret is in {} (yours only)", file.display()));
    Ok(made)
}

fn credentials_file(dir: &Path, road: &Road) -> PathBuf {
    dir.join(format!("quickstart-{}.json", road.name))
}

/// The row that is scored: the reference row of the shipped example, else the examples of the signature.
fn row(road: &Road, model: &ModelVersion) -> Value {
    if road.shipped {
        return json!({
            "Age": 20, "Sex": "male", "Job": 0, "Housing": "own", "Saving accounts": "little", "Checking account": "little",
            "Credit amount": 100, "Duration": 48, "Purpose": "radio/TV",
        });
    }
    Value::Object(
        model.signature.inputs.iter().map(|f| (f.name.clone(), f.example.clone())).collect::<Map<_, _>>(),
    )
}

/// One call of the proof: what it is, what it must answer, where it goes, what it brings.
struct Probe<'a> {
    what: &'static str,
    expected: u16,
    url: &'a str,
    bearer: Option<&'a str>,
}

/// What a call answered.
struct Seen {
    what: &'static str,
    expected: u16,
    status: u16,
    body: String,
}

/// Makes the calls of the proof and fails unless each answers as it must.
pub async fn prove(
    session: &Session,
    road: &Road,
    model: &ModelVersion,
    published: &Published,
) -> Result<Value, Fault> {
    let since = Timestamp::now();
    let direct = format!("{}/endpoints/{}/score", published.base, segment(&published.endpoint));
    let front = format!("{}/{}/score", published.base, published.path);
    let keys: Value =
        session.client.get(&format!("/api/v1/endpoints/{}/keys", segment(&published.endpoint))).await?;
    let token = token(session, published).await?;
    let (key, token) = (keys["primaryKey"].as_str(), Some(token.as_str()));
    let probe = |what, expected, url, bearer| Probe { what, expected, url, bearer };
    let probes = [
        probe("endpoint without credentials", 401, &direct, None),
        probe("gateway without a token", 401, &front, None),
        probe("gateway with the endpoint's key", 401, &front, key),
        probe("endpoint with the caller's token", 401, &direct, token),
        probe("endpoint with its key", 200, &direct, key),
        probe("gateway with the token", 200, &front, token),
    ];
    let body = json!({ "data": [row(road, model)] });
    let mut seen = Vec::new();
    for probe in &probes {
        seen.push(call(session, probe, &body).await?);
    }
    let rows = seen.iter().map(|s| [s.what.to_owned(), s.status.to_string(), clip(&said(&s.body))]);
    session.out.say(&table(&["call", "status", "answer"], rows));
    if let Some(wrong) = seen.iter().find(|s| s.status != s.expected) {
        let message = format!("{}: expected {}, got {}", wrong.what, wrong.expected, wrong.status);
        return Err(Fault::new(ErrorCode::Internal, message));
    }
    let logged = logged(session, published, since, probes.len()).await?;
    let answers: Vec<Value> =
        seen.iter().map(|s| json!({ "call": s.what, "status": s.status, "body": s.body })).collect();
    Ok(json!({ "calls": answers, "log": logged, "log_table": rows_table(&logged) }))
}

/// The rows of the request log that the calls left.
async fn logged(
    session: &Session,
    published: &Published,
    since: Timestamp,
    calls: usize,
) -> Result<Vec<Value>, Fault> {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("endpoint", &published.endpoint)
        .append_pair("since", &since.to_string())
        .finish();
    let rows: Vec<Value> = session.client.get(&format!("/api/v1/logs?{query}")).await?;
    if rows.len() < calls {
        let message = format!("{calls} calls were made, {} stand in the request log", rows.len());
        return Err(Fault::internal(message));
    }
    Ok(rows)
}

/// The message of a problem, else the body as it is.
fn said(body: &str) -> String {
    let problem: Option<Value> = serde_json::from_str(body).ok();
    let message = problem.as_ref().and_then(|p| p.get("message")).and_then(Value::as_str);
    message.map_or_else(|| body.to_owned(), str::to_owned)
}

fn clip(text: &str) -> String {
    let short: String = text.chars().take(70).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

async fn token(session: &Session, published: &Published) -> Result<String, Fault> {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &published.client_id)
        .append_pair("client_secret", &published.client_secret)
        .finish();
    let request = session
        .client
        .http()
        .post(&published.token_url)
        .header("content-type", "application/x-www-form-urlencoded");
    let answer =
        request.body(form).send().await.map_err(|e| Fault::internal(format!("asking for a token: {e}")))?;
    let status = answer.status();
    let answer: Value =
        answer.json().await.map_err(|e| Fault::internal(format!("asking for a token: {e}")))?;
    let token = answer["access_token"].as_str().map(str::to_owned);
    token.ok_or_else(|| {
        Fault::internal(format!("asking for a token: {status}: {}", answer["error_description"]))
    })
}

async fn call(session: &Session, probe: &Probe<'_>, body: &Value) -> Result<Seen, Fault> {
    let what = probe.what;
    let mut request = session.client.http().post(probe.url).json(body);
    if let Some(bearer) = probe.bearer {
        request = request.bearer_auth(bearer);
    }
    let answer = request.send().await.map_err(|e| Fault::internal(format!("{what}: {e}")))?;
    let status = answer.status().as_u16();
    let body = answer.text().await.unwrap_or_default();
    Ok(Seen { what, expected: probe.expected, status, body })
}

impl Published {
    /// Sets the request's body for the snippets.
    pub fn with_row(mut self, road: &Road, model: &ModelVersion) -> Self {
        self.body = json!({ "data": [row(road, model)] });
        self
    }

    /// A line that works as pasted into a POSIX shell.
    pub fn curl(&self) -> String {
        let token = format!(
            "$(curl -s {} -d grant_type=client_credentials -d client_id={} --data-urlencode client_secret={} | sed 's/.*\"access_token\": *\"\\([^\"]*\\)\".*/\\1/')",
            self.token_url, self.client_id, self.client_secret
        );
        let body = self.body.to_string().replace('\'', "'\\''");
        format!(
            "curl -s {}/{}/score -H \"Authorization: Bearer {token}\" -H 'Content-Type: application/json' -d '{body}'",
            self.base, self.path
        )
    }

    /// A program for Python's standard library.
    pub fn python(&self) -> String {
        // JSON true/false/null are no Python literals, so the row travels as text.
        let body = serde_json::to_string(&self.body.to_string()).unwrap_or_default();
        format!(
            "import json, urllib.parse, urllib.request\n\
             ask = urllib.parse.urlencode({{\"grant_type\": \"client_credentials\", \"client_id\": \"{}\", \"client_secret\": \"{}\"}}).encode()\n\
             token = json.load(urllib.request.urlopen(\"{}\", ask))[\"access_token\"]\n\
             request = urllib.request.Request(\"{}/{}/score\", {body}.encode(),\n    \
                 {{\"Authorization\": \"Bearer \" + token, \"Content-Type\": \"application/json\"}})\n\
             print(json.load(urllib.request.urlopen(request)))",
            self.client_id, self.client_secret, self.token_url, self.base, self.path
        )
    }

    /// Where the browser finds the documents.
    pub fn docs_url(&self) -> String {
        format!("{}/endpoints/{}/docs", self.base, self.endpoint)
    }

    /// Where programs find the Swagger 2.0 document.
    pub fn swagger_url(&self) -> String {
        format!("{}/endpoints/{}/swagger.json", self.base, self.endpoint)
    }
}
