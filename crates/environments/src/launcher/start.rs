//! The server's side of the launcher.

use super::{Order, STOP};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// How supervisors are started: `worker launch` of the running program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launcher {
    /// The program's file.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What no program may see wherever it lies: the data directory, settings, keys.
    pub hidden: Vec<PathBuf>,
}

impl Launcher {
    /// `worker launch` of the running program, also when its file was replaced since it started.
    pub fn current() -> io::Result<Self> {
        let path = std::env::current_exe()?;
        let running = PathBuf::from("/proc/self/exe");
        let path = if path.exists() { path } else { running };
        Ok(Self { path, arguments: ["worker", "launch"].map(OsString::from).into(), hidden: Vec::new() })
    }

    /// Starts what the order says; nothing of this process's environment reaches it.
    pub async fn start(&self, order: &Order) -> io::Result<Launched> {
        let mut order = order.clone();
        if let Some(files) = &mut order.files {
            files.hidden.extend(self.hidden.iter().cloned());
        }
        let mut text = serde_json::to_vec(&order)?;
        text.push(b'\n');
        let mut command = Command::new(&self.path);
        command
            .args(&self.arguments)
            .env_clear()
            .current_dir(&order.cwd)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut process = command.spawn()?;
        let missing = || io::Error::other("no pipe to it");
        let mut lifeline = process.stdin.take().ok_or_else(missing)?;
        let stdout = process.stdout.take();
        let stderr = process.stderr.take();
        if let Err(error) = lifeline.write_all(&text).await {
            // It died before it read the order: its exit code tells more.
            tracing::debug!(%error, "the order could not be handed over");
        }
        Ok(Launched { process, lifeline, stdout, stderr })
    }
}

/// A running supervisor with the program behind it. Dropped, all processes are killed by the supervisor, whose standard input
/// ends.
#[derive(Debug)]
pub struct Launched {
    process: Child,
    lifeline: ChildStdin,
    /// The program's standard output, to be taken.
    pub stdout: Option<ChildStdout>,
    /// The program's standard error with the launcher's own lines, to be taken.
    pub stderr: Option<ChildStderr>,
}

impl Launched {
    /// The supervisor's process number, until it was waited for.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Asks all processes to end; what has not after the order's grace is killed. [`wait`](Self::wait) then tells the end.
    pub async fn stop(&mut self) {
        if let Err(error) = self.lifeline.write_all(format!("{STOP}\n").as_bytes()).await {
            tracing::debug!(%error, "the program has ended already");
        }
    }

    /// Waits until no process is left. May be dropped and called again.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }
}
