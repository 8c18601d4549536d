//! From what a definition asks for to what an index has: conda's names, and what the shipped package replaces.

use definitions::Requirement;
use definitions::requirements::one;
use domain::{Fault, PackageSpec};

/// Names of channels that an index has under another name.
const RENAMED: &[(&str, &str)] = &[
    ("pytorch", "torch"),
    ("pytorch-cpu", "torch"),
    ("py-xgboost", "xgboost"),
    ("py-xgboost-cpu", "xgboost"),
    ("py-lightgbm", "lightgbm"),
    ("matplotlib-base", "matplotlib"),
    ("seaborn-base", "seaborn"),
    ("tensorflow-base", "tensorflow"),
    ("py-opencv", "opencv-python-headless"),
    ("opencv", "opencv-python-headless"),
    ("pytables", "tables"),
    ("msgpack-python", "msgpack"),
    ("pyyaml", "pyyaml"),
    ("lz4", "lz4"),
    ("mlflow-skinny", "mlflow-skinny"),
    ("dask-core", "dask"),
    ("python-dateutil", "python-dateutil"),
    ("onnxruntime", "onnxruntime"),
    ("prophet", "prophet"),
    ("fbprophet", "prophet"),
    ("jupyter_core", "jupyter-core"),
];
/// Packages of channels that an index has under the same name.
const SAME: &[&str] = &[
    "altair",
    "beautifulsoup4",
    "bokeh",
    "boto3",
    "catboost",
    "click",
    "cloudpickle",
    "cryptography",
    "cython",
    "dask",
    "datasets",
    "dill",
    "fastapi",
    "flask",
    "gensim",
    "gunicorn",
    "h5py",
    "holidays",
    "httpx",
    "imbalanced-learn",
    "ipykernel",
    "ipython",
    "jinja2",
    "joblib",
    "jsonschema",
    "jupyter",
    "keras",
    "lightgbm",
    "llvmlite",
    "lxml",
    "matplotlib",
    "mlflow",
    "networkx",
    "nltk",
    "notebook",
    "numba",
    "numpy",
    "onnx",
    "openpyxl",
    "optuna",
    "orjson",
    "packaging",
    "pandas",
    "patsy",
    "pillow",
    "plotly",
    "polars",
    "protobuf",
    "psutil",
    "pyarrow",
    "pydantic",
    "pytest",
    "pytz",
    "pyyaml",
    "regex",
    "requests",
    "scikit-image",
    "scikit-learn",
    "scipy",
    "seaborn",
    "setuptools",
    "shap",
    "six",
    "skl2onnx",
    "sqlalchemy",
    "statsmodels",
    "sympy",
    "tabulate",
    "tensorboard",
    "tensorflow",
    "threadpoolctl",
    "tokenizers",
    "toml",
    "torch",
    "torchaudio",
    "torchvision",
    "tqdm",
    "transformers",
    "typing-extensions",
    "ujson",
    "urllib3",
    "uvicorn",
    "wheel",
    "xgboost",
    "xlrd",
];
/// What an interpreter has anyway, or no installer of wheels can add.
const SKIPPED: &[&str] = &[
    "pip",
    "conda",
    "nomkl",
    "blas",
    "libblas",
    "openblas",
    "mkl",
    "libgcc",
    "libgcc-ng",
    "ca-certificates",
    "openssl",
    "_libgcc_mutex",
];
/// Names that the shipped package has in their stead.
const REPLACED: &[&str] = &[
    "inference-schema",
    "inference-schema-extension",
    "interpret",
    "interpret-community",
    "interpret-core",
    "mlflow-azureml",
];

/// The requirements of an environment, and what came otherwise than asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Wanted {
    pub requirements: Vec<Requirement>,
    pub changes: Vec<String>,
}

