//! What is needed to start a worker of a deployment.

use domain::{DataCollector, Name, PythonSpec, Span, Version};
use environments::launcher::{self, Budget, Files, Launcher, Network};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything a worker is started from; the same for all workers of a pool.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub endpoint: Name,
    pub deployment: Name,
    pub spec: PythonSpec,
    /// The interpreter.
    pub python: PathBuf,
    /// The folder of the shipped package, for `PYTHONPATH`.
    pub package: PathBuf,
    /// The pool's own folder: code, model, scratch and sockets lie in it.
    pub folder: PathBuf,
    /// The unpacked code; none: the model brings its own.
    pub code: Option<PathBuf>,
    /// The unpacked model.
    pub model: PathBuf,
    /// The model's version.
    pub version: Version,
    /// Where rows go that the script keeps by itself; none when nothing is kept.
    pub kept: Option<Kept>,
    /// Resident memory at which a worker is replaced; at half as much again it is ended.
    pub memory_bytes: u64,
    /// Bytes of the workers' temporary files together; 0: no limit.
    pub scratch_bytes: u64,
    /// How long a worker may take to end by itself.
    pub grace: Span,
    /// How processes are started.
    pub launcher: Launcher,
}

/// Where a script's own collector of rows writes (contracts MD-02, MD-03): the one place outside of its pool's folder.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// The data directory.
    root: PathBuf,
    /// What of it the script may write: the rows of its endpoint.
    pub folder: PathBuf,
    /// What the rows of all endpoints may take together.
    most: u64,
}

impl Kept {
    /// For the deployments of an endpoint, when what is kept of their calls is kept by scripts too.
    pub(super) fn of(
        (root, most): (&Path, u64),
        endpoint: &Name,
        collector: Option<&DataCollector>,
    ) -> Option<Self> {
        collector.filter(|collector| collector.is_on())?;
        let parts = [ROWS, SUBSCRIPTION, RESOURCE_GROUP, WORKSPACE, endpoint.as_str()];
        Some(Self { root: root.to_owned(), folder: root.join(parts.iter().collect::<PathBuf>()), most })
    }

    /// Whether there is room for more rows. Blocking.
    fn has_room(&self) -> bool {
        self.most == 0 || launcher::taken(&[self.root.join(ROWS)]) < self.most
    }
}

/// Below the data directory: the rows of all endpoints.
const ROWS: &str = "modeldata";
/// Rows that a script may write beyond what is allowed before it is ended: those of calls in hand, between two counts.
const ROWS_BEYOND: u64 = 64 * 1024 * 1024;

/// What stands for the cloud's names in the paths of kept rows.
const SUBSCRIPTION: &str = "default";
const RESOURCE_GROUP: &str = "default";
/// The name of the workspace, of which there is one.
const WORKSPACE: &str = "portcullis";

/// Open files of a worker.
const OPEN_FILES: u64 = 4096;
/// Processes and threads of a worker together.
const PROCESSES: u64 = 1024;

/// Where callers of the cloud's endpoints find a service's name and the like (contract IS-15).
const VERSION: &str = "1.0";

impl Order {
    /// Where the workers' own files go.
    pub(super) fn scratch(&self) -> PathBuf {
        self.folder.join("scratch")
    }

    /// Calls one worker answers at the same time.
    pub(super) fn slots(&self) -> u32 {
        self.spec.request_settings.max_concurrent_requests_per_instance
    }

    /// The folder the script sees as its own.
    pub(super) fn working_folder(&self) -> PathBuf {
        self.code.clone().unwrap_or_else(|| self.scratch())
    }

    /// Where the sockets of the workers are.
    pub(super) fn sockets(&self) -> PathBuf {
        self.folder.join("sockets")
    }

    /// Empties the workers' own folder when it is full: each would be ended as soon as it begins.
    fn make_room(&self) {
        let scratch = self.scratch();
        if self.scratch_bytes == 0 || launcher::taken(std::slice::from_ref(&scratch)) <= self.scratch_bytes {
            return;
        }
        for entry in std::fs::read_dir(&scratch).into_iter().flatten().flatten() {
            let at = entry.path();
            let gone = if at.is_dir() && !at.is_symlink() {
                std::fs::remove_dir_all(&at)
            } else {
                std::fs::remove_file(&at)
            };
            if let Err(error) = gone {
                tracing::warn!(%error, path = %at.display(), "a temporary file of a worker cannot be removed");
            }
        }
    }

