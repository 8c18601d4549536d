//! All pools of this process: made when a deployment is made or served again, found by what they run, gone when nobody holds them.

use super::config::WorkersConfig;
use super::logs::{LogAsk, LogLine, Logs};
use super::order::{Kept, Order};
use super::pool::{Pool, PoolStatus, ProvisioningState};
use super::tend::Prepare;
use domain::{Deployment, Fault, ModelKind, ModelVersion, Name, PythonSpec, Timestamp};
use environments::launcher::Launcher;
use environments::{Environments, Ready};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use store::Store;

/// Where the pools have their folders.
const FOLDER: &str = "workers";
/// Where the logs of deployments are.
const LOGS: &str = "logs/deployments";
/// The file of a model that is no folder.
const MODEL_FILE: &str = "model.onnx";
/// The folder by which scripts look for the files of a model that was one.
const MODEL_FOLDER: &str = "model";
/// The longest folder in which a socket can be named: the system takes 107 bytes for the whole path.
const SOCKET_FOLDER_MAX: usize = 80;

/// What a pool runs: a deployment made again is another one, though its name is the same.
type Key = (Name, Name, Timestamp);

/// The pools of this process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Pools(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    config: Arc<WorkersConfig>,
    environments: Environments,
    launcher: Launcher,
    rows_bytes: u64,
    logs: Logs,
    /// Where new pools have their folders; removed with everything in it when the process starts.
    dir: PathBuf,
    /// Gone when this is: a folder elsewhere, when the data directory's name is too long for sockets.
    _short: Option<tempfile::TempDir>,
    number: AtomicU64,
    known: Mutex<HashMap<Key, Weak<Pool>>>,
    /// Those that are ready and wait to be served.
    held: Mutex<HashMap<Key, Arc<Pool>>>,
    /// Deployments that are being made.
    coming: Mutex<Vec<Deployment>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(d: &Deployment) -> Key {
    (d.endpoint.clone(), d.name.clone(), d.created)
}

impl Pools {
    /// Pools over a store's deployments, in environments. `rows_bytes`: what kept rows may take together (`endpoint.collector.max_bytes`).
    pub fn open(
        store: Store,
        (config, rows_bytes): (WorkersConfig, u64),
        environments: Environments,
    ) -> Result<Self, Fault> {
        config.check()?;
        let wrong = |path: &Path, e: std::io::Error| Fault::internal(format!("{}: {e}", path.display()));
        let mut dir = store.dir().join(FOLDER);
        let mut short = None;
        if dir.as_os_str().len() > SOCKET_FOLDER_MAX {
            let made = tempfile::Builder::new().prefix("portcullis-").tempdir();
            let made = made.map_err(|e| wrong(&std::env::temp_dir(), e))?;
            dir = made.path().to_owned();
            short = Some(made);
        } else if dir.exists() {
            // What a killed process left: its workers have ended with it.
            fs::remove_dir_all(&dir).map_err(|e| wrong(&dir, e))?;
        }
        private_folder(&dir).map_err(|e| wrong(&dir, e))?;
        let logs = Logs::start(&store.dir().join(LOGS), config.log_bytes)?;
        Ok(Self(Arc::new(Inner {
            store,
            config: Arc::new(config),
            launcher: environments.launcher().clone(),
            environments,
            rows_bytes,
            logs,
            dir,
            _short: short,
            number: AtomicU64::new(1),
            known: Mutex::default(),
            held: Mutex::default(),
            coming: Mutex::default(),
        })))
    }

    /// Starts the workers of a deployment that is about to be made, and waits until they serve. Dropped unserved, they end.
    pub(crate) async fn start(
        &self,
        (deployment, replaces): (&Deployment, bool),
        model: &ModelVersion,
    ) -> Result<(), Fault> {
        let coming = Coming::new(self, deployment);
        let pool = self.pool(deployment, model);
        pool.ready(replaces).await?;
        lock(&self.0.held).insert(key(deployment), pool);
        drop(coming);
        Ok(())
    }

    /// Gives up a pool that was started for a deployment that could not be kept.
    pub(crate) fn give_up(&self, deployment: &Deployment) {
        lock(&self.0.held).remove(&key(deployment));
    }

    /// The workers of a deployment: those that run already, else new ones, which serve once they are ready.
    pub fn obtain(&self, deployment: &Deployment, model: &ModelVersion) -> Arc<Pool> {
        let pool = self.pool(deployment, model);
        lock(&self.0.held).remove(&key(deployment));
        pool
    }

    fn pool(&self, deployment: &Deployment, model: &ModelVersion) -> Arc<Pool> {
        let mut known = lock(&self.0.known);
        known.retain(|_, pool| pool.strong_count() > 0);
        if let Some(pool) = known.get(&key(deployment)).and_then(Weak::upgrade) {
            return pool;
        }
        let spec = deployment.spec.clone().unwrap_or_default();
        let log = self.0.logs.of(&deployment.endpoint, &deployment.name);
        let prepare = self.prepare(deployment, &spec, model);
        let pool = Arc::new(Pool::begin(&spec, (self.0.config.clone(), log), prepare));
        known.insert(key(deployment), Arc::downgrade(&pool));
        pool
    }

