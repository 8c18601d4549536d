//! The installer: `uv`, run behind the launcher so that nothing of it outlives the server.
//!
//! Only wheels are installed: no build script of a package runs, and no interpreter is started in an environment before a job is.

use crate::config::Config;
use crate::launcher::{Launcher, Limits, Network, Order};
use domain::{Fault, Span};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What the installer's environment takes over from the server's: proxies, certificates, its own settings.
const INHERITED: [&str; 12] = [
    "PATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "LANG",
    "TMPDIR",
];
/// Bytes of output that are kept.
const OUTPUT_MAX: u64 = 4 << 20;
/// Version of the installer that is fetched when there is none.
const PINNED: &str = "uv==0.13.9";

/// What a run of a program came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub good: bool,
    pub stdout: String,
    pub stderr: String,
}

/// How programs are run for environments.
#[derive(Debug, Clone)]
pub(crate) struct Runner {
    pub launcher: Launcher,
    /// Home and working folder of what is run.
    pub home: PathBuf,
    pub cache: PathBuf,
    pub index: String,
    pub time: Duration,
}

impl Runner {
    /// Runs a program to its end.
    pub async fn run(&self, program: &Path, arguments: &[&str]) -> Result<Ran, Fault> {
        let wrong = |e: std::io::Error| Fault::internal(format!("running {}: {e}", program.display()));
        let mut argv = vec![program.display().to_string()];
        argv.extend(arguments.iter().map(|text| (*text).to_owned()));
        let order = Order {
            argv,
            cwd: self.home.clone(),
            env: self.environment(),
            limits: Limits { nice: 5, ..Limits::default() },
            files: None,
            network: Network::Open,
            grace: Span(Duration::from_secs(2)),
            report: None,
        };
        let mut launched = self.launcher.start(&order).await.map_err(wrong)?;
        let (stdout, stderr) = (launched.stdout.take(), launched.stderr.take());
        let all = async { tokio::join!(gather(stdout), gather(stderr), launched.wait()) };
        let (stdout, stderr, status) = tokio::time::timeout(self.time, all).await.map_err(|_| {
            Fault::invalid(format!(
                "making the environment took longer than {}: see environments.build_timeout",
                Span(self.time)
            ))
        })?;
        Ok(Ran { good: status.map_err(wrong)?.success(), stdout, stderr })
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let ours = |name: &str| INHERITED.contains(&name) || name.starts_with("UV_");
        let mut variables: BTreeMap<String, String> =
            std::env::vars().filter(|(name, _)| ours(name)).collect();
        let mut set = |name: &str, value: String| drop(variables.insert(name.to_owned(), value));
        set("HOME", self.home.display().to_string());
        set("UV_CACHE_DIR", self.cache.display().to_string());
        set("UV_PYTHON_DOWNLOADS", "never".to_owned());
        set("UV_NO_PROGRESS", "1".to_owned());
        set("UV_NO_BUILD", "1".to_owned());
        set("PIP_DISABLE_PIP_VERSION_CHECK", "1".to_owned());
        if !self.index.is_empty() {
            set("UV_DEFAULT_INDEX", self.index.clone());
            set("PIP_INDEX_URL", self.index.clone());
        }
        variables
    }
}

async fn gather(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // What cannot be read is missing from a message; the exit code tells the rest.
        drop((&mut stream).take(OUTPUT_MAX).read_to_end(&mut bytes).await);
        drop(tokio::io::copy(&mut stream, &mut tokio::io::sink()).await);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The installer: as the settings say, on `PATH`, under `tools`, or fetched into there.
pub(crate) async fn find(
    config: &Config,
    runner: &Runner,
    tools: &Path,
    python: &Path,
) -> Result<PathBuf, Fault> {
    if !config.uv.is_empty() {
        let path = PathBuf::from(&config.uv);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(Fault::invalid(format!("environments.uv: there is no file {}", path.display())))
        };
    }
    let folders = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let on_path =
        folders.unwrap_or_default().into_iter().map(|folder| folder.join("uv")).find(|path| path.is_file());
    if let Some(path) = on_path {
        return Ok(path);
    }
    let place = tools.join("uv");
    let uv = place.join("bin/uv");
    if !uv.is_file() {
        fetch(runner, &place, python).await?;
    }
    Ok(uv)
}

/// Installs the installer into a virtual environment of its own, under another name until it is whole.
async fn fetch(runner: &Runner, place: &Path, python: &Path) -> Result<(), Fault> {
    let help = "install uv, or name it in environments.uv of the settings";
    let temp = place.with_extension("tmp");
    let wrong = |e: std::io::Error| Fault::internal(format!("{}: {e}", temp.display()));
    if temp.exists() {
        tokio::fs::remove_dir_all(&temp).await.map_err(wrong)?;
    }
    let folder = temp.display().to_string();
    let made = runner.run(python, &["-m", "venv", &folder]).await?;
    if !made.good {
        return Err(Fault::invalid(format!(
            "uv is not on this machine and python's venv module failed: {help}: {}",
            tail(&made)
        )));
    }
    let inside = temp.join("bin/python");
    let installed =
        runner.run(&inside, &["-m", "pip", "install", "--quiet", "--only-binary", ":all:", PINNED]).await?;
    if !installed.good {
        return Err(Fault::invalid(format!(
            "uv is not on this machine and could not be fetched: {help}: {}",
            tail(&installed)
        )));
    }
    tokio::fs::rename(&temp, place).await.map_err(wrong)
}

/// The end of what a program said, for a message.
pub(crate) fn tail(ran: &Ran) -> String {
    const MOST: usize = 1_500;
    let text = if ran.stderr.trim().is_empty() { &ran.stdout } else { &ran.stderr };
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("portcullis:"));
    let text = lines.collect::<Vec<_>>().join("; ");
    let skip = text.chars().count().saturating_sub(MOST);
    text.chars().skip(skip).collect()
}
