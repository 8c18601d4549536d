//! The end of `up`: where the model is reached, and how each step is repeated.

use super::proof::Proof;
use crate::cli::Global;
use crate::cli::published::Published;
use crate::client::segment;
use crate::session::Session;
use crate::show::line;
use domain::{Deployment, Job, ModelVersion};
use serde_json::{Value, json};

/// Columns of a line of a command.
const WIDTH: usize = 96;

/// What there is now.
pub struct Report {
    /// The data set of the run, where one was given.
    pub data: Option<String>,
    /// The run.
    pub job: Job,
    /// What it made.
    pub model: ModelVersion,
    /// Where that runs.
    pub deployment: Deployment,
    /// The API, where it was published.
    pub front: Option<Published>,
    /// The scored request.
    pub proof: Option<Proof>,
    /// The command of each step.
    pub commands: Vec<String>,
}

impl Report {
    /// Prints it: one object as JSON, else lines that fit a terminal.
    pub fn tell(&self, session: &Session, global: &Global) {
        if session.out.json() {
            session.out.value(&self.json(session), |_| String::new());
        } else {
            line(&self.text(session, global));
        }
    }

    fn direct(&self, session: &Session, tail: &str) -> String {
        let endpoint = segment(self.deployment.endpoint.as_str());
        format!("{}/endpoints/{endpoint}/{tail}", session.client.base())
    }

    fn json(&self, session: &Session) -> Value {
        let published = self.front.as_ref().map(|front| {
            json!({ "path": front.path, "scoring_uri": front.scoring_uri(), "token_url": front.token_url,
                "client_id": front.client_id, "credentials_file": front.credentials })
        });
        json!({
            "data": self.data, "job": self.job, "model": self.model, "deployment": self.deployment,
            "scoring_uri": self.direct(session, "score"), "swagger_uri": self.direct(session, "swagger.json"),
            "docs_uri": self.direct(session, "docs"), "published": published,
            "proof": self.proof.as_ref().map(Proof::json), "commands": self.commands,
        })
    }

    fn text(&self, session: &Session, global: &Global) -> String {
        let (model, deployment) = (&self.model, &self.deployment);
        let mut text = format!(
            "model         {}:{} by run {}\ndeployment    {}/{}\n",
            model.model, model.version, self.job.id, deployment.endpoint, deployment.name
        );
        if let Some(front) = &self.front {
            text.push_str(&format!("scoring URI   {}  (with a token)\n", front.scoring_uri()));
        }
        text.push_str(&format!(
            "direct door   {}  (with a key)\nSwagger UI    {}\nswagger.json  {}\nkeys          portcullis endpoint keys {}\n",
            self.direct(session, "score"),
            self.direct(session, "docs"),
            self.direct(session, "swagger.json"),
            deployment.endpoint
        ));
        text.push_str(&format!("\na call\n{}", self.call(session)));
        text.push_str("\neach step alone");
        let dir = global.data_dir.display();
        match (&global.server, global.data_dir.as_os_str() == "./.portcullis") {
            (Some(url), _) => text.push_str(&format!(" (export PORTCULLIS_SERVER={url} before)")),
            (None, false) => text.push_str(&format!(" (export PORTCULLIS_DATA_DIR={dir} before)")),
            (None, true) => {}
        }
        for command in &self.commands {
            text.push_str(&format!("\n  {}", wrapped(command)));
        }
        text
    }

    /// Lines for a POSIX shell.
    fn call(&self, session: &Session) -> String {
        let (secret, url) = match &self.front {
            Some(front) => (
                format!("  TOKEN=$(portcullis token issue --credentials {})\n", front.credentials.display()),
                front.scoring_uri(),
            ),
            None => (
                format!(
                    "  TOKEN=$(portcullis endpoint keys {} --json | jq -r .primaryKey)\n",
                    self.deployment.endpoint
                ),
                self.direct(session, "score"),
            ),
        };
        let body = self.proof.as_ref().map_or_else(|| "{}".to_owned(), |proof| proof.request.to_string());
        let body = body.replace('\'', "'\\''");
        format!(
            "{secret}  curl -s {url} -H \"Authorization: Bearer $TOKEN\" \\\n    -H 'Content-Type: application/json' -d '{body}'\n"
        )
    }
}

/// A command in lines of a terminal's width, broken before flags.
fn wrapped(command: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for (at, part) in command.split(" --").enumerate() {
        let flag = if at == 0 { part.to_owned() } else { format!(" --{part}") };
        if at > 0 && width + flag.len() > WIDTH {
            lines.push_str(" \\\n     ");
            width = 4;
        }
        width += flag.len();
        lines.push_str(&flag);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_is_broken_before_flags() {
        assert_eq!(wrapped("a b --c d"), "a b --c d");
        let long = format!("a --b {} --c d --e f", "x".repeat(WIDTH - 6));
        assert_eq!(wrapped(&long), format!("a --b {} \\\n      --c d --e f", "x".repeat(WIDTH - 6)));
    }
}
