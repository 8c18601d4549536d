//! Environments as a service: register, list, show, make ready.

use crate::config::Config;
use crate::interpreters::{Interpreter, ask, choose, on_path};
use crate::launcher::Launcher;
use crate::making::{Making, finished, sweep};
use crate::package;
use crate::packages::{Wanted, wanted};
use crate::uv::{Runner, find};
use domain::{
    Actor, Digest, EnvironmentRecord, EnvironmentSpec, EnvironmentVersion, Fault, Name, PackageSpec,
    Timestamp, Version,
};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use store::Store;
use tokio::sync::OnceCell;

/// Part of every digest: environments that are made otherwise than before have other names.
const MAKE: &str = "1";

/// An environment that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The interpreter to start.
    pub python: PathBuf,
    /// What names this environment: equal for equal content on this machine.
    pub id: Digest,
    /// What it holds, and what came otherwise than asked.
    pub record: EnvironmentRecord,
    /// The folder that `PYTHONPATH` begins with: the package that comes with this program.
    pub python_path: PathBuf,
}

/// Environments; cheap to clone.
#[derive(Debug, Clone)]
pub struct Environments {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    config: Config,
    interpreters: BTreeMap<Name, PathBuf>,
    /// Folder of the finished environments.
    dir: PathBuf,
    runner: Runner,
    /// The shipped package.
    python_path: PathBuf,
    /// What interpreters this machine has; looked for at first need.
    here: OnceCell<Vec<Interpreter>>,
    /// Environments being made: who wants the same waits for it.
    making: Mutex<HashMap<Digest, Weak<tokio::sync::Mutex<()>>>>,
}

impl Environments {
    /// Opens the folder of environments in a data directory, removes what was left unfinished, unpacks the shipped package.
    pub fn open(store: Store, config: &Config, launcher: Launcher) -> Result<Self, Fault> {
        let dir = store.dir().join("environments");
        let home = dir.join("tools");
        for folder in [&dir, &home, &store.dir().join("python")] {
            store::files::create_dir(folder)?;
        }
        sweep(&dir).map_err(|e| Fault::internal(format!("{}: {e}", dir.display())))?;
        let python_path = package::unpack(store.dir())?;
        let cache = if config.cache.is_empty() { home.join("cache") } else { PathBuf::from(&config.cache) };
        let time = config.build_timeout.0;
        let runner = Runner { launcher, home, cache, index: config.index.clone(), time };
        let inner = Inner {
            interpreters: config.named()?,
            store,
            config: config.clone(),
            dir,
            runner,
            python_path,
            here: OnceCell::new(),
            making: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// How programs are started.
    pub fn launcher(&self) -> &Launcher {
        &self.inner.runner.launcher
    }

    /// The folder that `PYTHONPATH` begins with: the package that comes with this program.
    pub fn python_path(&self) -> &Path {
        &self.inner.python_path
    }

    /// Registers an environment after checking what it asks for; says whether it is new.
    pub async fn register(
        &self,
        (name, spec, description): (Name, EnvironmentSpec, String),
        by: Actor,
    ) -> Result<(EnvironmentVersion, bool), Fault> {
        self.check(&spec)?;
        if matches!(spec, EnvironmentSpec::Registered { .. }) {
            return Err(Fault::invalid("an environment is registered by its content, not by another's name"));
        }
        Ok(self.inner.store.add_environment((&name, &spec, &description), &by, Timestamp::now()).await?)
    }

    /// The newest version of every environment.
    pub async fn list(&self) -> Result<Vec<EnvironmentVersion>, Fault> {
        Ok(self.inner.store.environments().await?)
    }

    /// The versions of an environment, oldest first.
    pub async fn versions(&self, name: &Name) -> Result<Vec<EnvironmentVersion>, Fault> {
        Ok(self.inner.store.environment_versions(name).await?)
    }

    /// A version, the newest when none is named.
    pub async fn show(&self, name: &Name, version: Option<Version>) -> Result<EnvironmentVersion, Fault> {
        Ok(self.inner.store.environment(name, version).await?)
    }

    /// Refuses what can be refused without the installer: requirements that are none, interpreters that have no name here.
    pub fn check(&self, spec: &EnvironmentSpec) -> Result<(), Fault> {
        match spec {
            EnvironmentSpec::System | EnvironmentSpec::Registered { .. } => Ok(()),
            EnvironmentSpec::Named { interpreter } => self.named(interpreter).map(|_| ()),
            EnvironmentSpec::Packages(packages) => self.wanted(packages).map(|_| ()),
        }
    }

    fn wanted(&self, packages: &PackageSpec) -> Result<Wanted, Fault> {
        let mut found = wanted(packages, self.inner.config.max_requirements)?;
        if let Some(image) = &packages.image {
            found
                .changes
                .push(format!("the image {image} is not run here: the packages alone are installed"));
        }
        Ok(found)
    }

    fn named(&self, name: &Name) -> Result<&PathBuf, Fault> {
        self.inner.interpreters.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.inner.interpreters.keys().map(Name::as_str).collect();
            let known = if known.is_empty() { "none has a name".to_owned() } else { known.join(", ") };
            Fault::invalid(format!(
                "no interpreter is called '{name}' here ({known}): name it in environments.interpreters of the settings"
            ))
        })
    }

