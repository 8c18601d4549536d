//! Making an environment on disk: under another name until it is whole, so that a kill leaves nothing half there.

use crate::interpreters::Interpreter;
use crate::packages::Wanted;
use crate::resolve::{Locked, Resolver};
use crate::uv::{Runner, tail};
use domain::{EnvironmentRecord, Fault};
use std::path::{Path, PathBuf};

/// The file that says what an environment is; it is written last.
const RECORD: &str = "environment.json";
/// What names a folder that is not whole.
const TEMP: &str = ".tmp-";

/// Removes what a killed process left unfinished.
pub(crate) fn sweep(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(TEMP) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// What stands in a finished environment, if it is one.
pub(crate) fn finished(folder: &Path) -> Option<(PathBuf, EnvironmentRecord)> {
    let python = folder.join("venv/bin/python");
    let record = serde_json::from_slice(&std::fs::read(folder.join(RECORD)).ok()?).ok()?;
    // Through the link: an interpreter that was removed from the machine takes its environments along.
    python.exists().then_some((python, record))
}

/// One environment to be made.
pub(crate) struct Making<'m> {
    pub runner: &'m Runner,
    pub uv: &'m Path,
    pub interpreter: &'m Interpreter,
    /// The folder it will have.
    pub folder: &'m Path,
    pub relax: bool,
}

impl Making<'_> {
    /// Resolves, installs, compiles, records, and gives it its name.
    pub async fn run(
        &self,
        mut wanted: Wanted,
        told: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<EnvironmentRecord, Fault> {
        let parent = self.folder.parent().unwrap_or(self.folder);
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy();
        let temp = parent.join(format!("{TEMP}{name}"));
        let wrong = |e: std::io::Error| Fault::internal(format!("{}: {e}", temp.display()));
        remove(&temp).await.map_err(wrong)?;
        tokio::fs::create_dir_all(&temp).await.map_err(wrong)?;
        told(&format!(
            "resolving {} requirements for python {}",
            wanted.requirements.len(),
            self.interpreter.version
        ));
        let made = self.make(&temp, &mut wanted, told).await;
        let packages = match made {
            Ok(packages) => packages,
            Err(fault) => {
                remove(&temp).await.map_err(wrong)?;
                return Err(fault);
            }
        };
        let record = EnvironmentRecord {
            python: self.interpreter.version.to_string(),
            packages,
            changes: std::mem::take(&mut wanted.changes),
        };
        let text = serde_json::to_vec_pretty(&record).map_err(|e| Fault::internal(e.to_string()))?;
        let (file, folder) = (temp.join(RECORD), self.folder.to_owned());
        let finish = move || name_it(&temp, &file, &text, &folder);
        tokio::task::spawn_blocking(finish).await.map_err(|e| Fault::internal(e.to_string()))??;
        Ok(record)
    }

    async fn make(
        &self,
        temp: &Path,
        wanted: &mut Wanted,
        told: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<Locked, Fault> {
        let python = &self.interpreter.path;
        let resolver = Resolver { runner: self.runner, uv: self.uv, python, folder: temp.to_owned() };
        let locked = if wanted.requirements.is_empty() {
            Vec::new()
        } else {
            resolver.lock(wanted, self.relax).await?
        };
        told(&format!("installing {} packages", locked.len()));
        let venv = temp.join("venv");
        let (folder, base) = (venv.display().to_string(), python.display().to_string());
        self.uv(&["venv", "--quiet", "--relocatable", "--no-project", "--python", &base, &folder]).await?;
        let file = temp.join("requirements.lock");
        let text = locked.join("\n") + "\n";
        tokio::fs::write(&file, text)
            .await
            .map_err(|e| Fault::internal(format!("{}: {e}", file.display())))?;
        if !locked.is_empty() {
            let (file, inside) = (file.display().to_string(), venv.join("bin/python").display().to_string());
            let mut arguments = vec!["pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"];
            arguments.extend(["--python", &inside, "-r", &file]);
            self.uv(&arguments).await?;
            self.compile(&venv).await?;
        }
        Ok(locked)
    }

    /// Bytecode beforehand: jobs cannot write into an environment. The machine's own interpreter does it, without the packages' start-up files.
    async fn compile(&self, venv: &Path) -> Result<(), Fault> {
        let version = self.interpreter.version;
        let library = format!("lib/python{}.{}/site-packages", version.0, version.1);
        let (from, to) = (venv.join(&library), self.folder.join("venv").join(&library));
        let (from, to) = (from.display().to_string(), to.display().to_string());
        let mut arguments = vec!["-I", "-S", "-m", "compileall", "-q", "-j", "0"];
        // Since 3.9 the paths that tracebacks show can be those of the finished environment.
        if (version.0, version.1) >= (3, 9) {
            arguments.extend(["-s", &from, "-p", &to]);
        }
        arguments.push(&from);
        // Files that are templates or tests of another version do not compile, which hurts nobody.
        self.runner.run(&self.interpreter.path, &arguments).await.map(|_| ())
    }

    async fn uv(&self, arguments: &[&str]) -> Result<(), Fault> {
        let ran = self.runner.run(self.uv, arguments).await?;
        let what =
            arguments.iter().take_while(|word| !word.starts_with('-')).copied().collect::<Vec<_>>().join(" ");
        if ran.good { Ok(()) } else { Err(Fault::invalid(format!("uv {what} failed: {}", tail(&ran)))) }
    }
}

/// Writes the record and gives the folder its name.
fn name_it(temp: &Path, file: &Path, text: &[u8], folder: &Path) -> Result<(), Fault> {
    let wrong = |e: std::io::Error| Fault::internal(format!("{}: {e}", folder.display()));
    store::files::write_file(file, text)?;
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(wrong)?;
    }
    std::fs::rename(temp, folder).map_err(wrong)?;
    Ok(store::files::sync_dir(folder.parent().unwrap_or(folder))?)
}

async fn remove(folder: &Path) -> std::io::Result<()> {
    match tokio::fs::remove_dir_all(folder).await {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
