//! `automl run -f FILE`: an AutoML job in the fields of the Azure ML CLI v2 as the flags of `automl run`.

use crate::cli::automl::{Run, asset};
use crate::cli::automl_how::How;
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
    run.data = Some(match &run.data {
        Some(data) => {
            let (name, version) = asset(session, data).await?;
            format!("{name}:{version}")
        }
        None => data(&parsed, (&job.training_data, "training_data.path"), &text.folder, session).await?,
    });
    let further = [
        (&job.validation_data, "validation_data.path", &mut run.how.validation_data),
        (&job.test_data, "test_data.path", &mut run.how.test_data),
    ];
    for (table, field, into) in further {
        if let (Some(table), None) = (table, &into) {
            *into = Some(data(&parsed, (table, field), &text.folder, session).await?);
        }
    }
    how(&mut run.how, job);
    run.about = job.about.clone();
    let target = run.target.get_or_insert_with(|| job.target_column_name.clone()).clone();
    run.metric = run.metric.or_else(|| job.primary_metric.clone());
    run.max_trials = run.max_trials.or(job.limits.max_trials);
    let minutes = |m: u32| Span(Duration::from_secs(60 * u64::from(m)));
    run.time_limit = run.time_limit.or(job.limits.timeout_minutes.map(minutes));
    run.trial_time_limit = run.trial_time_limit.or(job.limits.trial_timeout_minutes.map(minutes));
    if let (None, Some(experiment)) = (&run.experiment, &job.about.experiment_name) {
        let wrong = |fault: Fault| parsed.fault("experiment_name", &fault.message);
        run.experiment = Some(Name::new(experiment.as_str()).map_err(wrong)?.to_string());
    }
    if run.task.is_none() {
        run.task = Some(task(job.task, &run, &target, session).await?);
    }
    Ok(run)
}

/// What the file says in the places of flags that were not given.
fn how(how: &mut How, job: &AutomlJob) {
    fn fill<T: Clone>(into: &mut Option<T>, from: &Option<T>) {
        if into.is_none() {
            into.clone_from(from);
        }
    }
    let lists = [
        (&mut how.exclude, &job.exclude),
        (&mut how.cv_split_columns, &job.cv_split_column_names),
        (&mut how.allowed_learners, &job.training.allowed),
        (&mut how.blocked_learners, &job.training.blocked),
    ];
    for (into, from) in lists.into_iter().filter(|(into, _)| into.is_empty()) {
        into.clone_from(from);
    }
    fill(&mut how.weight_column, &job.weight_column_name);
    fill(&mut how.n_cross_validations, &job.n_cross_validations);
    fill(&mut how.validation_size, &job.validation_data_size);
    fill(&mut how.exit_score, &job.limits.exit_score);
    how.no_early_termination |= job.limits.enable_early_termination == Some(false);
    how.no_vote_ensemble |= job.training.vote_ensemble == Some(false);
    how.no_stack_ensemble |= job.training.stack_ensemble == Some(false);
}

/// The asset that a table is: registered, or a table beside the file, which is registered under its own name.
async fn data(
    parsed: &Parsed<AutomlJob>,
    (table, field): (&Reference, &str),
    folder: &Path,
    session: &Session,
) -> Result<String, Fault> {
    let wrong = |text: &str| parsed.fault(field, text);
    match table {
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