    /// How the order for a deployment's workers is made: its code and model in a folder of its own, which no other deployment's
    /// workers see.
    fn prepare(&self, deployment: &Deployment, spec: &PythonSpec, model: &ModelVersion) -> Prepare {
        let number = self.0.number.fetch_add(1, Ordering::Relaxed);
        let (inner, deployment, spec) = (self.0.clone(), deployment.clone(), spec.clone());
        let model = model.clone();
        Box::new(move || {
            let folder = inner.dir.join(number.to_string());
            let (inner, deployment, spec) = (inner.clone(), deployment.clone(), spec.clone());
            let model = model.clone();
            Box::pin(async move {
                let log = inner.logs.of(&deployment.endpoint, &deployment.name);
                let told = |step: &str| log.line(0, "server", (None, step));
                let ready = {
                    let environment = spec.environment.clone().unwrap_or_default();
                    inner.environments.ready(&environment, told).await?
                };
                let laid = tokio::task::spawn_blocking(move || {
                    lay_out(&inner, (folder, ready), (deployment, spec), &model)
                });
                laid.await
                    .unwrap_or_else(|_| Err(Fault::internal("unpacking the deployment was interrupted")))
            })
        })
    }

    /// How the workers of a deployment are; none when it has no workers.
    pub fn status(&self, deployment: &Deployment) -> Option<PoolStatus> {
        deployment.spec.as_ref()?;
        let pool = lock(&self.0.known).get(&key(deployment)).and_then(Weak::upgrade);
        let mut status = pool.map(|pool| pool.status()).unwrap_or_default();
        let again = |d: &Deployment| d.endpoint == deployment.endpoint && d.name == deployment.name;
        if lock(&self.0.coming).iter().any(again) {
            status.provisioning_state = ProvisioningState::Updating;
        }
        Some(status)
    }

    /// Deployments of an endpoint that are being made, and replace none.
    pub fn coming(&self, endpoint: &Name) -> Vec<Deployment> {
        lock(&self.0.coming).iter().filter(|d| d.endpoint == *endpoint).cloned().collect()
    }

    /// Lines that the workers of a deployment printed.
    pub async fn log_lines(&self, of: (&Name, &Name), ask: LogAsk) -> Result<Vec<LogLine>, Fault> {
        self.0.logs.read(of, ask).await
    }

    /// Removes the log of a deployment that is gone.
    pub(crate) fn forget(&self, endpoint: &Name, deployment: &Name) {
        self.0.logs.remove(endpoint, deployment);
    }

    /// Ends all workers and waits for it.
    pub async fn stop(&self) {
        let pools: Vec<Arc<Pool>> = lock(&self.0.known).values().filter_map(Weak::upgrade).collect();
        let ends: Vec<_> =
            pools.into_iter().map(|pool| tokio::spawn(async move { pool.end().await })).collect();
        for end in ends {
            let _ = end.await;
        }
    }
}

/// A deployment on its way; taken off the list when dropped.
struct Coming<'a>(&'a Pools, Key);

impl<'a> Coming<'a> {
    fn new(pools: &'a Pools, deployment: &Deployment) -> Self {
        lock(&pools.0.coming).push(deployment.clone());
        Self(pools, key(deployment))
    }
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        lock(&self.0.0.coming).retain(|d| key(d) != self.1);
    }
}

fn private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

/// Unpacks what a deployment's workers need into a folder.
fn lay_out(
    inner: &Inner,
    (folder, ready): (PathBuf, Ready),
    (deployment, spec): (Deployment, PythonSpec),
    model: &ModelVersion,
) -> Result<Order, Fault> {
    let wrong = |e: std::io::Error| Fault::internal(format!("{}: {e}", folder.display()));
    // A former try may have been cut off in the middle.
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(wrong)?;
    }
    private_folder(&folder).map_err(wrong)?;
    let artifacts = inner.store.artifacts();
    let code = match &spec.code {
        Some(digest) => {
            let code = folder.join("code");
            let tree = artifacts.unpack_tree(digest, &code, false)?;
            let script = spec.scoring_script.as_deref().unwrap_or_default();
            if !tree.files.contains_key(script) {
                return Err(Fault::invalid(format!("scoring_script: '{script}' is not in the code folder")));
            }
            Some(code)
        }
        None => None,
    };
    let into = folder.join("model");
    match model.kind {
        ModelKind::Onnx => {
            private_folder(&into).map_err(wrong)?;
            artifacts.copy_checked(&model.digest, &into.join(MODEL_FILE))?;
        }
        ModelKind::Mlflow | ModelKind::Custom => drop(artifacts.unpack_tree(&model.digest, &into, false)?),
    }
    // Scripts of the cloud join the name of the folder that was registered, most often `model` (contract IS-20).
    let named = into.join(MODEL_FOLDER);
    if !named.exists() {
        std::os::unix::fs::symlink(".", named).map_err(wrong)?;
    }
    let root = (inner.store.dir(), inner.rows_bytes);
    let kept = Kept::of(root, &deployment.endpoint, deployment.data_collector.as_ref());
    if let Some(kept) = &kept {
        private_folder(&kept.folder).map_err(wrong)?;
    }
    let order = Order {
        version: model.version,
        kept,
        endpoint: deployment.endpoint,
        deployment: deployment.name,
        python: ready.python,
        package: ready.python_path,
        code,
        model: into,
        folder: folder.clone(),
        memory_bytes: spec.memory_bytes.unwrap_or(inner.config.memory_bytes),
        scratch_bytes: inner.config.scratch_bytes,
        grace: inner.config.stop_grace,
        launcher: inner.launcher.clone(),
        spec,
    };
    for own in [order.scratch(), order.sockets()] {
        private_folder(&own).map_err(wrong)?;
    }
    Ok(order)
}
