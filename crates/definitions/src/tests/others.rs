//! Data, environments, models, tables, conda files, run configurations.

use super::{bad, good};
use crate::assets::Packages;
use crate::mltable::{ColumnTo, Reading, Step, TablePath};
use crate::{Conda, DataFile, Environment, Kind, MlModel, MlTable, ModelFile, RunConfig, kind};

#[test]
fn assets_are_read() {
    let data = good::<DataFile>(
        "$schema: x/data.schema.json\nname: credit\ntype: uri_folder\npath: ./data\nversion: 1\n",
    );
    assert_eq!(data.notes[0].field, "version");
    assert!(bad::<DataFile>("name: a\npath:\n").contains("line 2, column 1: field 'path': is missing"));
    let environment = good::<Environment>("name: e\nimage: x/y:1\nconda_file: conda.yml\ntags: {a: b}\n");
    assert_eq!(environment.value.packages, Packages::CondaFile("conda.yml".to_owned()));
    assert_eq!(good::<Environment>("name: e\nimage: x\n").value.packages, Packages::System);
    assert_eq!(
        good::<Environment>("name: e\npython: research\n").value.packages,
        Packages::Named("research".to_owned())
    );
    assert!(bad::<Environment>("name: e\n").contains("needs conda_file"));
    assert!(bad::<Environment>("name: e\npython: x\nconda_file: y\n").contains("exclude each other"));
    assert!(bad::<Environment>("image: x\n").contains("registered under a name"));
    let model = good::<ModelFile>("name: m\npath: model\ntype: mlflow_model\nproperties: {a: 1}\n");
    assert_eq!(model.value.properties["a"], "1");
    assert!(
        bad::<ModelFile>("$schema: x/environment.schema.json\nname: e\n")
            .contains("this is an environment, a model is expected")
    );
}

