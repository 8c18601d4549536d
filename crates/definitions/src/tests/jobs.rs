//! Command, sweep and AutoML jobs.

use super::{bad, good};
use crate::jobs::{Choice, EarlyTermination, Sampling};
use crate::{AssetKind, CommandJob, EnvironmentUse, Input, Job, Kind, Reference, SweepJob};

const COMMAND: &str = "\
$schema: https://example.com/latest/CommandJob.schema.json
code: src
command: >-
  python train.py
  --table ${{inputs.table}}
  --rate ${{ inputs.rate }}
  --out ${{outputs.model}}
inputs:
  table:
    type: uri_file
    path: azureml:credit:3
  rate: 0.10
  folder: {path: ./raw, mode: ro_mount}
outputs:
  model:
  world: {type: uri_file, mode: upload}
environment:
  image: registry.example/base
  conda_file: conda.yml
environment_variables:
  VERSION: 1.10
  EMPTY:
compute: azureml:cpu-cluster
resources:
  instance_count: 2
experiment_name: credit risk
limits: {timeout: 3600}
tags: {a: 1}
";

#[test]
fn a_command_job_is_read_as_written() {
    let parsed = good::<CommandJob>(COMMAND);
    let job = &parsed.value;
    assert_eq!(job.inputs["rate"], Input::Literal("0.10".to_owned()));
    let Input::Asset { kind, path, .. } = &job.inputs["table"] else { panic!("an asset") };
    assert_eq!((*kind, path.to_string().as_str()), (AssetKind::UriFile, "azureml:credit:3"));
    assert_eq!(job.outputs["model"].kind, AssetKind::UriFolder);
    assert_eq!(job.environment_variables["VERSION"], "1.10");
    assert_eq!(job.environment_variables["EMPTY"], "");
    assert_eq!(job.timeout_seconds, Some(3600));
    assert_eq!(job.code, Some(Reference::Local("src".to_owned())));
    assert_eq!(job.about.experiment_name.as_deref(), Some("credit risk"));
    let told: Vec<&str> = parsed.notes.iter().map(|note| note.field.as_str()).collect();
    assert_eq!(told, ["environment.image", "compute", "resources", "resources.instance_count"]);
    assert_eq!(
        parsed.fault("code", "no such folder").message,
        "f.yml: line 2, column 7: field 'code': no such folder"
    );
    let json = serde_json::to_string(job).unwrap();
    assert_eq!(serde_json::from_str::<CommandJob>(&json).unwrap(), *job);
    assert_eq!(crate::kind("f", COMMAND).unwrap(), Some(Kind::CommandJob));
}

#[test]
fn a_command_job_refuses_by_line_and_field() {
    for (text, said) in [
        (
            "comand: x\n",
            "line 1, column 1: field 'comand': a command job has no such field: did you mean 'command'?",
        ),
        ("command: x\nouputs:\n  model: {type: uri_folder}\n", "line 2, column 1: field 'ouputs': "),
        ("code: .\n", "line 1, column 1: field 'command': is missing"),
        (
            "command: x\nlimits: {timeout: 5x}\n",
            "line 2, column 19: field 'limits.timeout': '5x': a whole number",
        ),
        ("command: echo ${{inputs.tabel}}\ninputs: {table: 1}\n", "did you mean 'table'?"),
        ("command: echo ${{inputs.x}\n", "is never closed"),
        ("command: echo ${{parent.inputs.x}}\n", "belongs to a step of a pipeline"),
        ("command: x\ninputs: {a: {type: uri_fil, path: x}}\n", "'uri_fil' is none of uri_file"),
        ("command: x\ninputs: {a: {path: wasbs://c@a/p}}\n", "field 'inputs.a.path': paths of wasbs://"),
        (
            "command: x\nresources:\n  instance_type=\"A\"\n  instance_count=\"1\"\n",
            "line 3, column 3: field 'resources': a mapping is expected: write 'instance_type: A'",
        ),
        ("command: x\ndistribution: {type: pytorch, process_count_per_instance: 4}\n", "a job has one"),
        (
            "command: x\nenvironment: {build: {path: .}}\n",
            "field 'environment.build': images are not built here",
        ),
        ("command: x\nenvironment_variables: {'a b': 1}\n", "a variable's name"),
        ("- command: x\n", "a list stands here, a mapping is expected"),
        ("$schema: x/modle.json\ncommand: x\n", "names no kind of definition"),
        (
            "$schema: x/managedOnlineEndpoint.schema.json\nname: x\n",
            "this is an online endpoint, a command job is expected: use `endpoint create",
        ),
    ] {
        let found = bad::<CommandJob>(text);
        assert!(found.contains(said), "{found}\n  instead of {said}");
    }
}

