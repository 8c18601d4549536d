//! The call that proves it: what is sent, and what came back.

use crate::cli::published::{Published, call};
use crate::client::segment;
use crate::session::Session;
use domain::{Deployment, ErrorCode, Fault, Name};
use serde_json::{Value, json};
use std::path::Path;

/// A scored request.
pub struct Proof {
    /// Its body.
    pub request: Value,
    /// What was answered.
    pub answer: String,
}

/// The body of a file, else the sample of the endpoint's own description; none when the script tells none.
pub async fn request(
    session: &Session,
    endpoint: &Name,
    file: Option<&Path>,
) -> Result<Option<Value>, Fault> {
    if let Some(file) = file {
        let wrong = |e: &dyn std::fmt::Display| Fault::invalid(format!("{}: {e}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|e| wrong(&e))?;
        return serde_json::from_str(&text).map(Some).map_err(|e| wrong(&e));
    }
    let url = format!("{}/endpoints/{}/swagger.json", session.client.base(), segment(endpoint.as_str()));
    let key = key(session, endpoint).await?;
    let answer = session.client.http().get(url).bearer_auth(key).send().await;
    let answer = answer.map_err(|e| Fault::internal(format!("score: reading swagger.json: {e}")))?;
    let document: Value = answer.json().await.unwrap_or_default();
    Ok(document.pointer("/definitions/ServiceInput/example").filter(|sample| !sample.is_null()).cloned())
}

/// Scores it once: at the gateway with a token, or with the key where nothing is published.
pub async fn score(
    session: &Session,
    (deployment, front): (&Deployment, Option<&Published>),
    request: Option<Value>,
) -> Result<Option<Proof>, Fault> {
    let endpoint = &deployment.endpoint;
    let Some(request) = request else {
        session.out.say(
            "not scored: score.py has no decorator that tells a sample; give a body with --request-file FILE",
        );
        return Ok(None);
    };
    let (what, url, bearer) = match front {
        Some(front) => ("at the gateway with a token", front.scoring_uri(), front.token(session).await?),
        None => {
            let url = format!("{}/endpoints/{}/score", session.client.base(), segment(endpoint.as_str()));
            ("at the endpoint with its key", url, key(session, endpoint).await?)
        }
    };
    let answer = call(session, (what, &url), Some(&bearer), &request).await?;
    if answer.status != 200 {
        let text = format!(
            "score: {url}: expected 200, got {}: {}; what the workers said: portcullis deployment logs {endpoint} {}",
            answer.status,
            answer.body.chars().take(300).collect::<String>(),
            deployment.name
        );
        return Err(Fault::new(ErrorCode::Unprocessable, text));
    }
    session.out.say(&format!("scored {what}: 200 {}", answer.body));
    Ok(Some(Proof { request, answer: answer.body }))
}

async fn key(session: &Session, endpoint: &Name) -> Result<String, Fault> {
    let keys: Value =
        session.client.get(&format!("/api/v1/endpoints/{}/keys", segment(endpoint.as_str()))).await?;
    Ok(keys["primaryKey"].as_str().unwrap_or_default().to_owned())
}

impl Proof {
    /// Request and answer as JSON; an answer that is no JSON stays text.
    pub fn json(&self) -> Value {
        let answer = serde_json::from_str(&self.answer).unwrap_or_else(|_| json!(self.answer));
        json!({ "request": self.request, "answer": answer })
    }
}
