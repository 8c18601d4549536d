//! What a folder of the convention `models/NAME/{train.py,score.py,config/*}` holds, looked at before anything is done.

use crate::cli::quickstart::fit;
use definitions::jobs::Job as Definition;
use domain::{Fault, Name};
use std::path::{Path, PathBuf};

/// The training script.
const TRAIN: &str = "train.py";
/// The scoring script.
const SCORE: &str = "score.py";
/// Where the files of training and deployment lie.
const CONFIG: &str = "config";
/// Which script serves, with which packages.
const INFERENCE: &str = "inference-config.yml";
/// Sizes and limits of a deployment; the first that is there counts.
const SIZES: [&str; 2] = ["deployment-config-aks.yml", "deployment-config-aci.yml"];
/// The ending of a run configuration.
const RUN_CONFIG: &str = "runconfig";

/// A model's folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// The folder's name as a name.
    pub name: Name,
    /// A run configuration, or `train.py` itself.
    pub training: PathBuf,
    /// The data set that the run configuration names, when it names one.
    pub data: Option<Name>,
    /// How the model is served; none: the program runs it itself.
    pub serving: Option<Serving>,
}

/// The files that a deployment of a scoring script is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// `inference-config.yml`.
    pub inference: PathBuf,
    /// `deployment-config-*.yml`.
    pub sizes: Option<PathBuf>,
}

/// What was chosen by flags in place of what the convention says.
#[derive(Debug, Default)]
pub struct Chosen<'a> {
    /// The run configuration.
    pub run_config: Option<&'a Path>,
    /// The file of sizes and limits.
    pub sizes: Option<&'a Path>,
}

impl Layout {
    /// Looks at a folder.
    pub fn find(folder: &Path, chosen: &Chosen<'_>) -> Result<Self, Fault> {
        let wrong = |why: String| Fault::invalid(format!("{}: {why}", folder.display()));
        let whole = folder.canonicalize().map_err(|e| wrong(e.to_string()))?;
        if !whole.is_dir() {
            return Err(wrong("this is a file: name the folder that holds train.py".to_owned()));
        }
        let own = whole.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let name = Name::new(own).or_else(|_| fit(own))?;
        let (training, data) = training(folder, chosen.run_config)?;
        Ok(Self { name, training, data, serving: serving(folder, chosen.sizes)? })
    }
}

/// The run configuration of the training, else the script alone.
fn training(folder: &Path, chosen: Option<&Path>) -> Result<(PathBuf, Option<Name>), Fault> {
    if let Some(file) = chosen {
        return read(file).map(|(_, data)| (file.to_owned(), data));
    }
    let all = run_configs(&folder.join(CONFIG))?;
    let mut found = Vec::new();
    for file in &all {
        let (script, data) = read(file)?;
        if all.len() == 1 || Path::new(&script).file_name().is_some_and(|name| name == TRAIN) {
            found.push((file.clone(), data));
        }
    }
    let script = folder.join(TRAIN);
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        0 if all.is_empty() && script.is_file() => Ok((script, None)),
        0 if all.is_empty() => Err(Fault::invalid(format!(
            "{}: neither {TRAIN} nor {CONFIG}/*.{RUN_CONFIG}: name the folder of one model, as models/NAME",
            folder.display()
        ))),
        some => {
            let several: Vec<_> = if some == 0 { all } else { found.into_iter().map(|(f, _)| f).collect() };
            let several: Vec<_> = several.iter().map(|file| file.display().to_string()).collect();
            Err(Fault::invalid(format!(
                "which of {} trains the model? choose with --run-config FILE",
                several.join(", ")
            )))
        }
    }
}

fn run_configs(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let wrong = |e: std::io::Error| Fault::invalid(format!("{}: {e}", folder.display()));
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.extension().is_some_and(|ending| ending == RUN_CONFIG) && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Script and data set of a run configuration.
fn read(file: &Path) -> Result<(String, Option<Name>), Fault> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|e| Fault::invalid(format!("{shown}: {e}")))?;
    match definitions::read::<Definition>(&shown, &text)?.value {
        Definition::RunConfig(run) => {
            let mut data = run.data.into_values().map(|data| data.name);
            Ok((run.script, data.next().filter(|_| data.next().is_none())))
        }
        _ => Err(Fault::invalid(format!(
            "{shown}: this is no run configuration: submit it by `job submit -f`"
        ))),
    }
}

fn serving(folder: &Path, chosen: Option<&Path>) -> Result<Option<Serving>, Fault> {
    let inference = folder.join(CONFIG).join(INFERENCE);
    if !inference.is_file() {
        if folder.join(SCORE).is_file() {
            return Err(Fault::invalid(format!(
                "{}: {SCORE} is there, but not {CONFIG}/{INFERENCE}, which says with which packages it serves",
                folder.display()
            )));
        }
        return Ok(None);
    }
    let sizes = match chosen {
        Some(file) if !file.is_file() => {
            return Err(Fault::invalid(format!("{}: there is no such file", file.display())));
        }
        Some(file) => Some(file.to_owned()),
        None => SIZES.iter().map(|name| folder.join(CONFIG).join(name)).find(|file| file.is_file()),
    };
    Ok(Some(Serving { inference, sizes }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let to = dir.path().join("models/My Model").join(path);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, text).unwrap();
        }
        dir
    }

    fn find(dir: &tempfile::TempDir) -> Result<Layout, Fault> {
        Layout::find(&dir.path().join("models/My Model"), &Chosen::default())
    }

    fn tail(path: &Path) -> String {
        path.strip_prefix(path.ancestors().nth(2).unwrap()).unwrap().display().to_string()
    }

    #[test]
    fn a_folder_says_how_it_is_trained_and_served() {
        let dir = folder(&[
            ("train.py", ""),
            ("score.py", ""),
            ("config/a.runconfig", "framework: Python\nscript: other.py\n"),
            ("config/b.runconfig", "framework: Python\nscript: train.py\n"),
            ("config/inference-config.yml", ""),
            ("config/deployment-config-aci.yml", ""),
        ]);
        let found = find(&dir).unwrap();
        assert_eq!(found.name.as_str(), "my-model");
        assert_eq!(tail(&found.training), "config/b.runconfig");
        assert_eq!(tail(found.serving.unwrap().sizes.as_ref().unwrap()), "config/deployment-config-aci.yml");
    }

    #[test]
    fn a_script_alone_is_enough() {
        let found = find(&folder(&[("train.py", "")])).unwrap();
        assert_eq!((tail(&found.training).as_str(), found.serving), ("My Model/train.py", None));
    }

    #[test]
    fn what_is_not_clear_is_asked() {
        let several = folder(&[
            ("config/a.runconfig", "framework: Python\nscript: train.py\n"),
            ("config/b.runconfig", "framework: Python\nscript: src/train.py\n"),
        ]);
        let said = find(&several).unwrap_err().message;
        assert!(
            ["a.runconfig", "b.runconfig", "--run-config"].iter().all(|part| said.contains(part)),
            "{said}"
        );
        let said = find(&folder(&[("readme.md", "")])).unwrap_err().message;
        assert!(said.contains("neither train.py"), "{said}");
        let said = find(&folder(&[("train.py", ""), ("score.py", "")])).unwrap_err().message;
        assert!(said.contains("inference-config.yml"), "{said}");
    }
}
