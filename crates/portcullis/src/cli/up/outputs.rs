//! Which of the things that a run left in `./outputs` is the model.

use crate::cli::artifacts::{Entry, list};
use crate::session::Session;
use domain::{Fault, Job};

/// The folder of a run's artifacts that its scripts write without a call.
const OUTPUTS: &str = "outputs";
/// The file that makes a folder an MLflow model.
const MLMODEL: &str = "MLmodel";

/// The path of the model among the artifacts of a job.
pub async fn model(session: &Session, job: &Job, wanted: Option<&str>) -> Result<String, Fault> {
    let entries = list(session, job.id.as_str(), OUTPUTS).await?;
    let mut folders = Vec::new();
    for entry in entries.iter().filter(|entry| entry.is_dir) {
        if list(session, job.id.as_str(), &entry.path).await?.iter().any(|file| file.name() == MLMODEL) {
            folders.push(entry.path.clone());
        }
    }
    let argument = argument(job.spec["command"].as_str().unwrap_or_default());
    choose(&entries, &folders, (wanted, argument))
}

/// What stands behind `--model_name` in a command.
fn argument(command: &str) -> Option<&str> {
    let mut words = command.split_whitespace();
    words
        .find_map(|word| match word.strip_prefix("--model_name")? {
            "" => Some(None),
            rest => rest.strip_prefix('=').map(Some),
        })?
        .or_else(|| words.next())
        .map(|word| word.trim_matches('\''))
}

/// What was asked for, else the only one, else the only MLflow model, else what the script was told to write.
fn choose(
    entries: &[Entry],
    folders: &[String],
    (wanted, argument): (Option<&str>, Option<&str>),
) -> Result<String, Fault> {
    let named = |name: &str| entries.iter().find(|entry| entry.name() == name).map(|e| e.path.clone());
    let list = || entries.iter().map(Entry::name).collect::<Vec<_>>().join(", ");
    if let Some(wanted) = wanted {
        return named(wanted).ok_or_else(|| {
            Fault::invalid(format!("the run left no '{wanted}' in ./outputs, but: {}", list()))
        });
    }
    if entries.iter().any(|entry| entry.name() == MLMODEL) {
        return Ok(OUTPUTS.to_owned());
    }
    match (entries, folders) {
        ([], _) => Err(Fault::invalid(
            "the run left nothing in ./outputs: the script has to write its model there, as ./outputs/model.pkl",
        )),
        ([only], _) => Ok(only.path.clone()),
        (_, [only]) => Ok(only.clone()),
        _ => argument.and_then(named).ok_or_else(|| {
            Fault::invalid(format!(
                "the run left several things in ./outputs ({}): say which is the model with --model-file",
                list()
            ))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(names: &[&str]) -> Vec<Entry> {
        let entry = |name: &&str| {
            let is_dir = !name.contains('.');
            Entry { path: format!("outputs/{name}"), is_dir, file_size: 1 }
        };
        names.iter().map(entry).collect()
    }

    #[test]
    fn the_model_is_found_among_the_outputs() {
        let two = entries(&["a.pkl", "model"]);
        let model = ["outputs/model".to_owned()];
        assert_eq!(choose(&two, &model, (None, None)).unwrap(), "outputs/model");
        assert_eq!(choose(&two, &model, (Some("a.pkl"), None)).unwrap(), "outputs/a.pkl");
        assert_eq!(choose(&two, &[], (None, Some("a.pkl"))).unwrap(), "outputs/a.pkl");
        assert_eq!(choose(&entries(&["a.pkl"]), &[], (None, None)).unwrap(), "outputs/a.pkl");
        assert_eq!(choose(&entries(&["MLmodel", "x.pkl"]), &[], (None, None)).unwrap(), "outputs");
        for (names, wanted, said) in
            [(&[][..], None, "nothing"), (&["a.b", "c.d"], None, "a.b, c.d"), (&["a.b"], Some("x"), "no 'x'")]
        {
            let fault = choose(&entries(names), &[], (wanted, None)).unwrap_err();
            assert!(fault.message.contains(said), "{}", fault.message);
        }
    }

    #[test]
    fn the_command_says_what_the_script_writes() {
        assert_eq!(argument("python train.py --model_name m.pkl --x 1"), Some("m.pkl"));
        assert_eq!(argument("python train.py --model_name='m 1.pkl'"), Some("m"));
        assert_eq!(argument("python train.py --model_names m.pkl"), None);
    }
}
