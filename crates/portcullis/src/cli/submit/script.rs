//! A training script without a definition: what the convention of its folder says of it; and data in place of what a file names.

use super::{Submit, beside, git, sent, word};
use crate::folder::Snapshot;
use crate::session::Session;
use domain::{EnvironmentSpec, Fault, Name, Version};
use environments::describe;
use runs::{InputSource, JobInput, SubmitCommand};
use std::path::Path;

/// The packages of a training script, relative to its folder.
pub const CONDA: &str = "config/train-conda.yml";
/// The input of a script that has no definition.
const INPUT: &str = "data";

/// The command of a script by the arguments of the convention: `--data_path FOLDER --model_name FILE`.
pub async fn ask(session: &Session, submit: &Submit) -> Result<SubmitCommand, Fault> {
    let file = &submit.file;
    if !file.is_file() {
        return Err(Fault::invalid(format!("{}: there is no such script", file.display())));
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let folder = match &submit.source_directory {
        Some(folder) => folder.as_path(),
        None => file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
    };
    let mut ask = SubmitCommand {
        command: format!("python {}", word(&name)),
        code: Some(sent(session, folder, Snapshot::Code).await?),
        source: git::source(folder),
        ..SubmitCommand::default()
    };
    if folder.join(CONDA).is_file() {
        let packages = describe::of_text(CONDA, &beside(folder, CONDA)?)?;
        ask.environment = EnvironmentSpec::Packages(packages);
    }
    if let Some(data) = &submit.data {
        let (name, version) = asset(data)?;
        let from = InputSource::Data { name, version, file: false };
        ask.inputs.insert(INPUT.to_owned(), JobInput { from, variable: None });
        ask.command.push_str(&format!(" --data_path ${{{{inputs.{INPUT}}}}}"));
    }
    if let Some(model) = &submit.model_file {
        ask.command.push_str(&format!(" --model_name {}", word(model)));
    }
    Ok(ask)
}

/// Puts a data asset in the place of the only one that is named.
pub fn bind(ask: &mut SubmitCommand, data: &str) -> Result<(), Fault> {
    let (asset, wanted) = asset(data)?;
    let mut named: Vec<_> = ask
        .inputs
        .values_mut()
        .filter_map(|input| match &mut input.from {
            InputSource::Data { name, version, .. } => Some((name, version)),
            _ => None,
        })
        .collect();
    match named.as_mut_slice() {
        [(name, version)] => {
            (**name, **version) = (asset, wanted);
            Ok(())
        }
        [] => Err(Fault::invalid("--data: the file names no registered data that it could stand for")),
        several => Err(Fault::invalid(format!(
            "--data: the file names {} data sets, so it is not clear which it stands for: write it into the file",
            several.len()
        ))),
    }
}

/// `NAME` or `NAME:VERSION`; the newest without a number.
fn asset(text: &str) -> Result<(Name, Option<Version>), Fault> {
    let Some((name, version)) = text.split_once(':') else { return Ok((Name::new(text)?, None)) };
    Ok((Name::new(name)?, if version == "latest" { None } else { Some(super::number(version)?) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(names: &[&str]) -> SubmitCommand {
        let mut ask = SubmitCommand::default();
        for name in names {
            let from = InputSource::Data { name: Name::new(*name).unwrap(), version: None, file: false };
            ask.inputs.insert((*name).to_owned(), JobInput { from, variable: Some("V".to_owned()) });
        }
        ask
    }

    #[test]
    fn data_takes_the_place_of_the_only_one() {
        let mut ask = with(&["a"]);
        bind(&mut ask, "b:3").unwrap();
        let from =
            InputSource::Data { name: Name::new("b").unwrap(), version: Some(Version(3)), file: false };
        assert_eq!(ask.inputs["a"], JobInput { from, variable: Some("V".to_owned()) });
        assert!(bind(&mut with(&[]), "b").unwrap_err().message.contains("no registered data"));
        assert!(bind(&mut with(&["a", "c"]), "b").unwrap_err().message.contains("2 data sets"));
        assert!(bind(&mut ask, "b:x").is_err());
    }
}
