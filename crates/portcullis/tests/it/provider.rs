//! A real OpenID provider on loopback, started by `tests-node/idp.mjs`.

use crate::support::repository;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A provider that does not listen by then never will.
const START_TIME: Duration = Duration::from_secs(60);

/// A provider process; it ends with its standard input.
pub struct Provider {
    child: Child,
    /// Its issuer name, which is its base URL.
    pub issuer: String,
    http: reqwest::Client,
}

impl Provider {
    /// Starts one with these environment variables; none when the modules it is made of are not here.
    pub fn start(variables: &[(&str, &str)]) -> Option<Self> {
        let modules = PathBuf::from(std::env::var_os("PORTCULLIS_NODE_MODULES")?);
        let mut command = Command::new("node");
        command.arg(repository("tests-node/idp.mjs")).env("PORTCULLIS_NODE_MODULES", modules);
        command.envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (send, first) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = out.read_line(&mut line);
            send.send(line)
        });
        let line = first.recv_timeout(START_TIME).unwrap_or_default();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("first line {line:?}: {e}"));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Some(Self { child, issuer: ready["issuer"].as_str().unwrap().to_owned(), http })
    }

    /// Steers it: `rotate?keep=1`, `alg?alg=ES256`, `be?how=slow`, `down?for=1000`.
    pub async fn steer(&self, what: &str) -> Value {
        let answer = self.http.post(format!("{}/test/{what}", self.issuer)).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// A token by client credentials for a resource.
    pub async fn token(&self, resource: &str, scope: &str) -> String {
        let form = [("grant_type", "client_credentials"), ("resource", resource), ("scope", scope)];
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.http.post(format!("{}/token", self.issuer)).basic_auth("svc", Some("svc-secret"));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// The text of its key set.
    pub async fn jwks(&self) -> String {
        self.http.get(format!("{}/jwks", self.issuer)).send().await.unwrap().text().await.unwrap()
    }

    /// Whether it answers at all.
    pub async fn is_up(&self) -> bool {
        self.http.get(format!("{}/test/seen", self.issuer)).send().await.is_ok()
    }

    /// How often it was asked for its keys.
    pub async fn asked(&self) -> u64 {
        let url = format!("{}/test/seen", self.issuer);
        let seen: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        seen["keys"].as_u64().unwrap()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
