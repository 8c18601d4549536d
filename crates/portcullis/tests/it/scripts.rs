//! Training and scoring scripts of the Azure ML SDK on the package that the binary ships: `tests-python/compat`.

use crate::support::{Server, repository, shared, skip};
use std::process::Command;

/// Runs one file of the Python tests with the pinned interpreter.
fn python_tests(name: &str) {
    python_tests_with(name, &[]);
}

fn python_tests_with(name: &str, env: &[(&str, &str)]) {
    let Ok(python) = std::env::var("PORTCULLIS_PYTHON") else {
        return skip(name, "PORTCULLIS_PYTHON");
    };
    let mut command = Command::new(python);
    command.current_dir(repository("tests-python/compat")).args(["-m", "unittest", "-v", name]);
    command.env("PYTHONDONTWRITEBYTECODE", "1").envs(env.iter().copied());
    match shared("banknote_authentication.csv") {
        Some(table) => command.env("PORTCULLIS_TABLES", table.parent().unwrap()),
        None => command.env_remove("PORTCULLIS_TABLES"),
    };
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}\n{told}");
    for line in told.lines().filter(|line| line.contains("... skipped")) {
        skip(name, line);
    }
}

#[test]
fn a_worker_serves_scripts_as_their_own_server_does() {
    python_tests("test_worker");
}

#[test]
fn samples_make_schemas_and_values() {
    python_tests("test_samples");
}

#[test]
fn names_of_the_sdk_work_or_say_what_to_do() {
    python_tests("test_names");
}

#[test]
fn explanations_add_up() {
    python_tests("test_explain");
}

#[test]
fn the_example_repositories_reach_their_figures() {
    python_tests("test_examples");
}

#[test]
fn mlflow_models_answer_every_form() {
    python_tests("test_mlflow_model");
}

#[test]
fn scripts_and_models_answer_every_protocol() {
    python_tests("test_protocols");
}

#[test]
fn the_run_of_a_job_is_what_its_script_sees() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let name = [("PORTCULLIS_TEST_URL", &*server.url), ("PORTCULLIS_TEST_TOKEN", &*server.token)];
    python_tests_with("test_server", &name);
}
