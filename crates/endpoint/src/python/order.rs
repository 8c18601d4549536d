//! What is needed to start a worker of a deployment.

use domain::{Name, PythonSpec};
use std::ffi::OsString;
use std::path::PathBuf;

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
}

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

    /// The arguments behind the interpreter.
    pub(super) fn arguments(&self, socket: &std::path::Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["-m".into(), "portcullis_worker".into()];
        arguments.extend(["--socket".into(), socket.into()]);
        arguments.extend(["--threads".into(), self.slots().to_string().into()]);
        match (&self.code, &self.spec.scoring_script) {
            (Some(code), Some(script)) => {
                arguments.extend(["--entry".into(), script.into(), "--app-root".into(), code.into()]);
            }
            _ => arguments.extend(["--mlflow".into(), self.model.clone().into()]),
        }
        arguments
    }

    /// The whole environment of a worker: nothing of ours is inherited. What the deployment states wins over what the scoring
    /// server is known to set, but not over what the worker is found by.
    pub(super) fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut all: Vec<(OsString, OsString)> = Vec::new();
        let mut set = |name: &str, value: OsString| all.push((name.into(), value));
        let bin = self.python.parent().filter(|p| p.is_absolute());
        let mut path = bin.map(|bin| bin.as_os_str().to_owned()).unwrap_or_default();
        if !path.is_empty() {
            path.push(":");
        }
        path.push("/usr/local/bin:/usr/bin:/bin");
        set("PATH", path);
        set("LANG", "C.UTF-8".into());
        set("HOME", self.scratch().into());
        set("TMPDIR", self.scratch().into());
        set("AML_APP_ROOT", self.working_folder().into());
        set("AZUREML_MODEL_DIR", self.model.clone().into());
        if let Some(script) = &self.spec.scoring_script {
            set("AZUREML_ENTRY_SCRIPT", script.into());
        }
        set("SERVICE_NAME", self.endpoint.as_str().into());
        set("SERVICE_VERSION", VERSION.into());
        set("SERVICE_PATH_PREFIX", format!("endpoints/{}", self.endpoint).into());
        set("WORKSPACE_NAME", "portcullis".into());
        set("SCORING_TIMEOUT_MS", self.spec.request_settings.request_timeout_ms.to_string().into());
        let insights = if self.spec.app_insights_enabled { "true" } else { "false" };
        set("AML_APP_INSIGHTS_ENABLED", insights.into());
        set("WORKER_COUNT", self.spec.bounds().0.to_string().into());
        set("HOSTNAME", self.deployment.as_str().into());
        for (name, value) in &self.spec.environment_variables {
            all.push((name.into(), value.into()));
        }
        let mut set = |name: &str, value: OsString| all.push((name.into(), value));
        set("PYTHONPATH", self.package.clone().into());
        set("PYTHONUNBUFFERED", "1".into());
        set("PYTHONDONTWRITEBYTECODE", "1".into());
        set("PYTHONUTF8", "1".into());
        all
    }
}