#[test]
fn tables_are_read_and_refused_by_line() {
    let text = "\
$schema: https://example.com/latest/MLTable.schema.json
type: mltable
paths:
  - file: ./bank.csv
  - pattern: ./parts/*.csv
transformations:
  - read_delimited:
      delimiter: ','
      encoding: 'ascii'
      empty_as_string: false
      header: all_files_same_headers
  - take: 100
  - convert_column_types:
      - columns: [a, b]
        column_type: int
      - columns: t
        column_type: {datetime: {formats: ['%Y']}}
  - drop_columns: [c]
";
    let table = good::<MlTable>(text).value;
    assert_eq!(table.paths[1], TablePath::Pattern("./parts/*.csv".to_owned()));
    assert!(matches!(&table.reading, Reading::Delimited(d) if d.encoding.as_deref() == Some("utf-8")));
    assert_eq!(table.steps[0], Step::Take(100));
    let Step::ConvertColumnTypes(conversions) = &table.steps[1] else { panic!("a conversion") };
    assert_eq!((conversions[0].to, conversions[1].to), (ColumnTo::Int, ColumnTo::Datetime));
    assert_eq!(
        good::<MlTable>("paths: [{file: a.parquet}]\ntransformations:\n  - read_parquet\n").value.reading,
        Reading::Parquet
    );
    assert_eq!(
        good::<MlTable>("paths: [{folder: ./a}]\ntransformations: [{read_parquet: }]\n").value.reading,
        Reading::Parquet
    );
    for (from, to, said) in [
        (
            "take: 100",
            "take_random_sample: {probability: 0.1}",
            "line 12, column 5: field 'transformations.1': the transformation 'take_random_sample' is not done",
        ),
        ("take: 100", "filter: 'col(\"a\") > 1'", "'filter' is not done here"),
        ("take: 100", "take: some", "field 'transformations.1.take': 'some': a whole number"),
        ("delimiter: ','", "delimiter: ', '", "one ASCII character"),
        ("'ascii'", "ebcdic", "'ebcdic' is none of"),
        ("- file: ./bank.csv", "- fiel: ./bank.csv", "did you mean 'file'?"),
        ("./parts/*.csv", "../*.csv", "below the MLTable's folder"),
    ] {
        let found = bad::<MlTable>(&text.replace(from, to));
        assert!(found.contains(said), "{found}");
    }
    assert_eq!(kind("MLTable", text).unwrap(), Some(Kind::MlTable));
}

#[test]
fn conda_files_have_a_python_packages_and_pip() {
    let text = "\
name: train
channels: [defaults, conda-forge]
dependencies:
  - python=3.7.9
  - scikit-learn=0.22.1=py37_0
  - conda-forge::py-xgboost >=1.0
  - pip
  - pip:
      - azureml-dataprep[pandas,fuse]
      # - commented
      - joblib==0.14.0
";
    let conda = good::<Conda>(text).value;
    assert_eq!(conda.python.as_deref(), Some("3.7.9"));
    let packages: Vec<_> = conda.packages.iter().map(|p| (p.name.as_str(), p.version.as_deref())).collect();
    assert_eq!(packages, [("scikit-learn", Some("0.22.1")), ("py-xgboost", Some(">=1.0"))]);
    assert_eq!(conda.pip[1].text(), "joblib==0.14.0");
    let said = bad::<Conda>(&text.replace("joblib==", "joblib="));
    assert!(
        said.contains("line 11, column 9: field 'dependencies.4.pip.1'") && said.contains("write '=='"),
        "{said}"
    );
}

#[test]
fn run_configurations_are_read() {
    let text = "\
script: train.py
arguments: [--data_path, /data, --model_name, model.pkl]
target: cpu-cluster
framework: Python
communicator: None
nodeCount: 1
environment:
  environmentVariables:
    EXAMPLE_ENV_VAR: EXAMPLE_VALUE
  python:
    userManagedDependencies: false
    interpreterPath: python
    condaDependenciesFile: config/train-conda.yml
  docker: {enabled: true, baseImage: mcr.example/base, sharedVolumes: true, arguments: []}
data:
  training_data:
    environmentVariableName: training_data
    dataLocation:
      dataset: {name: german_credit_file, version: 1}
    mechanism: mount
    pathOnCompute: /data
    overwrite: false
    createOutputDirectories: false
mpi: {processCountPerNode: 1}
";
    let parsed = good::<RunConfig>(text);
    let run = parsed.value;
    assert_eq!(run.arguments[1], "/data");
    assert_eq!(run.environment.interpreter_path, None);
    let data = &run.data["training_data"];
    assert_eq!((data.name.as_str(), data.version.as_deref()), ("german_credit_file", Some("1")));
    assert_eq!(data.path_on_compute.as_deref(), Some("/data"));
    assert_eq!(kind("a.runconfig", text).unwrap(), Some(Kind::RunConfig));
    assert!(bad::<RunConfig>(&text.replace("nodeCount: 1", "nodeCount: 4")).contains("field 'nodeCount'"));
    assert!(bad::<RunConfig>(&text.replace("framework: Python", "framework: R")).contains("only Python"));
}

#[test]
fn mlmodel_files_have_flavors_and_a_signature() {
    let text = "\
artifact_path: model
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.7, env: {conda: conda.yaml}}
  sklearn: {pickled_model: model.pkl, sklearn_version: 1.5.2}
run_id: 0123
signature:
  inputs: '[{\"type\": \"double\", \"name\": \"a\", \"required\": true}]'
  outputs: '[{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": \"float64\", \"shape\": [-1]}}]'
  params: null
";
    let model = good::<MlModel>(text).value;
    assert_eq!(model.flavors["python_function"]["python_version"], "3.11.7");
    assert_eq!(model.inputs.unwrap()[0]["name"], "a");
    assert_eq!(model.params, None);
    assert!(bad::<MlModel>("a: 1\n").contains("no MLmodel file"));
    assert!(
        bad::<MlModel>(&text.replace("'[{\"type\": \"double\"", "'[{type"))
            .contains("line 7, column 11: field 'signature.inputs': this is no JSON")
    );
}
