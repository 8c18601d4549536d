//! `job submit -f FILE`: a definition becomes a job; local paths become folders on the server.

use crate::cli::job::follow;
use crate::folder::{Snapshot, upload};
use crate::session::Session;
use crate::show::note;
use clap::Args;
use definitions::inputs::{AssetKind, Input};
use definitions::jobs::{About, Job as Definition};
use definitions::{CommandJob, Parsed, Reference, RunConfig, Selector};
use domain::{Digest, Fault, Job, Name, Span, Version};
use runs::{InputSource, JobInput, JobOutput, SubmitCommand};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod git;

/// `job submit`.
#[derive(Debug, Args)]
pub struct Submit {
    /// A command job in the fields of the Azure ML CLI v2, or a *.runconfig of v1
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,
    /// The experiment, whatever the file says
    #[arg(long, short = 'e', value_name = "NAME")]
    pub experiment_name: Option<String>,
    /// The folder of the code of a *.runconfig; else the nearest above the file that has the script
    #[arg(long, value_name = "DIR")]
    pub source_directory: Option<PathBuf>,
    /// Come back as soon as the job is accepted; needs a server that runs
    #[arg(long)]
    pub detach: bool,
}

impl Submit {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        let shown = self.file.display().to_string();
        let text =
            std::fs::read_to_string(&self.file).map_err(|e| Fault::invalid(format!("{shown}: {e}")))?;
        let parsed = definitions::read::<Definition>(&shown, &text)?;
        parsed.notes.iter().for_each(|told| note(&format!("note: {shown}: {told}")));
        let folder = self.file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut ask = match &parsed.value {
            Definition::Command(job) => command(session, &parsed, job, folder).await?,
            Definition::RunConfig(run) => self.run_config(session, run, folder).await?,
            Definition::Sweep(_) | Definition::Automl(_) => {
                return Err(Fault::invalid(format!(
                    "{shown}: `job submit` takes command jobs; a search is `automl run`"
                )));
            }
        };
        if let Some(experiment) = &self.experiment_name {
            ask.experiment = Some(Name::new(experiment)?);
        }
        let job: Job = session.client.post("/api/v1/jobs/command", &ask).await?;
        if self.detach {
            session.out.value(&job, |job| format!("{} is {}", job.id, job.status.as_str()));
            return Ok(());
        }
        session.out.say(&format!("{} · {}", job.id, job.experiment));
        let job = follow(session, &job.id).await?;
        session.out.value(&job, |job| format!("{} · {}", job.id, job.status.as_str()));
        crate::cli::automl::finished(session, job).map(drop)
    }

    /// A v1 run: script and arguments of the source folder; a data path on the compute becomes that of the input.
    async fn run_config(
        &self,
        session: &Session,
        run: &RunConfig,
        folder: &Path,
    ) -> Result<SubmitCommand, Fault> {
        if run.environment.conda_file.is_some() && !run.environment.user_managed {
            note("note: packages are those of the server's interpreter (runs.command.python)");
        }
        let source = match &self.source_directory {
            Some(source) => source.clone(),
            None => source_of(folder, &run.script)?,
        };
        let mut ask = SubmitCommand {
            code: Some(sent(session, &source, Snapshot::Code).await?),
            source: git::source(&source),
            environment_variables: run.environment.variables.clone(),
            timeout: run.timeout_seconds.map(|seconds| Span(Duration::from_secs(u64::from(seconds)))),
            ..SubmitCommand::default()
        };
        let mut places = Vec::new();
        for (name, data) in &run.data {
            let version = data.version.as_deref().map(number).transpose()?;
            let from = InputSource::Data { name: data.name.clone(), version, file: false };
            ask.inputs.insert(name.clone(), JobInput { from, variable: data.variable.clone() });
            if let Some(path) = &data.path_on_compute {
                places.push((path.trim_end_matches('/').to_owned(), name.clone()));
            }
        }
        let words = std::iter::once(word(&run.script)).chain(run.arguments.iter().map(|argument| {
            let found =
                places.iter().find_map(|(path, name)| Some((argument.strip_prefix(path.as_str())?, name)));
            match found {
                Some((rest, name)) if rest.is_empty() || rest.starts_with('/') => {
                    format!(
                        "${{{{inputs.{name}}}}}{}",
                        if rest.len() > 1 { word(rest) } else { String::new() }
                    )
                }
                _ => word(argument),
            }
        }));
        ask.command = format!("python {}", words.collect::<Vec<_>>().join(" "));
        Ok(ask)
    }
}

