//! Builds the program once: store, steps, gate, one listener. Nothing here decides anything; it only composes.

mod door;
mod housekeeping;
pub mod single;

use crate::config::Settings;
use api::App;
use data::Assets;
use domain::{ErrorCode, Fault};
use door::JobDoor;
use endpoint::{Endpoints, Pools};
use environments::Environments;
use environments::launcher::Launcher;
use gateway::Gateway;
use housekeeping::StoreHousekeeping;
use registry::Registry;
use runs::{Jobs, Tracking};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::Store;
use telemetry::{Metrics, RequestLog};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use web::Tls;

/// Questions to the whole log or ledger that are answered at the same time.
const QUESTIONS: usize = 2;

/// A running server of this process.
pub struct Server {
    url: String,
    local: String,
    dir: PathBuf,
    store: Store,
    jobs: Jobs,
    gateway: Arc<Gateway>,
    pools: Pools,
    log: RequestLog,
    tls: Option<Arc<Tls>>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    _server_log: Option<telemetry::LogGuard>,
}

/// A socket that listens, TLS for it if the settings ask for it, and the base URL clients use.
pub(crate) struct Bound {
    pub listener: TcpListener,
    pub tls: Option<Arc<Tls>>,
    pub url: String,
    /// The base URL by which this process itself reaches it.
    pub local: String,
    /// The address it listens on.
    pub address: SocketAddr,
}

/// Binds the address of the settings; certificates that are made or fetched are kept in the data directory.
pub(crate) async fn bind(settings: &Settings, dir: &Path) -> Result<Bound, Fault> {
    let address = settings.listen.socket()?;
    let listener = TcpListener::bind(address).await.map_err(|e| {
        Fault::new(
            ErrorCode::Unavailable,
            format!("{address}: {e}: choose another with --listen, port 0 takes a free one"),
        )
    })?;
    let bound = listener.local_addr().map_err(|e| Fault::internal(e.to_string()))?;
    let url = settings.listen.url(bound)?;
    let local = format!("{}://{bound}", if settings.listen.tls.is_on()? { "https" } else { "http" });
    let tls = Tls::open(&settings.listen.tls, dir, settings.listen.names(bound, &url))?;
    more_files();
    Ok(Bound { listener, tls, url, local, address: bound })
}

/// Raises the limit of open files as far as the system lets us: a connection is one.
fn more_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(e) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(error = %e, "the limit of open files stays as it is");
    }
}

impl Server {
    /// Opens the data directory and serves it.
    pub async fn start(dir: &Path, settings: Settings) -> Result<Self, Fault> {
        std::fs::create_dir_all(dir).map_err(|e| Fault::invalid(format!("{}: {e}", dir.display())))?;
        // A second server in one process (a command's own) keeps the first one's log.
        let server_log = telemetry::init_logs(dir, &settings.telemetry.server_log).ok();
        engines::use_library(&settings.endpoint.onnxruntime_library);
        let store = Store::open_with(dir, &settings.store.master_key.parse()?).await?;
        let Bound { listener, tls, url, local, address } = bind(&settings, dir).await?;
        let log = RequestLog::start(&store, &settings.telemetry.request_log, &settings.store.segments)?;
        let metrics = Arc::new(Metrics::new(log.counters()));
        let outbound = outbound::Client::new(&settings.outbound)?;
        let launcher = Launcher::current().map_err(|e| Fault::internal(format!("the launcher: {e}")))?;
        let launcher = Launcher { hidden: settings.hidden(dir), ..launcher };
        let environments = Environments::open(store.clone(), &settings.environments, launcher.clone())?;
        let rows_bytes = settings.endpoint.collector.max_bytes;
        let pools = Pools::open(store.clone(), (settings.workers.clone(), rows_bytes), environments.clone())?;
        let options = gateway::Options { pools: Some(pools.clone()), ..settings.gate(&url) };
        let gateway = Gateway::start(store.clone(), log.clone(), metrics.clone(), options).await?;
        let jobs = Jobs::start(store.clone(), &settings.runs).await?;
        jobs.start_commands(
            launcher,
            environments.clone(),
            Arc::new(JobDoor::new(gateway.clone(), address, tls.as_deref())),
        );
        let app = App {
            assets: Assets::new(store.clone(), outbound),
            environments,
            jobs: jobs.clone(),
            tracking: Tracking::new(store.clone()),
            registry: Registry::new(store.clone()),
            endpoints: Endpoints::open(store.clone())?.with_pools(pools.clone()),
            gateway: gateway.clone(),
            log: log.clone(),
            metrics,
            housekeeping: Arc::new(StoreHousekeeping(store.clone())),
            questions: Arc::new(tokio::sync::Semaphore::new(QUESTIONS)),
            network_by_owners: settings.workers.network_by_owners,
            upload_bytes: settings.limits.upload_bytes,
        };
        let (stop, stopped) = watch::channel(false);
        let service = gateway.service(api::router(app));
        let limits = settings.limits.http.clone();
        let serving = tokio::spawn(web::serve(listener, tls.clone(), service, limits, stopped));
        Ok(Self {
            url,
            local,
            dir: dir.to_owned(),
            store,
            jobs,
            gateway,
            pools,
            log,
            tls,
            stop,
            serving,
            _server_log: server_log,
        })
    }

    /// The base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The base URL for this process itself, past whatever stands before the server.
    pub fn local_url(&self) -> &str {
        &self.local
    }

    /// TLS of the listener, if it speaks it.
    pub fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
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
        self.pools.stop().await;
        if let Err(fault) = self.gateway.keep_counts().await {
            tracing::error!(error = %fault, "the last counts of quotas could not be written");
        }
        self.log.close().await;
        self.store.close().await;
    }
}
