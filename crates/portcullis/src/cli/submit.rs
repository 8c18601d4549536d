//! `job submit -f FILE`: a definition becomes a job; local paths become folders on the server.

use crate::cli::job::follow;
use crate::cli::job_show;
use crate::folder::{Snapshot, upload};
use crate::session::Session;
use crate::show::note;
use clap::Args;
use definitions::inputs::{AssetKind, Input};
use definitions::jobs::{About, Job as Definition};
use definitions::{CommandJob, Parsed, Reference, RunConfig, Selector, SweepJob};
use domain::{Digest, EnvironmentSpec, Fault, Job, Name, Span, Version};
use environments::describe;
use runs::{InputSource, JobInput, JobOutput, SubmitCommand, SubmitSweep};
use std::path::{Path, PathBuf};
use std::time::Duration;

mod git;
mod script;

/// `job submit`.
#[derive(Debug, Args)]
pub struct Submit {
    /// A command or sweep job in the fields of the Azure ML CLI v2, a *.runconfig of v1, or a train.py beside config/train-conda.yml
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,
    /// The registered data in place of what the file names; a train.py gets its folder as --data_path
    #[arg(long, value_name = "NAME[:VERSION]")]
    pub data: Option<String>,
    /// What a train.py gets as --model_name: the file that it writes into ./outputs
    #[arg(long, value_name = "FILE")]
    pub model_file: Option<String>,
    /// The experiment, whatever the file says
    #[arg(long, short = 'e', value_name = "NAME")]
    pub experiment_name: Option<String>,
    /// The folder of the code of a *.runconfig; else the nearest above the file that has the script
    #[arg(long, value_name = "DIR")]
    pub source_directory: Option<PathBuf>,
    /// Let pins of packages that cannot be had here give way to the nearest that can; what changed is recorded
    #[arg(long)]
    pub relax_pins: bool,
    /// Come back as soon as the job is accepted; needs a server that runs
    #[arg(long)]
    pub detach: bool,
}

