//! `serve`: API, gateway and both doors on one port.

use crate::cli::Global;
use crate::config::Settings;
use crate::show::{line, note};
use crate::wire::Server;
use clap::Args;
use domain::Fault;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use web::Tls;

/// `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
}

impl Serve {
    /// Serves until it is told to stop.
    pub async fn run(self, global: Global) -> Result<ExitCode, Fault> {
        let mut settings = Settings::load(&global)?;
        if let Some(listen) = &self.listen {
            settings = settings.with_listen(listen)?;
        }
        let server = Server::start(&global.data_dir, settings).await?;
        server.announce()?;
        let token = server.admin_token_file();
        if global.json {
            let mut ready = json!({ "ready": true, "url": server.url(), "admin_token_file": token });
            certificate_told(&mut ready, server.tls());
            line(&ready.to_string());
        } else {
            line(&format!(
                "serving on {}  (API /api/v1, endpoints /endpoints/…, health /health)",
                server.url()
            ));
            line(&format!("admin token in {} (yours only)", token.display()));
            if let Some((file, fingerprint)) = server.tls().map(|tls| tls.certificate()) {
                line(&format!("certificate in {}, SHA-256 {fingerprint}", file.display()));
            }
        }
        until_told(server.tls()).await?;
        note("stopping");
        server.stop().await;
        Ok(ExitCode::SUCCESS)
    }
}

/// Adds where the certificate is and what it is to the first line of a server with TLS.
pub fn certificate_told(ready: &mut Value, tls: Option<&Arc<Tls>>) {
    if let Some((file, fingerprint)) = tls.map(|tls| tls.certificate()) {
        ready["certificate_file"] = json!(file);
        ready["certificate_sha256"] = json!(fingerprint);
    }
}

/// Waits for Ctrl-C or SIGTERM; at SIGHUP the certificate is read anew.
pub async fn until_told(tls: Option<&Arc<Tls>>) -> Result<(), Fault> {
    let listen = |kind| signal(kind).map_err(|e| Fault::internal(format!("listening for signals: {e}")));
    let mut term = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
            _ = term.recv() => return Ok(()),
            _ = hangup.recv() => if let Some(tls) = tls { reload(tls) },
        }
    }
}

fn reload(tls: &Tls) {
    match tls.reload() {
        Ok(()) => note(&format!("new certificate, SHA-256 {}", tls.certificate().1)),
        Err(e) => note(&format!("certificate not taken, the one before goes on: {e}")),
    }
}
