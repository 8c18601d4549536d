//! `backup create|restore`.

use crate::cli::{Global, progress};
use crate::files;
use crate::session::Session;
use crate::show::{Printer, size};
use clap::{Args, Subcommand};
use domain::Fault;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Backup {
    /// Write the whole data directory to one file, while serving
    Create(Create),
    /// Lay a backup out as a new data directory (--data-dir, which must be empty)
    Restore(Restore),
}

/// `backup create`.
#[derive(Debug, Args)]
pub struct Create {
    /// The file to write; it holds secrets
    pub file: PathBuf,
}

/// `backup restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// The file to read
    pub file: PathBuf,
}

impl Create {
    /// Streams the backup to a temporary name beside the file, then renames.
    pub async fn run(&self, session: &Session) -> Result<(), Fault> {
        let bar = progress::bytes(None, session.out.json());
        let sum = files::fetch_private(&session.client, "/api/v1/backup", &self.file, &bar).await?;
        bar.finish_and_clear();
        session.out.value(&json!({ "file": self.file, "bytes": sum }), |_| {
            format!("wrote {} ({}); it holds secrets: keep it safe", self.file.display(), size(sum))
        });
        Ok(())
    }
}

impl Restore {
    /// Restores into the data directory.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Fault> {
        store::backup::restore(&self.file, &global.data_dir)?;
        let out = Printer::new(global.json);
        out.value(&json!({ "data_dir": global.data_dir }), |_| {
            format!("restored {} into {}", self.file.display(), global.data_dir.display())
        });
        Ok(ExitCode::SUCCESS)
    }
}