impl Submit {
    /// A definition and everything else left open.
    pub fn of(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            data: None,
            model_file: None,
            experiment_name: None,
            source_directory: None,
            relax_pins: false,
            detach: false,
        }
    }

    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        let job = self.submit(session).await?;
        if self.detach {
            session.out.value(&job, |job| format!("{} is {}", job.id, job.status.as_str()));
            return Ok(());
        }
        session.out.say(&format!("{} · {}", job.id, job_show::experiment(&job)));
        let job = follow(session, &job.id).await?;
        session.out.value(&job, |job| format!("{} · {}{}", job.id, job.status.as_str(), job_show::best(job)));
        crate::cli::automl::finished(session, job).map(drop)
    }

    /// Submits; the job has been accepted when this returns.
    pub async fn submit(&self, session: &Session) -> Result<Job, Fault> {
        if self.file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("py")) {
            let ask = self.settled(script::ask(session, self).await?)?;
            return session.client.post("/api/v1/jobs/command", &ask).await;
        }
        if self.model_file.is_some() {
            return Err(Fault::invalid(
                "--model-file goes with a train.py: a definition has its own arguments",
            ));
        }
        let shown = self.file.display().to_string();
        let text =
            std::fs::read_to_string(&self.file).map_err(|e| Fault::invalid(format!("{shown}: {e}")))?;
        let parsed = definitions::read::<Definition>(&shown, &text)?;
        parsed.notes.iter().for_each(|told| note(&format!("note: {shown}: {told}")));
        let folder = self.file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match &parsed.value {
            Definition::Command(job) => {
                let ask = self.settled(command(session, &parsed, job, folder).await?)?;
                session.client.post("/api/v1/jobs/command", &ask).await
            }
            Definition::RunConfig(run) => {
                let ask = self.settled(self.run_config(session, run, folder).await?)?;
                session.client.post("/api/v1/jobs/command", &ask).await
            }
            Definition::Sweep(job) => {
                let mut ask = sweep(session, &parsed, job, folder).await?;
                ask.trial = self.settled(ask.trial)?;
                session.client.post("/api/v1/jobs/sweep", &ask).await
            }
            Definition::Automl(_) => {
                Err(Fault::invalid(format!("{shown}: a search is submitted by `automl run`")))
            }
        }
    }

    /// What the flags change.
    fn settled(&self, mut ask: SubmitCommand) -> Result<SubmitCommand, Fault> {
        if let Some(experiment) = &self.experiment_name {
            ask.experiment = Some(Name::new(experiment)?);
        }
        if let Some(data) = &self.data {
            script::bind(&mut ask, data)?;
        }
        if self.relax_pins {
            ask.environment = describe::relaxed(ask.environment);
        }
        Ok(ask)
    }

    /// A v1 run: script and arguments of the source folder; a data path on the compute becomes that of the input.
    async fn run_config(
        &self,
        session: &Session,
        run: &RunConfig,
        folder: &Path,
    ) -> Result<SubmitCommand, Fault> {
        let source = match &self.source_directory {
            Some(source) => source.clone(),
            None => source_of(folder, &run.script)?,
        };
        let mut ask = SubmitCommand {
            code: Some(sent(session, &source, Snapshot::Code).await?),
            source: git::source(&source),
            environment: packages(run, &source)?,
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
    let mut ask = about(&job.about)?;
    ask.command.clone_from(&job.command);
    ask.environment_variables.clone_from(&job.environment_variables);
    ask.environment = describe::of_use(job.environment.as_ref(), &|path| beside(folder, path))
        .map_err(|fault| parsed.fault("environment", &fault.message))?;
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

/// A sweep: its trial is a command with the inputs and outputs of all.
async fn sweep(
    session: &Session,
    parsed: &Parsed<Definition>,
    job: &SweepJob,
    folder: &Path,
) -> Result<SubmitSweep, Fault> {
    let trial = CommandJob {
        about: job.about.clone(),
        command: job.trial.command.clone(),
        code: job.trial.code.clone(),
        environment: job.trial.environment.clone(),
        environment_variables: job.trial.environment_variables.clone(),
        inputs: job.inputs.clone(),
        outputs: job.outputs.clone(),
        timeout_seconds: None,
        distribution: None,
    };
    Ok(SubmitSweep {
        trial: command(session, parsed, &trial, folder).await?,
        search_space: job.search_space.clone(),
        sampling: job.sampling,
        seed: job.seed.map_or(0, u64::from),
        objective: job.objective.clone(),
        limits: job.limits,
        early_termination: job.early_termination,
    })
}

fn beside(folder: &Path, path: &str) -> Result<String, Fault> {
    let path = folder.join(path);
    std::fs::read_to_string(&path).map_err(|e| Fault::invalid(format!("{}: {e}", path.display())))
}

/// The packages of a v1 run: an interpreter as it is, or those of the conda file.
fn packages(run: &RunConfig, source: &Path) -> Result<EnvironmentSpec, Fault> {
    let environment = &run.environment;
    if let Some(interpreter) = environment.interpreter_path.as_ref().filter(|_| environment.user_managed) {
        return Ok(EnvironmentSpec::Named { interpreter: Name::new(interpreter)? });
    }
    match environment.conda_file.as_ref().filter(|_| !environment.user_managed) {
        None => Ok(EnvironmentSpec::System),
        Some(file) => Ok(EnvironmentSpec::Packages(describe::of_text(file, &beside(source, file)?)?)),
    }
}

fn about(about: &About) -> Result<SubmitCommand, Fault> {
    Ok(SubmitCommand {
        experiment: about.experiment_name.as_ref().map(Name::new).transpose()?,
        display_name: about.display_name.clone(),
        description: about.description.clone(),
        tags: about.all_tags(),
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
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,%=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