    /// What the launcher is told: the program, and all that it may see, change and reach. Blocking.
    pub(super) fn launch(&self, socket: &Path) -> launcher::Order {
        self.make_room();
        let mut read = vec![self.package.clone(), self.model.clone()];
        read.extend(self.code.clone());
        read.push(self.python.clone());
        read.extend(prefixes(&self.python));
        let mut write = vec![self.scratch(), self.sockets()];
        let mut budgets = vec![Budget { folders: vec![self.scratch()], bytes: self.scratch_bytes }];
        let mut largest = self.scratch_bytes;
        let kept = self.kept.as_ref().filter(|kept| kept.has_room());
        if let Some(kept) = kept {
            write.push(kept.folder.clone());
            let bytes = if kept.most > 0 { kept.most.saturating_add(ROWS_BEYOND) } else { 0 };
            budgets.push(Budget { folders: vec![kept.folder.clone()], bytes });
            largest = if bytes > 0 && largest > 0 { largest.max(bytes) } else { 0 };
        }
        let hard = self.memory_bytes.saturating_add(self.memory_bytes / 2);
        launcher::Order {
            argv: self.arguments(socket),
            cwd: self.working_folder(),
            env: self.environment(kept),
            limits: launcher::Limits {
                memory_bytes: hard,
                file_bytes: largest,
                open_files: OPEN_FILES,
                processes: PROCESSES,
                ..launcher::Limits::default()
            },
            files: Some(Files { read, write, budgets, ..Files::default() }),
            network: if self.spec.network { Network::Open } else { Network::Relayed(Vec::new()) },
            grace: self.grace,
            report: None,
        }
    }

    fn arguments(&self, socket: &Path) -> Vec<String> {
        let mut arguments = vec![text(&self.python), "-m".to_owned(), "portcullis_worker".to_owned()];
        arguments.extend(["--socket".to_owned(), text(socket)]);
        arguments.extend(["--threads".to_owned(), self.slots().to_string()]);
        match (&self.code, &self.spec.scoring_script) {
            (Some(code), Some(script)) => {
                arguments.extend(["--entry".to_owned(), script.clone(), "--app-root".to_owned(), text(code)]);
            }
            _ => arguments.extend(["--mlflow".to_owned(), text(&self.model)]),
        }
        arguments
    }

    /// The whole environment of a worker: nothing of ours is inherited. What the deployment states wins over what the scoring
    /// server is known to set, but not over what the worker is found by.
    fn environment(&self, kept: Option<&Kept>) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let mut set = |name: &str, value: String| drop(all.insert(name.to_owned(), value));
        let bin = self.python.parent().filter(|folder| folder.is_absolute());
        set("PATH", bin.map(|bin| text(bin) + ":").unwrap_or_default() + "/usr/local/bin:/usr/bin:/bin");
        set("LANG", "C.UTF-8".to_owned());
        set("HOME", text(&self.scratch()));
        set("TMPDIR", text(&self.scratch()));
        set("AML_APP_ROOT", text(&self.working_folder()));
        set("AZUREML_MODEL_DIR", text(&self.model));
        if let Some(script) = &self.spec.scoring_script {
            set("AZUREML_ENTRY_SCRIPT", script.clone());
        }
        set("SERVICE_NAME", self.endpoint.to_string());
        set("SERVICE_VERSION", VERSION.to_owned());
        set("SERVICE_PATH_PREFIX", format!("endpoints/{}", self.endpoint));
        set("WORKSPACE_NAME", WORKSPACE.to_owned());
        set("SCORING_TIMEOUT_MS", self.spec.request_settings.request_timeout_ms.to_string());
        set("AML_APP_INSIGHTS_ENABLED", self.spec.app_insights_enabled.to_string());
        set("WORKER_COUNT", self.spec.bounds().0.to_string());
        set("HOSTNAME", self.deployment.to_string());
        set("AZUREML_MODEL_VERSION", self.version.to_string());
        set("AML_MODEL_DC_STORAGE_ENABLED", kept.is_some().to_string());
        all.extend(self.spec.environment_variables.clone());
        let mut set = |name: &str, value: String| drop(all.insert(name.to_owned(), value));
        if let Some(kept) = kept {
            set("PORTCULLIS_MODELDATA_DIR", text(&kept.root));
            set("PORTCULLIS_MODELDATA_MAX_BYTES", kept.most.to_string());
            set("AZUREML_ARM_SUBSCRIPTION", SUBSCRIPTION.to_owned());
            set("AZUREML_ARM_RESOURCEGROUP", RESOURCE_GROUP.to_owned());
        }
        set("PYTHONPATH", text(&self.package));
        set("PYTHONUNBUFFERED", "1".to_owned());
        set("PYTHONDONTWRITEBYTECODE", "1".to_owned());
        set("PYTHONUTF8", "1".to_owned());
        all
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The folders an interpreter is made of: its own, and that of the one behind it when it is a virtual environment's.
fn prefixes(python: &Path) -> Vec<PathBuf> {
    let real = python.canonicalize().ok();
    let all = [Some(python.to_owned()), real];
    let prefix = |python: PathBuf| {
        let bin = python.parent().filter(|bin| bin.is_absolute() && bin.ends_with("bin"))?;
        bin.parent().filter(|prefix| prefix.parent().is_some()).map(Path::to_owned)
    };
    all.into_iter().flatten().filter_map(prefix).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_is_seen_with_its_folder_but_never_the_root() {
        assert_eq!(prefixes(Path::new("/no/such/venv/bin/python")), [PathBuf::from("/no/such/venv")]);
        assert_eq!(prefixes(Path::new("python3")), Vec::<PathBuf>::new());
        assert_eq!(prefixes(Path::new("/bin/no-such-python")), Vec::<PathBuf>::new());
    }
}
