//! Builds the program once: store, steps, gate, one listener. Nothing here decides anything; it only composes.

mod housekeeping;
pub mod single;

use crate::config::Settings;
use api::App;
use data::Assets;
use domain::{ErrorCode, Fault};
use endpoint::Endpoints;
use gateway::Gateway;
use housekeeping::StoreHousekeeping;
use registry::Registry;
use runs::Jobs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::Store;
use telemetry::{Metrics, RequestLog};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A running server of this process.
pub struct Server {
    url: String,
    dir: PathBuf,
    store: Store,
    jobs: Jobs,
    gateway: Arc<Gateway>,
    log: RequestLog,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    _server_log: Option<telemetry::LogGuard>,
}

/// Binds the address of the settings; gives the listener and the base URL clients use.
pub(crate) async fn bind(settings: &Settings) -> Result<(TcpListener, String), Fault> {
    let address = settings.listen.socket()?;
    let listener = TcpListener::bind(address).await.map_err(|e| {
        Fault::new(
            ErrorCode::Unavailable,
            format!("{address}: {e}: choose another with --listen, port 0 takes a free one"),
        )
    })?;
    let bound = listener.local_addr().map_err(|e| Fault::internal(e.to_string()))?;
    let public = settings.listen.public_url.trim_end_matches('/');
    let url = if public.is_empty() { format!("http://{bound}") } else { public.to_owned() };
    Ok((listener, url))
}

impl Server {
    /// Opens the data directory and serves it.
    pub async fn start(dir: &Path, settings: Settings) -> Result<Self, Fault> {
        std::fs::create_dir_all(dir).map_err(|e| Fault::invalid(format!("{}: {e}", dir.display())))?;
        // A second server in one process (a command's own) keeps the first one's log.
        let server_log = telemetry::init_logs(dir, &settings.telemetry.server_log).ok();
        let store = Store::open_with(dir, &settings.store.master_key.parse()?).await?;
        let (listener, url) = bind(&settings).await?;
        let log = RequestLog::start(&store, &settings.telemetry.request_log, &settings.store.segments)?;
        let metrics = Arc::new(Metrics::new(log.counters()));
        let gateway =
            Gateway::start(store.clone(), log.clone(), metrics.clone(), settings.gate(&url)).await?;
        let outbound = outbound::Client::new(&settings.outbound)?;
        let jobs = Jobs::start(store.clone(), &settings.runs).await?;
        let app = App {
            assets: Assets::new(store.clone(), outbound),
            jobs: jobs.clone(),
            registry: Registry::new(store.clone()),
            endpoints: Endpoints::open(store.clone())?,
            gateway: gateway.clone(),
            log: log.clone(),
            metrics,
            housekeeping: Arc::new(StoreHousekeeping(store.clone())),
            upload_bytes: settings.limits.upload_bytes,
        };
        let (stop, stopped) = watch::channel(false);
        let service = gateway.service(api::router(app));
        let serving = tokio::spawn(web::serve(listener, service, settings.limits.http.clone(), stopped));
        let dir = dir.to_owned();
        Ok(Self { url, dir, store, jobs, gateway, log, stop, serving, _server_log: server_log })
    }

    /// The base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the admin token is.
    pub fn admin_token_file(&self) -> PathBuf {
        self.dir.join(gateway::ADMIN_TOKEN_FILE)
    }

    /// The admin token.
    pub fn admin_token(&self) -> Result<String, Fault> {
        let file = self.admin_token_file();
        let text = std::fs::read_to_string(&file)
            .map_err(|e| Fault::internal(format!("{}: {e}", file.display())))?;
        Ok(text.trim().to_owned())
    }

    /// Tells later commands on the same data directory where to go.
    pub fn announce(&self) -> Result<(), Fault> {
        Ok(self.store.announce(&self.url)?)
    }

    /// Stops taking calls, finishes those in hand, writes what is buffered.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(e) = self.serving.await {
            tracing::error!(error = %e, "the listener broke");
        }
        self.jobs.stop().await;
        if let Err(fault) = self.gateway.keep_counts().await {
            tracing::error!(error = %fault, "the last counts of quotas could not be written");
        }
        self.log.close().await;
        self.store.close().await;
    }
}
