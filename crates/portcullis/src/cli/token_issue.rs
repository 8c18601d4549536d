//! `token issue|keys|rotate-key`: tokens by client credentials, and the keys that sign them.

use crate::cli::Global;
use crate::session::Session;
use crate::show::{self, Printer, table, time};
use clap::{Args, Subcommand};
use domain::{Fault, SigningKeyInfo, Span};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The verbs that need a token service.
#[derive(Debug, Subcommand)]
pub enum Service {
    /// Get an access token by client credentials
    Issue(Issue),
    /// List the signing keys of the token service
    Keys,
    /// Change to a new signing key
    RotateKey(RotateKey),
}

impl Service {
    /// Carries a verb of the control plane out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        match self {
            Self::Issue(_) => Err(Fault::internal("token issue needs no session")),
            Self::Keys => keys(session).await,
            Self::RotateKey(rotate) => rotate.run(session).await,
        }
    }
}

/// `token issue`.
#[derive(Debug, Args)]
pub struct Issue {
    /// The client id
    #[arg(long, env = "PORTCULLIS_CLIENT_ID", required_unless_present = "credentials")]
    client_id: Option<String>,
    /// A file that holds client_id and client_secret as JSON: what `principal create --json` printed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["client_id", "client_secret_file"])]
    credentials: Option<PathBuf>,
    /// A file holding the client secret; else PORTCULLIS_CLIENT_SECRET
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// A v2 token for this scope, as api://credit/.default
    #[arg(long, conflicts_with = "resource")]
    scope: Option<String>,
    /// A v1 token for this audience
    #[arg(long)]
    resource: Option<String>,
    /// How long the token is to live, within gateway.max_lifetime
    #[arg(long, value_name = "D")]
    lifetime: Option<Span>,
}

/// `token rotate-key`.
#[derive(Debug, Args)]
pub struct RotateKey {
    /// How long the new key is published before it signs; gateway.signing.lead when left out
    #[arg(long, value_name = "D", conflicts_with = "now")]
    lead: Option<Span>,
    /// Let it sign at once; verifiers that keep the key set may refuse its tokens for a while
    #[arg(long)]
    now: bool,
    /// Withdraw all former keys: their tokens are refused from now on
    #[arg(long, conflicts_with = "lead")]
    revoke: bool,
}

impl Issue {
    /// Asks the token service and prints the token.
    pub async fn run(self, global: &Global) -> Result<(), Fault> {
        let (base, tls) = crate::session::running(global).ok_or_else(|| {
            Fault::invalid("no server: name it with --server URL, or start one on the data directory")
        })?;
        let http = crate::client::Client::new(&base, String::new(), &tls)?;
        let (client_id, secret) = self.client()?;
        let base = http.base();
        let of = |document: &Value, pointer: &str| {
            document.pointer(pointer).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| {
                Fault::invalid(format!(
                    "{base} has no token service of Portcullis: its metadata lacks {pointer}"
                ))
            })
        };
        // RFC 9728, then RFC 8414: nobody has to know the tenant.
        let resource: Value = http.open(&format!("{base}/.well-known/oauth-protected-resource")).await?;
        let issuer = of(
            &resource,
            if self.resource.is_some() { "/authorization_servers/1" } else { "/authorization_servers/0" },
        )?;
        let slash = if issuer.ends_with('/') { "" } else { "/" };
        let metadata: Value =
            http.open(&format!("{issuer}{slash}.well-known/oauth-authorization-server")).await?;
        let mut form = vec![
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", client_id),
            ("client_secret", secret),
        ];
        let more = [
            ("scope", self.scope),
            ("resource", self.resource),
            ("expires_in", self.lifetime.map(|life| life.0.as_secs().to_string())),
        ];
        form.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let answer = http.form(&of(&metadata, "/token_endpoint")?, &form).await?;
        let token =
            answer["access_token"].as_str().ok_or_else(|| Fault::internal("the answer has no token"))?;
        Printer::new(global.json).value(&answer, |_| token.to_owned());
        Ok(())
    }

    /// The client's id and secret.
    fn client(&self) -> Result<(String, String), Fault> {
        let Some(file) = &self.credentials else {
            return Ok((self.client_id.clone().unwrap_or_default(), self.secret()?));
        };
        let wrong = |why: &str| Fault::invalid(format!("{}: {why}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|e| wrong(&e.to_string()))?;
        let kept: Value = serde_json::from_str(&text).map_err(|e| wrong(&e.to_string()))?;
        let member = |name: &str| {
            let text = kept[name].as_str().map(str::to_owned);
            text.ok_or_else(|| wrong(&format!("no {name} in it: expected the JSON of `principal create`")))
        };
        Ok((member("client_id")?, member("client_secret")?))
    }

    fn secret(&self) -> Result<String, Fault> {
        let Some(file) = &self.client_secret_file else {
            return std::env::var("PORTCULLIS_CLIENT_SECRET").map_err(|_| {
                Fault::invalid("no client secret: name its file with --client-secret-file, or set PORTCULLIS_CLIENT_SECRET")
            });
        };
        let text =
            std::fs::read_to_string(file).map_err(|e| Fault::invalid(format!("{}: {e}", file.display())))?;
        Ok(text.trim().to_owned())
    }
}

impl RotateKey {
    /// Changes to a new signing key.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        let lead = if self.now { Some("0s".to_owned()) } else { self.lead.map(|lead| lead.to_string()) };
        let ask = json!({ "lead": lead, "revoke": self.revoke });
        let key: SigningKeyInfo = session.client.post("/api/v1/signing-keys/rotate", &ask).await?;
        session.out.value(&key, |key| {
            format!("{} {} signs from {}", key.kid, key.algorithm.as_str(), time(key.active))
        });
        if self.revoke {
            show::note(
                "former keys are withdrawn here; other verifiers learn it when they fetch the key set again",
            );
        }
        Ok(())
    }
}

async fn keys(session: &Session) -> Result<(), Fault> {
    let keys: Vec<SigningKeyInfo> = session.client.get("/api/v1/signing-keys").await?;
    session.out.value(&keys, |keys| {
        let rows = keys.iter().map(|key| {
            let state = serde_json::to_value(key.state).unwrap_or_default();
            [
                key.kid.clone(),
                key.algorithm.as_str().to_owned(),
                state.as_str().unwrap_or_default().to_owned(),
                time(key.active),
                key.retired.map_or_else(|| "-".to_owned(), time),
            ]
        });
        table(&["key", "algorithm", "state", "signs from", "accepted until"], rows)
    });
    Ok(())
}
