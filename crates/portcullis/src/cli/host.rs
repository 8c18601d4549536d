//! For commands that end with something that is served: at the server that runs, or at one of this process that goes on serving.

use crate::cli::Global;
use crate::cli::serve::until_told;
use crate::config::Settings;
use crate::session::{Session, running};
use crate::show::Printer;
use crate::wire::Server;
use clap::Args;
use domain::Fault;
use std::process::ExitCode;

/// What happens when no server runs yet.
#[derive(Debug, Args)]
pub struct Host {
    /// Exit after the proof instead of serving on
    #[arg(long)]
    pub once: bool,
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
}

impl Host {
    /// Carries `walk` out; a server that was started for it serves on until Ctrl-C when it went well.
    pub async fn run<W>(&self, global: &Global, walk: W) -> Result<ExitCode, Fault>
    where
        W: AsyncFnOnce(&Session) -> Result<(), Fault>,
    {
        let out = Printer::new(global.json);
        if let Some((url, _)) = running(global) {
            out.say(&format!("a server is running at {url}: using it"));
            let session = Session::open(global, true).await?;
            let walked = walk(&session).await;
            session.close().await;
            return walked.map(|()| ExitCode::SUCCESS);
        }
        let mut settings = Settings::load(global)?;
        if let Some(listen) = &self.listen {
            settings = settings.with_listen(listen)?;
        }
        let server = Server::start(&global.data_dir, settings).await?;
        server.announce()?;
        let session = Session::at(&server, out)?;
        let walked = walk(&session).await;
        if walked.is_ok() && !self.once {
            out.say(&format!("\nserving on {} until Ctrl-C", server.url()));
            until_told(None).await?;
        }
        session.close().await;
        server.stop().await;
        walked.map(|()| ExitCode::SUCCESS)
    }
}
