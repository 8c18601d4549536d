//! `automl run -f FILE`: an AutoML job in the fields of the Azure ML CLI v2 as the flags of `automl run`.

use crate::cli::automl::Run;
use crate::cli::data::Register;
use crate::definition::Text;
use crate::session::Session;
use definitions::jobs::AutomlTask;
use definitions::{AutomlJob, Parsed, Reference, Selector};
use domain::{DataVersion, Fault, Name, Span};
use std::path::Path;
use std::time::Duration;

/// The flags with what the file says in the places of those that were not given.
pub async fn filled(mut run: Run, session: &Session) -> Result<Run, Fault> {
    let Some(file) = run.file.take() else { return Ok(run) };
    let text = Text::read(&file)?;
    let parsed = text.parse::<AutomlJob>(session)?;
    let job = &parsed.value;
    if run.data.is_none() {
        run.data = Some(data(&parsed, &text.folder, session).await?);
    }
    let target = run.target.get_or_insert_with(|| job.target_column_name.clone()).clone();
    run.metric = run.metric.or_else(|| job.primary_metric.clone());
    if let Some(trials) = job.limits.max_trials {
        run.max_trials = trials;
    }
    let minutes = job.limits.timeout_minutes.map(|m| Span(Duration::from_secs(60 * u64::from(m))));
    run.time_limit = run.time_limit.or(minutes);
    if let Some(experiment) = &job.about.experiment_name {
        let wrong = |fault: Fault| parsed.fault("experiment_name", &fault.message);
        run.experiment = Name::new(experiment.as_str()).map_err(wrong)?.to_string();
    }
    if run.task.is_none() {
        run.task = Some(task(job.task, &run, &target, session).await?);
    }
    Ok(run)
}

/// The asset that the training data is: registered, or a table beside the file, which is registered under its own name.
async fn data(parsed: &Parsed<AutomlJob>, folder: &Path, session: &Session) -> Result<String, Fault> {
    let wrong = |text: &str| parsed.fault("training_data.path", text);
    match &parsed.value.training_data {
        Reference::Registered { name, version } => match version {
            Selector::Latest => Ok(name.to_string()),
            Selector::Version(version) => Ok(format!("{name}:{version}")),
            Selector::Label(label) => Err(wrong(&format!("'@{label}': of data only @latest is known"))),
        },
        Reference::Local(path) => {
            let path = folder.join(path);
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let name = Name::new(stem).map_err(|fault| wrong(&fault.message))?;
            if !path.exists() {
                return Err(wrong(&format!("there is no {}", path.display())));
            }
            let register = Register::of(name.as_str(), &path);
            let (version, created) = register.carry_out(session).await?;
            session.out.say(&crate::cli::data::registered(&version, created));
            Ok(format!("{}:{}", version.name, version.version))
        }
        other => {
            Err(wrong(&format!("'{other}' is not read: register the data, and write azureml:NAME@latest")))
        }
    }
}

/// The task in the words of a search: a target of two values is binary, one of more multiclass.
async fn task(task: AutomlTask, run: &Run, target: &str, session: &Session) -> Result<String, Fault> {
    if task == AutomlTask::Regression {
        return Ok("regression".to_owned());
    }
    let (name, version) = crate::cli::data::reference(run.data.as_deref().unwrap_or_default());
    let found: DataVersion = session.client.get(&format!("/api/v1/data/{name}/versions/{version}")).await?;
    let columns = found.profile["columns"].as_array().cloned().unwrap_or_default();
    let column = columns.iter().find(|column| column["name"] == target);
    let two = column.is_none_or(|column| column["distinct"] == 2);
    Ok(if two { "binary" } else { "multiclass" }.to_owned())
}