    /// Refuses what is not there or cannot be, and pins the version of a registered environment.
    pub async fn pin(&self, spec: &mut EnvironmentSpec) -> Result<(), Fault> {
        self.check(spec)?;
        if let EnvironmentSpec::Registered { name, version } = spec {
            *version = Some(self.show(name, *version).await?.version);
        }
        Ok(())
    }

    /// Makes an environment ready: as it is, out of what was made before, or made now. `told` hears of the steps.
    pub async fn ready(
        &self,
        spec: &EnvironmentSpec,
        told: impl Fn(&str) + Send + Sync,
    ) -> Result<Ready, Fault> {
        match spec {
            EnvironmentSpec::Registered { name, version } => {
                let found = self.show(name, *version).await?;
                match &found.spec {
                    EnvironmentSpec::Registered { .. } => {
                        Err(Fault::internal("an environment names another"))
                    }
                    spec => self.settle(spec, &told).await,
                }
            }
            spec => self.settle(spec, &told).await,
        }
    }

    async fn settle(
        &self,
        spec: &EnvironmentSpec,
        told: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<Ready, Fault> {
        match spec {
            EnvironmentSpec::Packages(packages) => self.packages(packages, told).await,
            EnvironmentSpec::Named { interpreter } => {
                let path = self.named(interpreter)?;
                let python = if path.is_dir() { path.join("bin/python") } else { path.clone() };
                let version = ask(&python).await.ok_or_else(|| {
                    Fault::invalid(format!(
                        "the interpreter '{interpreter}' does not answer: look at {}",
                        python.display()
                    ))
                })?;
                self.as_it_is(python, &version)
            }
            _ => {
                let (interpreter, _) = choose(None, self.here().await, false)?;
                self.as_it_is(interpreter.path.clone(), &interpreter)
            }
        }
    }

    fn as_it_is(&self, python: PathBuf, interpreter: &Interpreter) -> Result<Ready, Fault> {
        let id = digest(&[MAKE, "as it is", &python.display().to_string(), &interpreter.version.to_string()]);
        let record =
            EnvironmentRecord { python: interpreter.version.to_string(), ..EnvironmentRecord::default() };
        Ok(Ready { python, id, record, python_path: self.inner.python_path.clone() })
    }

    async fn packages(
        &self,
        packages: &PackageSpec,
        told: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<Ready, Fault> {
        let mut wanted = self.wanted(packages)?;
        let (interpreter, change) =
            choose(packages.python.as_deref(), self.here().await, packages.relax_pins)?;
        wanted.changes.splice(0..0, change);
        let id = identity(packages, &wanted, &interpreter);
        let turn = self.turn(id);
        // Whoever comes second finds it made.
        let _turn = turn.lock().await;
        let folder = self.inner.dir.join(id.hex());
        let python_path = self.inner.python_path.clone();
        if let Some((python, record)) = finished(&folder) {
            return Ok(Ready { python, id, record, python_path });
        }
        let runner = &self.inner.runner;
        let uv = find(&self.inner.config, runner, &runner.home, &interpreter.path).await?;
        let (relax, folder_of) = (packages.relax_pins, folder.as_path());
        let making = Making { runner, uv: &uv, interpreter: &interpreter, folder: folder_of, relax };
        let record = making.run(wanted, told).await?;
        Ok(Ready { python: folder.join("venv/bin/python"), id, record, python_path })
    }

    /// The lock of one environment's making.
    fn turn(&self, id: Digest) -> Arc<tokio::sync::Mutex<()>> {
        let mut making = self.inner.making.lock().unwrap_or_else(PoisonError::into_inner);
        making.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = making.get(&id).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(tokio::sync::Mutex::new(()));
        making.insert(id, Arc::downgrade(&turn));
        turn
    }

    /// The interpreters of this machine; the one for those who ask for none comes first.
    async fn here(&self) -> &[Interpreter] {
        let look = async {
            let mut found = Vec::new();
            if !self.inner.config.python.is_empty() {
                found.extend(ask(Path::new(&self.inner.config.python)).await);
            }
            found.extend(on_path().await);
            found
        };
        self.inner.here.get_or_init(|| look).await
    }
}

/// What names an environment: what it asks for, the interpreter, the machine.
fn identity(packages: &PackageSpec, wanted: &Wanted, interpreter: &Interpreter) -> Digest {
    let mut lines: Vec<String> = wanted.requirements.iter().map(definitions::Requirement::text).collect();
    lines.sort();
    lines.dedup();
    let changes = wanted.changes.join("\n");
    digest(&[
        MAKE,
        std::env::consts::OS,
        std::env::consts::ARCH,
        &interpreter.path.display().to_string(),
        &interpreter.version.to_string(),
        if packages.relax_pins { "relaxed" } else { "" },
        &lines.join("\n"),
        &changes,
    ])
}

fn digest(parts: &[&str]) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    Digest(hash.finalize().into())
}
