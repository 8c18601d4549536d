//! What a user asks for when submitting a command, and the checks before it is accepted.

use crate::error::{Error, Result};
use definitions::{Expression, resolve};
use domain::{Digest, EnvironmentSpec, Fault, Lineage, Name, Span, Version};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::Store;
use utoipa::ToSchema;

/// Bytes of a command at most.
const COMMAND_MAX: usize = 64 * 1024;
/// Inputs, outputs, variables or tags at most.
const MOST: usize = 512;
/// Bytes of a variable, a tag or a literal at most.
const TEXT_MAX: usize = 32 * 1024;
/// Bytes of a difference to the committed code at most.
const DIFF_MAX: usize = 1024 * 1024;

/// A command job as submitted; kept as the job's `spec` with everything filled in.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitCommand {
    /// The command line, run by the shell in the folder of the code; `${{inputs.NAME}}` and `${{outputs.NAME}}` become values and
    /// paths.
    pub command: String,
    /// The folder of the code, by the digest of its tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Digest>,
    /// Where the code came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<CodeSource>,
    /// Interpreter and packages; this machine's interpreter when left out.
    #[serde(default)]
    pub environment: EnvironmentSpec,
    /// Variables of the process.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment_variables: BTreeMap<String, String>,
    /// Inputs by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, JobInput>,
    /// Outputs by name: folders, or files, whose content is kept when the job has ended.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, JobOutput>,
    /// Time after which it is stopped, as `60s` or `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub timeout: Option<Span>,
    /// Bytes of memory of all its processes together; never more than `runs.memory_bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// The experiment the run belongs to; `default` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<Name>,
    /// A title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Tags of the run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// Where the code came from, as git knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CodeSource {
    /// The commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The remote's URL, without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Files that git does not track, which the patch leaves out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untracked: Option<u32>,
    /// What differed from the commit, as a patch; kept as a file of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}

/// An input of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobInput {
    /// What it is.
    pub from: InputSource,
    /// A variable that holds its path or value, besides `AZUREML_DATAREFERENCE_NAME` and `AZURE_ML_INPUT_NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
}

/// Where an input comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum InputSource {
    /// A value that stands in the command as it is written.
    Value(String),
    /// A registered data asset.
    Data {
        /// Its name.
        name: Name,
        /// Its version; the newest when left out, filled in when accepted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
        /// Whether the path is that of the file; else that of the folder with the file in it.
        #[serde(default)]
        file: bool,
    },
    /// A folder, by the digest of its tree.
    Folder(Digest),
    /// A file in a tree.
    File {
        /// The tree's digest.
        tree: Digest,
        /// The file's path in it.
        path: String,
    },
}

/// An output of a command.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JobOutput {
    /// Whether it is one file; else a folder.
    pub file: bool,
}

impl SubmitCommand {
    /// Pins data versions and refuses what cannot be, before anything is kept. Gives the first registered data it reads.
    pub(crate) async fn settle(&mut self, store: &Store) -> Result<Option<Lineage>> {
        self.check()?;
        let mut lineage = None;
        for (name, input) in &mut self.inputs {
            match &mut input.from {
                InputSource::Value(_) => {}
                InputSource::Data { name, version, .. } => {
                    let found = store.data_version(name, *version).await?;
                    *version = Some(found.version);
                    lineage.get_or_insert(Lineage {
                        data: found.name,
                        data_version: found.version,
                        data_digest: found.digest,
                    });
                }
                InputSource::Folder(tree) => check_tree(store, name, tree, None).await?,
                InputSource::File { tree, path } => check_tree(store, name, tree, Some(path)).await?,
            }
        }
        if let Some(code) = &self.code {
            check_tree(store, "code", code, None).await?;
        }
        Ok(lineage)
    }

    fn check(&self) -> Result<()> {
        let wrong = |text: String| Err(Error::Submission(text));
        if self.command.trim().is_empty() || self.command.len() > COMMAND_MAX || self.command.contains('\0') {
            return wrong(format!("command: write a command line of at most {COMMAND_MAX} bytes"));
        }
        let counts = [
            ("inputs", self.inputs.len()),
            ("outputs", self.outputs.len()),
            ("environment_variables", self.environment_variables.len()),
            ("tags", self.tags.len()),
        ];
        if let Some((what, count)) = counts.iter().find(|(_, count)| *count > MOST) {
            return wrong(format!("{what}: there are {count}, at most {MOST} are taken"));
        }
        for name in self.inputs.keys().chain(self.outputs.keys()) {
            let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
            if name.is_empty() || name.len() > 128 || !name.chars().all(plain) || name.starts_with(['.', '-'])
            {
                return wrong(format!("'{}' is no name of an input or output", name.escape_default()));
            }
        }
        let variables = self.inputs.values().filter_map(|input| input.variable.as_ref());
        for name in self.environment_variables.keys().chain(variables) {
            let odd = |c: char| c == '=' || c == '\0' || c.is_control();
            if name.is_empty() || name.len() > 256 || name.contains(odd) {
                return wrong(format!("'{}' is no name of an environment variable", name.escape_default()));
            }
        }
        let texts = self.environment_variables.values().chain(self.tags.values());
        if let Some(text) = texts.into_iter().find(|text| text.len() > TEXT_MAX || text.contains('\0')) {
            return wrong(format!("a value of {} bytes is too long, or has zero characters", text.len()));
        }
        if self.timeout.is_some_and(|timeout| timeout.0.is_zero()) {
            return wrong("timeout: give the job more than no time".to_owned());
        }
        if let Some(diff) = self.source.as_ref().and_then(|source| source.diff.as_ref())
            && diff.len() > DIFF_MAX
        {
            return wrong(format!("source.diff: at most {DIFF_MAX} bytes are kept"));
        }
        self.check_expressions()
    }

    /// Every expression names an input or output that is there.
    fn check_expressions(&self) -> Result<()> {
        let known = |expression: &Expression| match expression {
            Expression::Input(name) if self.inputs.contains_key(name) => Ok(String::new()),
            Expression::Output(name) if self.outputs.contains_key(name) => Ok(String::new()),
            Expression::Input(name) => Err(Fault::invalid(format!("there is no input '{name}'"))),
            Expression::Output(name) => Err(Fault::invalid(format!("there is no output '{name}'"))),
            Expression::Name => Ok(String::new()),
            // A sweep puts values in its place before a trial is made.
            Expression::SearchSpace(name) => {
                Err(Fault::invalid(format!("search_space.{name} stands only in the trial of a sweep")))
            }
            other => Err(Fault::invalid(format!("{other:?} has no meaning in a command job"))),
        };
        for text in std::iter::once(&self.command).chain(self.environment_variables.values()) {
            resolve(text, known).map_err(|fault| Error::Submission(format!("command: {}", fault.message)))?;
        }
        Ok(())
    }
}

async fn check_tree(store: &Store, what: &str, digest: &Digest, path: Option<&str>) -> Result<()> {
    let (artifacts, digest) = (store.artifacts().clone(), *digest);
    let found = tokio::task::spawn_blocking(move || artifacts.tree(&digest)).await;
    let tree = found.map_err(|_| Error::Interrupted)?.map_err(|error| {
        Error::Submission(format!("{what}: {error}: send the folder first by POST /api/v1/trees"))
    })?;
    match path.filter(|path| !tree.files.contains_key(*path)) {
        Some(path) => Err(Error::Submission(format!("{what}: there is no file '{path}' in its folder"))),
        None => Ok(()),
    }
}
