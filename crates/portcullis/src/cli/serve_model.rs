//! `serve-model`: one ONNX file at the root of one port; what the container image runs.

use crate::cli::Global;
use crate::cli::serve::{certificate_told, until_told};
use crate::config::Settings;
use crate::show::line;
use crate::wire::single::SingleModel;
use clap::Args;
use domain::Fault;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// `serve-model`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("door").args(["key_file", "open"])))]
pub struct ServeModel {
    /// The ONNX file
    pub model: PathBuf,
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// A file with the key a caller must bring; made when it does not exist
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Let everybody score
    #[arg(long)]
    pub open: bool,
}

impl ServeModel {
    /// Serves until it is told to stop.
    pub async fn run(self, global: Global) -> Result<ExitCode, Fault> {
        let mut settings = Settings::load(&global)?;
        if let Some(listen) = &self.listen {
            settings = settings.with_listen(listen)?;
        }
        let key_file = match (&self.key_file, self.open) {
            (_, true) => None,
            (Some(file), false) => Some(file.clone()),
            (None, false) => Some(self.model.with_extension("key")),
        };
        let server = SingleModel::start(&self.model, key_file.as_deref(), settings, &global.data_dir).await?;
        if global.json {
            let mut ready = json!({ "ready": true, "url": server.url(), "key_file": key_file });
            certificate_told(&mut ready, server.tls());
            line(&ready.to_string());
        } else {
            let door = key_file
                .map_or_else(|| "open to everybody".to_owned(), |file| format!("key in {}", file.display()));
            let url = server.url();
            line(&format!(
                "serving {} on {url}/score ({door}); documents at {url}/docs",
                self.model.display()
            ));
        }
        until_told(server.tls()).await?;
        server.stop().await;
        Ok(ExitCode::SUCCESS)
    }
}
