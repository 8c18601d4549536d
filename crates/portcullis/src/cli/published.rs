//! An endpoint published behind the built-in token service, with a client that may call it: what the quickstart and `up` end with.

use crate::client::segment;
use crate::session::Session;
use domain::{Api, Endpoint, Fault, Principal};
use http::Method;
use serde_json::{Value, json};
use std::path::PathBuf;

/// What is to be published, and who is to call it.
pub struct Wanted {
    /// The path at the gateway.
    pub path: String,
    /// The file that keeps the client's secret; only its owner reads it.
    pub credentials: PathBuf,
    /// The client's name, with a number behind it when it is taken.
    pub client: String,
    /// What the client may score: `workspace` or `endpoint:NAME`.
    pub scope: String,
}

/// The published API, and the client that may call it.
pub struct Published {
    /// The server.
    pub base: String,
    /// The path at the gateway.
    pub path: String,
    /// The endpoint behind it.
    pub endpoint: String,
    /// Where the client gets its tokens.
    pub token_url: String,
    /// Its id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// Where both are kept.
    pub credentials: PathBuf,
}

/// What a call answered.
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

/// Publishes the endpoint and makes (or finds) the client. What is published already keeps its policy.
pub async fn publish(session: &Session, wanted: &Wanted, endpoint: &Endpoint) -> Result<Published, Fault> {
    let client = &session.client;
    let path = &wanted.path;
    let apis: Vec<Api> = client.get("/api/v1/apis").await?;
    let own = format!("api://{path}");
    let audience = match apis.into_iter().find(|api| api.path == *path && api.endpoint == endpoint.name) {
        Some(api) => {
            session.out.say(&format!("/{path} is published"));
            api.policy.audiences.into_iter().next().unwrap_or(own)
        }
        None => {
            let body = json!({ "path": path, "endpoint": endpoint.name, "policy": { "audiences": [own] } });
            let api: Api = client.send(Method::PUT, "/api/v1/apis", &body).await?;
            session.out.say(&format!(
                "published /{} over endpoint {}: a token must name audience {own}",
                api.path, api.endpoint
            ));
            own
        }
    };
    let made = principal(session, wanted, &audience).await?;
    let text = |member: &str| made[member].as_str().unwrap_or_default().to_owned();
    Ok(Published {
        base: client.base().to_owned(),
        path: path.clone(),
        endpoint: endpoint.name.to_string(),
        token_url: format!("{}/{}/oauth2/token", client.base(), text("tenant")),
        client_id: text("client_id"),
        client_secret: text("client_secret"),
        credentials: wanted.credentials.clone(),
    })
}

/// The client of the API; one that is there and was not revoked is kept.
async fn principal(session: &Session, wanted: &Wanted, audience: &str) -> Result<Value, Fault> {
    let file = &wanted.credentials;
    let all: Vec<Principal> = session.client.get("/api/v1/principals").await?;
    if let Ok(text) = std::fs::read_to_string(file)
        && let Ok(kept) = serde_json::from_str::<Value>(&text)
        && all.iter().any(|p| json!(p.client_id) == kept["client_id"] && p.revoked.is_none())
    {
        session.out.say(&format!("the client of {} is there", file.display()));
        return Ok(kept);
    }
    let taken = |name: &str| all.iter().any(|p| p.name.as_str() == name);
    let stem = &wanted.client;
    let name = std::iter::once(stem.clone())
        .chain((2..).map(|n| format!("{stem}-{n}")))
        .find(|n| !taken(n))
        .unwrap_or_else(|| stem.clone());
    let ask = json!({ "name": name, "role": "scorer", "on": wanted.scope, "audience": audience });
    let made: Value = session.client.post("/api/v1/principals", &ask).await?;
    crate::files::write_private(file, made.to_string().as_bytes())?;
    session
        .out
        .say(&format!("created principal {name} (scorer); its secret is in {} (yours only)", file.display()));
    Ok(made)
}

impl Published {
    /// Where callers score, with a token.
    pub fn scoring_uri(&self) -> String {
        format!("{}/{}/score", self.base, self.path)
    }

    /// The direct door, with a key.
    pub fn direct_uri(&self) -> String {
        format!("{}/endpoints/{}/score", self.base, segment(&self.endpoint))
    }

    /// Where the browser finds the documents.
    pub fn docs_url(&self) -> String {
        format!("{}/endpoints/{}/docs", self.base, self.endpoint)
    }

    /// Where programs find the Swagger 2.0 document.
    pub fn swagger_url(&self) -> String {
        format!("{}/endpoints/{}/swagger.json", self.base, self.endpoint)
    }

    /// A token, as a client gets it.
    pub async fn token(&self, session: &Session) -> Result<String, Fault> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.client_id)
            .append_pair("client_secret", &self.client_secret)
            .finish();
        let request = session
            .client
            .http()
            .post(&self.token_url)
            .header("content-type", "application/x-www-form-urlencoded");
        let failed = |e: reqwest::Error| Fault::internal(format!("asking for a token: {e}"));
        let answer = request.body(form).send().await.map_err(failed)?;
        let status = answer.status();
        let answer: Value = answer.json().await.map_err(failed)?;
        let token = answer["access_token"].as_str().map(str::to_owned);
        token.ok_or_else(|| {
            Fault::internal(format!("asking for a token: {status}: {}", answer["error_description"]))
        })
    }
}

/// One scoring call as an outsider makes it; `what` names it in a fault.
pub async fn call(
    session: &Session,
    (what, url): (&str, &str),
    bearer: Option<&str>,
    body: &Value,
) -> Result<Answer, Fault> {
    let mut request = session.client.http().post(url).json(body);
    if let Some(bearer) = bearer {
        request = request.bearer_auth(bearer);
    }
    let answer = request.send().await.map_err(|e| Fault::internal(format!("{what}: {e}")))?;
    let status = answer.status().as_u16();
    Ok(Answer { status, body: answer.text().await.unwrap_or_default() })
}
