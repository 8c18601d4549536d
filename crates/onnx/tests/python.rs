//! Our graphs in onnxruntime, and the graphs of skl2onnx in our engine. Runs where the environment variable
//! `PORTCULLIS_PYTHON` names an interpreter that can import onnx, onnxruntime, skl2onnx and sklearn.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests stop at what is not as expected"
)]

#[path = "support/compare.rs"]
mod compare;
#[path = "support/graphs.rs"]
mod graphs;

use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis_onnx::{Data, Model, Tensor};

const NEEDED: &str = "import onnx, onnxruntime, skl2onnx, sklearn";

/// The interpreter, when there is one that has what is needed.
fn python(test: &str) -> Option<PathBuf> {
    let found = std::env::var_os("PORTCULLIS_PYTHON").map(PathBuf::from).filter(|path| {
        Command::new(path).args(["-c", NEEDED]).output().is_ok_and(|out| out.status.success())
    });
    if found.is_none() {
        println!("skipped: {test} needs PORTCULLIS_PYTHON with onnx, onnxruntime, skl2onnx and sklearn");
    }
    found
}

fn run(python: &Path, script: &str, folder: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(script);
    let out = Command::new(python).arg(script).arg(folder).output().unwrap();
    let (text, faults) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{text}\n{faults}");
}

fn write(folder: &Path, stem: &str, tensors: &[(String, Tensor)]) {
    for (index, (name, tensor)) in tensors.iter().enumerate() {
        std::fs::write(folder.join(format!("{stem}_{index}.pb")), tensor.to_proto_bytes(name)).unwrap();
    }
}

fn read(folder: &Path, stem: &str) -> Vec<(String, Tensor)> {
    let file = |index: usize| std::fs::read(folder.join(format!("{stem}_{index}.pb"))).ok();
    (0..).map_while(file).map(|bytes| Tensor::from_proto_bytes(&bytes).unwrap()).collect()
}

/// Whether two tensors agree.
fn same(name: &str, got: &Tensor, expected: &Tensor) {
    assert_eq!(got.dims, expected.dims, "{name}");
    match (&got.data, &expected.data) {
        (Data::Float(a), Data::Float(b)) => {
            for (at, (&a, &b)) in a.iter().zip(b).enumerate() {
                assert!(compare::close(a, b), "{name}[{at}]: {a}, expected {b}");
            }
        }
        (a, b) => assert_eq!(a, b, "{name}"),
    }
}

#[test]
fn onnxruntime_gives_the_same_for_our_graphs() {
    let Some(python) = python("onnxruntime_gives_the_same_for_our_graphs") else { return };
    let folder = tempfile::tempdir().unwrap();
    for case in graphs::all() {
        let model = Model::from_bytes(&case.model).unwrap();
        let outputs = model.run_tensors(case.inputs.clone()).unwrap();
        let folder = folder.path().join(case.name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("model.onnx"), &case.model).unwrap();
        write(&folder, "input", &case.inputs);
        write(&folder, "output", &outputs);
    }
    run(&python, "judge.py", folder.path());
}

#[test]
fn exports_of_sklearn_score_as_in_onnxruntime() {
    let Some(python) = python("exports_of_sklearn_score_as_in_onnxruntime") else { return };
    let folder = tempfile::tempdir().unwrap();
    run(&python, "export.py", folder.path());
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let model = Model::from_bytes(&std::fs::read(folder.join("model.onnx")).unwrap()).unwrap();
        let (inputs, expected) = (read(&folder, "input"), read(&folder, "output"));
        let got = model.run_tensors(inputs.clone()).unwrap();
        for ((output, got), (_, expected)) in got.iter().zip(&expected) {
            same(&format!("{name}: {output}"), got, expected);
        }
        model.predictable().unwrap_or_else(|e| panic!("{name}: {e}"));
        let plain: Vec<_> = got.into_iter().filter(|(_, t)| !matches!(t.data, Data::Bool(_))).collect();
        compare::predictions(&name, &model, &inputs, &plain);
        seen += 1;
    }
    assert!(seen >= 12, "only {seen} exports were written");
}