#[test]
fn environments_are_told_apart() {
    let of = |text: &str| {
        good::<CommandJob>(&format!("command: x\nenvironment: {text}\n")).value.environment.unwrap()
    };
    for (text, said) in [
        ("azureml:credit@latest", "azureml:credit@latest"),
        (
            "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
            "azureml://registries/azureml/assets/sklearn-1.5/labels/latest",
        ),
        ("file:env.yml", "file:env.yml"),
    ] {
        assert!(matches!(of(text), EnvironmentUse::Reference(r) if r.to_string() == said), "{text}");
    }
    let EnvironmentUse::Inline(inline) = of("{conda_file: {dependencies: [python=3.11, {pip: [numpy]}]}}")
    else {
        panic!("inline")
    };
    let crate::assets::Packages::Conda(conda) = inline.packages else { panic!("conda") };
    assert_eq!(conda.python.as_deref(), Some("3.11"));
}

#[test]
fn a_sweep_job_is_read_with_its_space() {
    let text = "\
type: sweep
sampling_algorithm: random
trial:
  code: .
  command: python t.py --lr ${{search_space.lr}} --k ${{search_space.k}} --d ${{inputs.d}}
  environment: azureml:e@latest
inputs: {d: {type: uri_file, path: d.csv}}
search_space:
  lr: {type: uniform, min_value: 0.01, max_value: 0.9}
  k: {type: choice, values: [rbf, 2, 3.0]}
  n: {type: qloguniform, min_value: 0, max_value: 3, q: 2}
objective: {goal: minimize, primary_metric: Test MSE}
limits: {max_total_trials: 20, max_concurrent_trials: 5, timeout: 7200}
early_termination: {type: bandit, evaluation_interval: 1, slack_factor: 0.2, delay_evaluation: 10}
";
    let job = good::<SweepJob>(text).value;
    assert_eq!(job.sampling, Sampling::Random);
    assert_eq!(
        job.search_space["k"],
        Choice::Choice { values: ["rbf", "2", "3.0"].map(str::to_owned).into() }
    );
    assert!(matches!(job.search_space["n"], Choice::Loguniform { step: Some(2.0), .. }));
    assert!(matches!(job.early_termination, Some(EarlyTermination::Bandit { delay_evaluation: 10, .. })));
    assert!(matches!(good::<Job>(text).value, Job::Sweep(_)));
    let grid = text.replace("sampling_algorithm: random", "sampling_algorithm: grid");
    assert!(
        bad::<SweepJob>(&grid).contains("line 9, column 7: field 'search_space.lr': a grid needs values")
    );
    let unnamed = text.replace("search_space.k", "search_space.q");
    assert!(bad::<SweepJob>(&unnamed).contains("field 'trial.command': '${{search_space.q}}' names nothing"));
}

#[test]
fn an_automl_job_says_what_it_cannot() {
    let text = "\
$schema: https://example.com/sdk-2-0/AutoMLJob.json
type: automl
task: classification
primary_metric: auc_weighted
target_column_name: Risk
training_data: {type: mltable, path: ./table}
limits: {timeout_minutes: 10, max_trials: 5, max_concurrent_trials: 2}
featurization: {mode: auto}
log_verbosity: info
";
    let parsed = good::<crate::AutomlJob>(text);
    assert_eq!(parsed.value.primary_metric.as_deref(), Some("AUC_weighted"));
    assert_eq!(parsed.value.limits.timeout_minutes, Some(10));
    assert_eq!(parsed.notes.len(), 1);
    for (add, said) in [
        ("validation_data: {path: ./v}\nn_cross_validations: 5\n", "'n_cross_validations' says already how"),
        (
            "validation_data: {path: ./v}\nn_cross_validations: 5\n",
            "line 10, column 18: field 'validation_data'",
        ),
        (
            "training: {allowed_training_algorithms: [LightGBM, CNN]}\n",
            "line 10, column 52: field 'training.allowed_training_algorithms.1': 'CNN' is no algorithm here",
        ),
        ("training: {blocked_training_algorithms: [Oracle]}\n", "'Oracle' is no algorithm here"),
        ("featurization: {mode: maybe}\n", "featurization"),
        ("validation_data_size: 1.5\n", "validation_data_size"),
        ("forecasting: {time_column_name: t}\n", "forecasting is not done here"),
    ] {
        let text = if add.starts_with("featurization") {
            text.replace("featurization: {mode: auto}\n", "")
        } else {
            text.to_owned()
        };
        let found = bad::<crate::AutomlJob>(&format!("{text}{add}"));
        assert!(found.contains(said), "{found}");
    }
    let task = text.replace("task: classification", "task: forecasting");
    assert!(
        bad::<crate::AutomlJob>(&task).contains("line 3, column 7: field 'task': forecasting is not done")
    );
    let task = text.replace("task: classification", "task: text_ner");
    assert!(bad::<crate::AutomlJob>(&task).contains("field 'task': this task is not there yet"));
}