/// Reads and checks what a definition asks for.
pub(crate) fn wanted(spec: &PackageSpec, most: usize) -> Result<Wanted, Fault> {
    let count = spec.pip.len() + spec.conda.len();
    if count > most {
        return Err(Fault::invalid(format!(
            "the environment has {count} requirements, at most {most} are read (environments.max_requirements)"
        )));
    }
    let mut found = Wanted::default();
    for package in &spec.conda {
        let name = package.name.to_ascii_lowercase();
        if SKIPPED.contains(&name.as_str()) {
            found.changes.push(format!("{name} of conda is left out: packages here come as wheels"));
            continue;
        }
        let Some(mapped) = on_the_index(&name) else {
            return Err(Fault::invalid(format!(
                "the conda package '{name}' has no counterpart that is known: write what replaces it under 'pip:'"
            )));
        };
        if mapped != name {
            found.changes.push(format!("{name} of conda is {mapped} on the index"));
        }
        let version = package.version.as_deref().map(specifier).transpose()?.unwrap_or_default();
        found.requirements.push(one(&format!("{mapped}{version}"))?);
    }
    for line in &spec.pip {
        let requirement = one(line)?;
        let name = requirement.name.as_str();
        if name.starts_with("azureml-") || name == "azureml" || REPLACED.contains(&name) {
            found.changes.push(format!(
                "{} is taken out: the package that comes with this program has its names",
                requirement.text()
            ));
            continue;
        }
        found.requirements.push(requirement);
    }
    Ok(found)
}

fn on_the_index(name: &str) -> Option<&str> {
    let renamed = RENAMED.iter().find(|(conda, _)| *conda == name).map(|(_, index)| *index);
    renamed.or_else(|| SAME.iter().find(|same| **same == name).copied())
}

/// A version in conda's words as one of an index: `1.2` → `==1.2.*`, `1.2.3` → `==1.2.3`, `>=1,<2` as it is.
fn specifier(version: &str) -> Result<String, Fault> {
    if version.contains('|') {
        return Err(Fault::invalid(format!(
            "the version '{version}': alternatives with '|' are not read: write a range"
        )));
    }
    let parts = version.split(',').map(|part| {
        let part = part.trim();
        if part.starts_with(['<', '>', '!', '~', '=']) {
            return part.to_owned();
        }
        let whole = part.matches('.').count() >= 2 || part.contains('*');
        if whole { format!("=={part}") } else { format!("=={part}.*") }
    });
    Ok(parts.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::CondaRequirement;

    fn conda(name: &str, version: Option<&str>) -> CondaRequirement {
        CondaRequirement { name: name.to_owned(), version: version.map(str::to_owned) }
    }

    #[test]
    fn names_of_channels_become_names_of_the_index() {
        let spec = PackageSpec {
            conda: vec![
                conda("scikit-learn", Some("0.22.1")),
                conda("pytorch", Some("2.1")),
                conda("py-xgboost", Some(">=1,<2")),
                conda("nomkl", None),
            ],
            pip: ["azureml-defaults==1.0", "inference_schema[numpy-support]", "joblib"]
                .map(str::to_owned)
                .into(),
            ..PackageSpec::default()
        };
        let found = wanted(&spec, 100).unwrap();
        let texts: Vec<String> = found.requirements.iter().map(Requirement::text).collect();
        assert_eq!(texts, ["scikit-learn==0.22.1", "torch==2.1.*", "xgboost>=1,<2", "joblib"]);
        assert_eq!(found.changes.len(), 5);
        assert!(wanted(&spec, 3).unwrap_err().message.contains("max_requirements"));
    }

    #[test]
    fn what_no_index_has_is_refused_by_name() {
        let spec = PackageSpec { conda: vec![conda("r-base", None)], ..PackageSpec::default() };
        assert!(wanted(&spec, 9).unwrap_err().message.contains("'r-base' has no counterpart"));
        let spec = PackageSpec { pip: vec!["x @ file:///etc/passwd".to_owned()], ..PackageSpec::default() };
        assert!(wanted(&spec, 9).unwrap_err().message.contains("from the index only"));
    }
}
