//! Data definitions at the command line: tables out of MLTable folders, folders as they lie, refusals by line.

use crate::support::{Server, repository};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let to = folder.join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, text).unwrap();
    }
}

fn rows(preview: &Value) -> Vec<Vec<&str>> {
    preview["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row.as_array().unwrap().iter().map(|cell| cell.as_str().unwrap_or("")).collect())
        .collect()
}

#[test]
fn an_mltable_folder_is_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let table = "\
$schema: https://example.com/latest/MLTable.schema.json
type: mltable
paths:
  - pattern: ./parts/*.csv
transformations:
  - read_delimited:
      delimiter: ';'
      encoding: ascii
      header: all_files_same_headers
  - skip: 1
  - take: 3
  - convert_column_types:
      - columns: district
        column_type: string
  - drop_columns: [note]
";
    write(
        folder.path(),
        &[
            ("table/MLTable", table),
            ("table/parts/a.csv", "district;amount;note\n1;10;x\n2;20;y"),
            ("table/parts/b.csv", "district;amount;note\n3;30;z\n1;40;x\n2;50;y\n"),
            (
                "data.yml",
                "$schema: x/data.schema.json\nname: loans\ntype: mltable\npath: table\nversion: 7\n",
            ),
        ],
    );
    let server = Server::start(&folder.path().join("data"));
    let file = folder.path().join("data.yml");
    let output = server.try_cli(&["data", "register", "-f", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("version: versions are numbered here"), "{said}");
    let version: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&version["rows"], &version["version"]), (&3.into(), &1.into()));
    assert_eq!(version["columns"][0]["type"], "category");
    let preview = server.cli(&["data", "preview", "loans:1"]);
    assert_eq!(preview["columns"], serde_json::json!(["district", "amount"]));
    assert_eq!(rows(&preview), [["2", "20"], ["3", "30"], ["1", "40"]]);
    // Again gives the same version; other content the next.
    server.cli(&["data", "register", "-f", file.to_str().unwrap()]);
    write(folder.path(), &[("table/MLTable", &table.replace("take: 3", "take: 2"))]);
    let next = server.cli(&["data", "register", "loans", folder.path().join("table").to_str().unwrap()]);
    assert_eq!((&next["version"], &next["rows"]), (&2.into(), &2.into()));
    for (from, to, said) in [
        ("take: 3", "filter: 'col(\"a\") > 1'", "line 11, column 5: field 'transformations.2'"),
        ("drop_columns: [note]", "drop_columns: [nte]", "did you mean 'note'"),
        ("./parts/*.csv", "./none/*.csv", "line 4, column 5: field 'paths.0': no file"),
    ] {
        write(folder.path(), &[("table/MLTable", &table.replace(from, to))]);
        let output = server.try_cli(&["data", "register", "-f", file.to_str().unwrap()]);
        let found = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && found.contains(said), "{found}");
    }
}

#[test]
fn a_folder_is_kept_as_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let csv = repository("examples/german-credit/german_credit_data.csv");
    fs::create_dir_all(folder.path().join("raw/file")).unwrap();
    fs::copy(csv, folder.path().join("raw/file/german_credit_data.csv")).unwrap();
    write(
        folder.path(),
        &[
            ("raw/readme.txt", "what it is"),
            ("data.yml", "name: german_credit_file\ntype: uri_folder\npath: ./raw\n"),
        ],
    );
    let server = Server::start(&folder.path().join("data"));
    let file = folder.path().join("data.yml");
    let first = server.cli(&["data", "register", "-f", file.to_str().unwrap()]);
    assert_eq!((&first["version"], &first["format"]["files"]), (&1.into(), &2.into()));
    assert_eq!(server.cli(&["data", "register", "-f", file.to_str().unwrap()])["version"], 1);
    let preview = server.cli(&["data", "preview", "german_credit_file"]);
    assert_eq!(rows(&preview)[0][0], "file/german_credit_data.csv");
    write(folder.path(), &[("raw/readme.txt", "changed")]);
    assert_eq!(server.cli(&["data", "register", "-f", file.to_str().unwrap()])["version"], 2);
    let search = server.try_cli(&["automl", "run", "--data", "german_credit_file", "--target", "Risk"]);
    assert!(String::from_utf8_lossy(&search.stderr).contains("is a folder: a search needs a table"));
    write(folder.path(), &[("data.yml", "name: a\ntype: uri_file\npath: ./raw\n")]);
    let wrong = server.try_cli(&["data", "register", "-f", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(said.contains("line 3, column 7: field 'path': this is a folder"), "{said}");
}

#[test]
fn an_automl_job_of_the_cli_is_a_search() {
    let folder = tempfile::tempdir().unwrap();
    let rows: String =
        (0..120).map(|n| format!("{},{},{}\n", n % 7, n, if n % 7 > 3 { "yes" } else { "no" })).collect();
    let job = "\
$schema: https://example.com/latest/autoMLJob.schema.json
type: automl
task: classification
experiment_name: loans
primary_metric: accuracy
target_column_name: paid
training_data: {type: mltable, path: ./loans}
limits: {max_trials: 2, timeout_minutes: 5}
compute: azureml:cpu
";
    write(
        folder.path(),
        &[
            (
                "loans/MLTable",
                "paths: [{file: ./l.csv}]\ntransformations: [{read_delimited: {delimiter: ','}}]\n",
            ),
            ("loans/l.csv", &format!("a,b,paid\n{rows}")),
            ("job.yml", job),
            ("bad.yml", &format!("{job}resources:\n  instance_type=\"A\"\n  instance_count=\"1\"\n")),
        ],
    );
    let server = Server::start(&folder.path().join("data"));
    let run =
        |file: &str| server.try_cli(&["automl", "run", "-f", folder.path().join(file).to_str().unwrap()]);
    let output = run("job.yml");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("compute: jobs run on this machine"), "{said}");
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&done["job"]["experiment"], &done["job"]["spec"]["task"]),
        (&"loans".into(), &"binary".into())
    );
    let said = String::from_utf8_lossy(&run("bad.yml").stderr).into_owned();
    assert!(
        said.contains(
            "line 11, column 3: field 'resources': a mapping is expected: write 'instance_type: A'"
        ),
        "{said}"
    );
}
