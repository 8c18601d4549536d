//! Environments: registered by definition, made of wheels by the real installer, found again, refused with the nearest that can be had.

use crate::support::{Server, skip};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The installer beside the tests' interpreter, or on `PATH`.
pub fn uv() -> Option<PathBuf> {
    let beside =
        std::env::var_os("PORTCULLIS_PYTHON").map(|python| PathBuf::from(python).with_file_name("uv"));
    beside
        .into_iter()
        .chain([PathBuf::from("uv")])
        .find(|uv| Command::new(uv).arg("--version").output().is_ok())
}

/// Whether the index answers: a name alone is resolved.
pub fn reachable(uv: &Path, folder: &Path) -> bool {
    let asked = folder.join("asked.txt");
    fs::write(&asked, "six\n").unwrap();
    let output = Command::new(uv).args(["pip", "compile", "--quiet", "--no-build"]).arg(&asked).output();
    output.is_ok_and(|output| output.status.success())
}

fn server(folder: &Path, uv: &Path) -> Server {
    let uv = if uv.is_absolute() { uv.to_str().unwrap() } else { "" };
    Server::start_with(&folder.join("data"), &[("ENVIRONMENTS__UV", uv)])
}

#[test]
fn environments_are_registered_and_refused_without_an_installer() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), Path::new("uv"));
    let file = folder.path().join("environment.yml");
    fs::write(
        folder.path().join("conda.yml"),
        "name: c\ndependencies: [python=3.7.9, {pip: [azureml-defaults, joblib==1.2]}]\n",
    )
    .unwrap();
    fs::write(&file, "$schema: x/environment.schema.json\nname: train\nimage: base\nconda_file: conda.yml\n")
        .unwrap();
    let create = |more: &[&str]| {
        server.try_cli(&[&["environment", "create", "-f", file.to_str().unwrap()], more].concat())
    };
    let output = create(&[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("line 3: image: images are not run here"), "{said}");
    let first: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&first["version"], &first["is_new"]), (&1.into(), &true.into()));
    let again: Value = serde_json::from_slice(&create(&[]).stdout).unwrap();
    assert_eq!((&again["version"], &again["is_new"]), (&1.into(), &false.into()));
    let relaxed: Value = serde_json::from_slice(&create(&["--relax-pins"]).stdout).unwrap();
    assert_eq!(relaxed["version"], 2);
    assert_eq!(server.cli(&["environment", "list"])[0]["version"], 2);
    assert_eq!(
        server.cli(&["environment", "show", "train:1"])["spec"]["pip"],
        json!(["azureml-defaults", "joblib==1.2"])
    );
    for (conda, said) in [
        ("dependencies: [r-base]\n", "'r-base' has no counterpart"),
        ("dependencies: [{pip: [joblib=1]}]\n", "conda.yml: line 1, column 23: field 'dependencies.0.pip.0'"),
        ("dependencis: []\n", "did you mean 'dependencies'?"),
    ] {
        fs::write(folder.path().join("conda.yml"), conda).unwrap();
        let found = String::from_utf8_lossy(&create(&[]).stderr).into_owned();
        assert!(found.contains(said), "{found}");
    }
    fs::write(&file, "name: own\npython: research\n").unwrap();
    let found = String::from_utf8_lossy(&create(&[]).stderr).into_owned();
    assert!(found.contains("no interpreter is called 'research' here"), "{found}");
}

#[tokio::test]
async fn a_client_can_name_no_path_and_no_address() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), Path::new("uv"));
    for pip in
        ["x @ file:///etc/passwd", "-r /etc/passwd", "../x.whl", "--index-url http://10.0.0.1/", "x\n-r y"]
    {
        let ask = json!({"spec": {"kind": "packages", "pip": [pip]}});
        let (status, answer) =
            server.api(http::Method::POST, "/api/v1/environments/e/versions", Some(ask)).await;
        assert_eq!(status, 400, "{pip}: {answer}");
    }
    let ask = json!({"spec": {"kind": "named", "interpreter": "../../bin/sh"}});
    let (status, _) = server.api(http::Method::POST, "/api/v1/environments/e/versions", Some(ask)).await;
    assert!((400..=422).contains(&status));
}

#[test]
fn an_environment_is_made_once_and_pins_give_way_by_leave() {
    let folder = tempfile::tempdir().unwrap();
    let Some(uv) = uv().filter(|uv| reachable(uv, folder.path())) else {
        return skip("an_environment_is_made_once_and_pins_give_way_by_leave", "uv and a package index");
    };
    let server = server(folder.path(), &uv);
    let file = folder.path().join("requirements.txt");
    let create = |text: &str, more: &[&str]| {
        fs::write(&file, text).unwrap();
        server.try_cli(
            &[&["environment", "create", "-f", file.to_str().unwrap(), "-n", "e", "--prepare"], more]
                .concat(),
        )
    };
    let output = create("six==1.16.0\ninference-schema\n", &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(made["ready"]["record"]["packages"], json!(["six==1.16.0"]));
    assert!(
        made["ready"]["record"]["changes"][0].as_str().unwrap().contains("inference-schema is taken out")
    );
    let id = made["ready"]["id"].as_str().unwrap();
    let python = folder.path().join("data/environments").join(id).join("venv/bin/python");
    let version = Command::new(&python).args(["-c", "import six; print(six.__version__)"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&version.stdout).trim(), "1.16.0");
    // Found again, without a step.
    let again = server.try_cli(&["environment", "prepare", "e"]);
    assert!(!String::from_utf8_lossy(&again.stderr).contains("resolving"));
    assert_eq!(serde_json::from_slice::<Value>(&again.stdout).unwrap()["id"], id);

    // No wheel of this version was ever made.
    let refused = create("scikit-learn==0.18\n", &[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("the nearest that has is"), "{said}");
    assert!(said.contains("--relax-pins"), "{said}");
    let unknown = create("no-such-package-of-portcullis==1\n", &[]);
    assert!(
        String::from_utf8_lossy(&unknown.stderr).contains("no-such-package-of-portcullis==1 cannot be met")
    );
    let left: Vec<String> = fs::read_dir(folder.path().join("data/environments"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".tmp-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
