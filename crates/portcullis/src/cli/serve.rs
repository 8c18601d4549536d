//! `serve`: API, gateway and both doors on one port.

use crate::cli::Global;
use crate::config::Settings;
use crate::show::{line, note};
use crate::wire::Server;
use clap::Args;
use domain::Fault;
use serde_json::json;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

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
            line(&json!({ "ready": true, "url": server.url(), "admin_token_file": token }).to_string());
        } else {
            line(&format!(
                "serving on {}  (API /api/v1, endpoints /endpoints/…, health /health)",
                server.url()
            ));
            line(&format!("admin token in {} (yours only)", token.display()));
        }
        until_told().await?;
        note("stopping");
        server.stop().await;
        Ok(ExitCode::SUCCESS)
    }
}

/// Waits for Ctrl-C or SIGTERM.
pub async fn until_told() -> Result<(), Fault> {
    let mut term = signal(SignalKind::terminate())
        .map_err(|e| Fault::internal(format!("listening for signals: {e}")))?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
    Ok(())
}
