//! `deployment logs`.

use crate::client::segment;
use crate::session::Session;
use crate::show::{line, log_line};
use clap::Args;
use domain::Fault;
use endpoint::python::LogLine;
use std::time::Duration;

/// How often `--follow` asks for new lines.
const FOLLOW: Duration = Duration::from_millis(500);

/// `deployment logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// The endpoint
    endpoint: String,
    /// The deployment
    name: String,
    /// How many lines
    #[arg(long, default_value_t = 50)]
    tail: u32,
    /// Go on showing lines as they come
    #[arg(long)]
    follow: bool,
    /// Only what this request printed (its x-request-id)
    #[arg(long)]
    request_id: Option<String>,
}

impl Logs {
    /// Shows the lines of the workers, or of a model that needs none its calls.
    pub async fn run(&self, session: &Session) -> Result<(), Fault> {
        let found = super::list(session, &self.endpoint).await?.into_iter();
        let found = found.map(|view| view.deployment).find(|d| d.name.as_str() == self.name);
        let found = found.ok_or_else(|| Fault::not_found("deployment", &self.name))?;
        if found.spec.is_none() {
            return self.calls(session).await;
        }
        let mut lines = self.fetch(session, None).await?;
        if !self.follow {
            if session.out.json() {
                session.out.value(&lines, |_| String::new());
            } else {
                lines.iter().for_each(|one| log_line(&text(one)));
            }
            if lines.len() >= self.tail as usize {
                let more = u64::from(self.tail) * 10;
                session.out.note(&format!("the last {} lines; --tail {more} shows more", self.tail));
            }
            return Ok(());
        }
        let mut last = 0;
        loop {
            for one in &lines {
                last = one.number;
                if session.out.json() {
                    line(&serde_json::to_string(one).unwrap_or_default());
                } else {
                    log_line(&text(one));
                }
            }
            tokio::select! {
                () = tokio::time::sleep(FOLLOW) => {}
                _ = tokio::signal::ctrl_c() => return Ok(()),
            }
            lines = self.fetch(session, Some(last)).await?;
        }
    }

    async fn fetch(&self, session: &Session, after: Option<u64>) -> Result<Vec<LogLine>, Fault> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("tail", &self.tail.to_string());
        if let Some(after) = after {
            query.append_pair("after", &after.to_string());
        }
        if let Some(id) = &self.request_id {
            query.append_pair("request_id", id);
        }
        let (endpoint, name) = (segment(&self.endpoint), segment(&self.name));
        let route = format!("/api/v1/endpoints/{endpoint}/deployments/{name}/logs?{}", query.finish());
        session.client.get(&route).await
    }

    async fn calls(&self, session: &Session) -> Result<(), Fault> {
        let quoted = |text: &str| text.replace('\'', "''");
        let one = self.request_id.as_deref();
        let one = one.map(|id| format!(" AND XRequestId = '{}'", quoted(id))).unwrap_or_default();
        let sql = format!(
            "SELECT * FROM (SELECT TimeGenerated, Method, Path, ResponseCode, TotalDurationMs, Principal, XRequestId \
             FROM requests WHERE EndpointName = '{}' AND DeploymentName = '{}'{one} ORDER BY TimeGenerated DESC LIMIT {}) \
             ORDER BY TimeGenerated",
            quoted(&self.endpoint),
            quoted(&self.name),
            self.tail
        );
        crate::cli::logs::sql(session, &sql).await
    }
}

fn text(one: &LogLine) -> String {
    let of = one.request_id.as_deref().map(|id| format!(" [{id}]")).unwrap_or_default();
    format!("{} {}/{}{of} {}", one.time, one.stream, one.worker, one.text)
}