#[test]
fn a_type_that_is_no_job_is_refused() {
    for (text, said) in [
        (
            "command: x\ntype: foo\n",
            "line 2, column 7: field 'type': 'foo' is none of command, sweep, automl",
        ),
        (
            "type: spark\ncommand: x\n",
            "line 1, column 7: field 'type': jobs of type 'spark' are not there yet",
        ),
        (
            "$schema: a/commandJob.schema.json\ncommand: x\ntype: pipeline\n",
            "line 3, column 7: field 'type': jobs of type 'pipeline'",
        ),
        (
            "$schema: a/commandJob.schema.json\ncommand: x\ntype: sweep\n",
            "line 3, column 7: field 'type': this is a sweep job, but $schema or the keys say a command job",
        ),
    ] {
        let found = bad::<crate::jobs::Job>(text);
        assert!(found.contains(said), "{found}");
    }
    assert!(matches!(
        good::<crate::jobs::Job>("command: x\ntype: command\n").value,
        crate::jobs::Job::Command(_)
    ));
}

#[test]
fn an_automl_job_says_how_it_is_validated_tried_and_ended() {
    let text = "\
type: automl
task: regression
primary_metric: R2Score
target_column_name: price
training_data: ./table.csv
test_data: {type: mltable, path: azureml:prices-test@latest}
weight_column_name: weight
cv_split_column_names: [fold_1, fold_2]
n_cross_validations: auto
limits: {timeout: 60, trial_timeout_minutes: 5, max_trials: 9, exit_score: 0.9, enable_early_termination: false}
featurization: {mode: custom, column_name_and_types: {note: Ignore}}
training:
  allowed_training_algorithms: [xg_boost_regressor, RandomForest]
  blocked_training_algorithms: [LassoLars, random_forest]
  enable_stack_ensemble: false
";
    let job = good::<crate::AutomlJob>(text).value;
    assert_eq!(job.primary_metric.as_deref(), Some("r2_score"));
    assert!(job.test_data.is_some() && job.validation_data.is_none());
    assert_eq!(job.weight_column_name.as_deref(), Some("weight"));
    assert_eq!(job.cv_split_column_names, ["fold_1", "fold_2"]);
    assert_eq!((job.n_cross_validations, job.validation_data_size), (None, None));
    assert_eq!((job.limits.timeout_minutes, job.limits.trial_timeout_minutes), (Some(60), Some(5)));
    assert_eq!((job.limits.exit_score, job.limits.enable_early_termination), (Some(0.9), Some(false)));
    assert_eq!(job.exclude, ["note"]);
    assert_eq!(job.training.allowed, ["XGBoostRegressor", "RandomForest"]);
    assert_eq!(job.training.blocked, ["RandomForest"]);
    assert_eq!((job.training.stack_ensemble, job.training.vote_ensemble), (Some(false), None));
}

#[test]
fn what_an_automl_job_wishes_of_another_tool_is_told() {
    let text = "type: automl
task: classification
target_column_name: y
training_data: ./table.csv
positive_label: 'yes'
featurization:
  mode: custom
  blocked_transformers: [LabelEncoder]
  column_name_and_types: {CHMIN: Categorical, note: Ignore}
  transformer_params:
    imputer:
    - fields: [CACH]
      parameters: {strategy: most_frequent}
training: {allowed_training_algorithms: [LightGBM, KNN]}
";
    let parsed = good::<crate::AutomlJob>(text);
    let mut told: Vec<&str> = parsed.notes.iter().map(|note| note.field.as_str()).collect();
    told.sort_unstable();
    let expected = [
        "featurization.blocked_transformers",
        "featurization.column_name_and_types.CHMIN",
        "featurization.transformer_params",
        "positive_label",
        "training.allowed_training_algorithms.1",
    ];
    assert_eq!(told, expected);
    assert_eq!(
        (parsed.value.exclude.as_slice(), parsed.value.training.allowed.as_slice()),
        (&["note".to_owned()][..], &["LightGBM".to_owned()][..])
    );
    let found = bad::<crate::AutomlJob>(&text.replace("[LightGBM, KNN]", "[KNN]"));
    assert!(found.contains("none of these algorithms is here: LogisticRegression"), "{found}");
}