/// A job of the CLI v2 with its folders sent.
async fn command(
    session: &Session,
    parsed: &Parsed<Definition>,
    job: &CommandJob,
    folder: &Path,
) -> Result<SubmitCommand, Fault> {
    if job.environment.is_some() {
        note("note: packages are those of the server's interpreter (runs.command.python)");
    }
    let mut ask = about(&job.about)?;
    ask.command.clone_from(&job.command);
    ask.environment_variables.clone_from(&job.environment_variables);
    ask.timeout = job.timeout_seconds.map(|seconds| Span(Duration::from_secs(u64::from(seconds))));
    if let Some(code) = &job.code {
        let Reference::Local(path) = code else {
            return Err(parsed.fault("code", "the code is a folder beside this file"));
        };
        let path = folder.join(path);
        ask.code = Some(sent(session, &path, Snapshot::Code).await?);
        ask.source = git::source(&path);
    }
    for (name, input) in &job.inputs {
        let from = source(session, input, folder)
            .await
            .map_err(|fault| parsed.fault(&format!("inputs.{name}"), &fault.message))?;
        ask.inputs.insert(name.clone(), JobInput { from, variable: None });
    }
    for (name, output) in &job.outputs {
        ask.outputs.insert(name.clone(), JobOutput { file: output.kind == AssetKind::UriFile });
    }
    Ok(ask)
}

fn about(about: &About) -> Result<SubmitCommand, Fault> {
    let mut tags: BTreeMap<String, String> = about.tags.clone();
    tags.extend(about.properties.clone());
    if let Some(name) = &about.name {
        tags.insert("name".to_owned(), name.clone());
    }
    Ok(SubmitCommand {
        experiment: about.experiment_name.as_ref().map(Name::new).transpose()?,
        display_name: about.display_name.clone(),
        description: about.description.clone(),
        tags,
        ..SubmitCommand::default()
    })
}

async fn source(session: &Session, input: &Input, folder: &Path) -> Result<InputSource, Fault> {
    let (kind, path) = match input {
        Input::Literal(value) => return Ok(InputSource::Value(value.clone())),
        Input::Asset { kind, path, .. } => (*kind, path),
    };
    match path {
        Reference::Registered { name, version } => {
            let version = match version {
                Selector::Latest => None,
                Selector::Version(version) | Selector::Label(version) => Some(number(version)?),
            };
            Ok(InputSource::Data { name: name.clone(), version, file: kind == AssetKind::UriFile })
        }
        Reference::Local(path) => local(session, &folder.join(path)).await,
        other => Err(Fault::invalid(format!(
            "{other} is not read here: register the data, or download it and give the local path"
        ))),
    }
}

/// A file goes as the only one of a folder.
async fn local(session: &Session, path: &Path) -> Result<InputSource, Fault> {
    if !path.is_file() {
        return Ok(InputSource::Folder(sent(session, path, Snapshot::Whole).await?));
    }
    let failed = |e: std::io::Error| Fault::invalid(format!("{}: {e}", path.display()));
    let name = path.file_name().unwrap_or_default();
    let folder = tempfile::tempdir().map_err(failed)?;
    let copy = folder.path().join(name);
    std::fs::copy(path, &copy).map_err(failed)?;
    let tree = sent(session, folder.path(), Snapshot::Whole).await?;
    Ok(InputSource::File { tree, path: name.to_string_lossy().into_owned() })
}

async fn sent(session: &Session, folder: &Path, snapshot: Snapshot) -> Result<Digest, Fault> {
    Ok(upload(&session.client, folder, snapshot, |_| ()).await?.digest)
}

fn number(version: &str) -> Result<Version, Fault> {
    let number = version.parse().map_err(|_| {
        Fault::invalid(format!("'{version}' is no version here: versions are numbers, or write @latest"))
    })?;
    Ok(Version(number))
}

/// The nearest folder from the file's upwards that has the script.
fn source_of(folder: &Path, script: &str) -> Result<PathBuf, Fault> {
    let start = folder.canonicalize().map_err(|e| Fault::invalid(format!("{}: {e}", folder.display())))?;
    let found = start.ancestors().take(4).find(|above| above.join(script).is_file());
    found.map(Path::to_owned).ok_or_else(|| {
        Fault::invalid(format!(
            "{script} is neither in {} nor in the folders above: name its folder by --source-directory",
            folder.display()
        ))
    })
}

/// A text as the shell reads it as one word.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,%=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
