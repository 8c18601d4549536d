//! The folder of a job: code to work in, inputs to read, outputs to write.

use super::ask::{InputSource, SubmitCommand};
use crate::error::{Error, Result};
use domain::{DataVersion, Digest};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use store::Artifacts;

/// The code; the command's working folder.
const WORK: &str = "work";
const INPUTS: &str = "inputs";
const OUTPUTS: &str = "outputs";
const TEMPORARY: &str = "tmp";
const PROGRAMS: &str = "bin";
/// What the launcher wrote of the end.
const REPORT: &str = "report.json";
/// What the command said.
pub const LOG: &str = "std_log.txt";
/// Below [`WORK`]: kept at the end without any call.
pub const ARTIFACTS: &str = "outputs";

/// The places of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places(pub PathBuf);

impl Places {
    /// The command's working folder.
    pub fn work(&self) -> PathBuf {
        self.0.join(WORK)
    }

    /// What is kept at the end without any call.
    pub fn artifacts(&self) -> PathBuf {
        self.work().join(ARTIFACTS)
    }

    /// An output.
    pub fn output(&self, name: &str) -> PathBuf {
        self.0.join(OUTPUTS).join(name)
    }

    /// Programs that come first.
    pub fn programs(&self) -> PathBuf {
        self.0.join(PROGRAMS)
    }

    /// Temporary files and the home of the command.
    pub fn temporary(&self) -> PathBuf {
        self.0.join(TEMPORARY)
    }

    /// Inputs by name.
    pub fn inputs(&self) -> PathBuf {
        self.0.join(INPUTS)
    }

    /// The launcher's report.
    pub fn report(&self) -> PathBuf {
        self.0.join(REPORT)
    }

    /// The log.
    pub fn log(&self) -> PathBuf {
        self.0.join(LOG)
    }

    /// What the command may write.
    pub fn writable(&self) -> Vec<PathBuf> {
        vec![self.work(), self.0.join(OUTPUTS), self.temporary()]
    }

    /// What the command may read of the folder.
    pub fn readable(&self) -> Vec<PathBuf> {
        vec![self.inputs(), self.programs()]
    }
}

/// Values of inputs and outputs as the command sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// Input → value or path.
    pub inputs: BTreeMap<String, String>,
    /// Output → path.
    pub outputs: BTreeMap<String, String>,
    /// Files elsewhere that inputs lead to.
    pub read: Vec<PathBuf>,
}

/// Lays the folder out. `versions`: the registered data by input. Blocking.
pub fn lay_out(
    places: &Places,
    ask: &SubmitCommand,
    versions: &BTreeMap<String, DataVersion>,
    artifacts: &Artifacts,
) -> Result<Values> {
    for folder in
        [places.work(), places.inputs(), places.0.join(OUTPUTS), places.temporary(), places.programs()]
    {
        fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
    }
    if let Some(code) = &ask.code {
        artifacts.unpack_tree(code, &places.work(), true)?;
    }
    let kept = places.artifacts();
    fs::create_dir_all(&kept).map_err(|e| Error::io(&kept, e))?;
    let mut values = Values::default();
    for (name, input) in &ask.inputs {
        let value = match &input.from {
            InputSource::Value(value) => value.clone(),
            InputSource::Folder(tree) => shown(&unpacked(places, name, tree, artifacts)?),
            InputSource::File { tree, path } => shown(&unpacked(places, name, tree, artifacts)?.join(path)),
            InputSource::Data { file, .. } => {
                let version =
                    versions.get(name).ok_or_else(|| Error::Submission(format!("input '{name}' is lost")))?;
                if data::is_folder(version) {
                    shown(&unpacked(places, name, &version.digest, artifacts)?)
                } else if data::is_part(version) {
                    let table = written(places, name, version, artifacts)?;
                    shown(if *file { &table } else { table.parent().unwrap_or(&table) })
                } else {
                    let link = linked(places, name, version, artifacts, &mut values.read)?;
                    shown(if *file { &link } else { link.parent().unwrap_or(&link) })
                }
            }
        };
        values.inputs.insert(name.clone(), value);
    }
    for (name, output) in &ask.outputs {
        let path = places.output(name);
        if !output.file {
            fs::create_dir_all(&path).map_err(|e| Error::io(&path, e))?;
        }
        values.outputs.insert(name.clone(), shown(&path));
    }
    Ok(values)
}

fn unpacked(places: &Places, name: &str, tree: &Digest, artifacts: &Artifacts) -> Result<PathBuf> {
    let folder = places.inputs().join(name);
    artifacts.unpack_tree(tree, &folder, false)?;
    Ok(folder)
}

/// The definition that leads to a table as it is written here.
const MLTABLE: &str = "MLTable";

/// A registered table that is a part of its file (rows or columns were left out when it was registered), written as that part, with
/// an `MLTable` file beside it.
fn written(places: &Places, name: &str, version: &DataVersion, artifacts: &Artifacts) -> Result<PathBuf> {
    let folder = places.inputs().join(name);
    fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
    let table = folder.join(format!("{}.csv", version.name));
    let kept = artifacts.path(&version.digest)?;
    data::write_csv(version, &kept, &table).map_err(|error| Error::Fault(error.into()))?;
    let text = format!(
        "type: mltable\npaths:\n  - file: ./{}.csv\ntransformations:\n  - read_delimited:\n      delimiter: ','\n      \
         encoding: utf8\n      header: all_files_same_headers\n",
        version.name
    );
    let definition = folder.join(MLTABLE);
    fs::write(&definition, text).map_err(|e| Error::io(&definition, e))?;
    Ok(table)
}

/// A registered table as a file of its asset's name; nothing is copied.
fn linked(
    places: &Places,
    name: &str,
    version: &DataVersion,
    artifacts: &Artifacts,
    read: &mut Vec<PathBuf>,
) -> Result<PathBuf> {
    let folder = places.inputs().join(name);
    fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
    let kept = artifacts.path(&version.digest)?;
    let kept = kept.canonicalize().map_err(|e| Error::io(&kept, e))?;
    let link = folder.join(format!("{}{}", version.name, extension(&version.format)));
    std::os::unix::fs::symlink(&kept, &link).map_err(|e| Error::io(&link, e))?;
    read.push(kept);
    Ok(link)
}

fn extension(format: &serde_json::Value) -> String {
    let packed = match format["compression"].as_str() {
        Some("gzip") => ".gz",
        Some("zstd") => ".zst",
        _ => "",
    };
    format!(".{}{packed}", format["format"].as_str().unwrap_or("csv"))
}

pub fn shown(path: &Path) -> String {
    path.display().to_string()
}
