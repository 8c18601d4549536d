//! The second half of the quickstart: publish, get a token as a client would, and prove that the doors are shut and open
//! where they should be.

use crate::cli::Global;
use crate::cli::logs::rows_table;
use crate::cli::published::{Answer, Published, Wanted, call};
use crate::cli::quickstart::Road;
use crate::client::segment;
use crate::session::Session;
use crate::show::table;
use domain::{ErrorCode, Fault, ModelVersion, Timestamp};
use serde_json::{Map, Value, json};

/// What the quickstart publishes: everything carries the name of the road.
pub fn wanted(road: &Road, global: &Global) -> Wanted {
    Wanted {
        path: road.name.to_string(),
        credentials: global.data_dir.join(format!("quickstart-{}.json", road.name)),
        client: format!("{}-client", road.name),
        scope: "workspace".to_owned(),
    }
}

/// The row that is scored: the reference row of the shipped example, else the examples of the signature.
pub fn row(road: &Road, model: &ModelVersion) -> Value {
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
    let (direct, front) = (published.direct_uri(), published.scoring_uri());
    let keys: Value =
        session.client.get(&format!("/api/v1/endpoints/{}/keys", segment(&published.endpoint))).await?;
    let token = published.token(session).await?;
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
        let Answer { status, body } = call(session, (probe.what, probe.url), probe.bearer, &body).await?;
        seen.push(Seen { what: probe.what, expected: probe.expected, status, body });
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

/// A line that works as pasted into a POSIX shell.
pub fn curl(published: &Published, body: &Value) -> String {
    let token = format!(
        "$(curl -s {} -d grant_type=client_credentials -d client_id={} --data-urlencode client_secret={} | sed 's/.*\"access_token\": *\"\\([^\"]*\\)\".*/\\1/')",
        published.token_url, published.client_id, published.client_secret
    );
    let body = body.to_string().replace('\'', "'\\''");
    format!(
        "curl -s {} -H \"Authorization: Bearer {token}\" -H 'Content-Type: application/json' -d '{body}'",
        published.scoring_uri()
    )
}

/// A program for Python's standard library.
pub fn python(published: &Published, body: &Value) -> String {
    // JSON true/false/null are no Python literals, so the row travels as text.
    let body = serde_json::to_string(&body.to_string()).unwrap_or_default();
    format!(
        "import json, urllib.parse, urllib.request\n\
         ask = urllib.parse.urlencode({{\"grant_type\": \"client_credentials\", \"client_id\": \"{}\", \"client_secret\": \"{}\"}}).encode()\n\
         token = json.load(urllib.request.urlopen(\"{}\", ask))[\"access_token\"]\n\
         request = urllib.request.Request(\"{}\", {body}.encode(),\n    \
             {{\"Authorization\": \"Bearer \" + token, \"Content-Type\": \"application/json\"}})\n\
         print(json.load(urllib.request.urlopen(request)))",
        published.client_id,
        published.client_secret,
        published.token_url,
        published.scoring_uri()
    )
}
