//! Whether a deployment needs Python workers, and in which environment they run.

use crate::endpoints::Endpoints;
use domain::{EnvironmentSpec, ErrorCode, Fault, ModelKind, ModelVersion, PythonSpec};
use environments::describe;
use std::collections::BTreeMap;
use std::io::Read;

/// Bytes of a file of a model folder that is read for its packages, at most.
const TEXT_MAX: u64 = 1024 * 1024;

impl Endpoints {
    /// How Python workers run a model; none when this program runs it itself. A model that it can run goes to workers only for a
    /// script or an environment that somebody named.
    pub(super) async fn workers(
        &self,
        (asked, relax_pins): (Option<PythonSpec>, bool),
        model: &ModelVersion,
    ) -> Result<Option<PythonSpec>, Fault> {
        let native = model.kind == ModelKind::Onnx || model.native.is_some();
        let python = |spec: &PythonSpec| spec.code.is_some() || spec.environment.is_some();
        let own_code = model.kind == ModelKind::Mlflow && !native;
        let spec = match asked {
            Some(spec) if !native || python(&spec) => Some(spec),
            _ => own_code.then(PythonSpec::default),
        };
        let Some(mut spec) = spec else { return Ok(None) };
        if spec.environment.is_none() && model.kind == ModelKind::Mlflow {
            spec.environment = self.own_environment(model).await?;
        }
        if relax_pins {
            spec.environment = spec.environment.map(describe::relaxed);
        }
        Ok(Some(spec))
    }

    /// What the folder of an MLflow model asks for.
    async fn own_environment(&self, model: &ModelVersion) -> Result<Option<EnvironmentSpec>, Fault> {
        let mut texts = BTreeMap::new();
        for file in describe::MLFLOW_FILES {
            if let Some(text) = self.text(model, file).await? {
                texts.insert(file, text);
            }
        }
        let found = describe::of_mlflow(&|file| texts.get(file).map(String::as_str));
        let wrong = |fault: Fault| {
            let of = format!("{}:{}", model.model, model.version);
            Fault::invalid(format!(
                "the packages of the model {of}: {}: deploy it with --environment",
                fault.message
            ))
        };
        Ok(found.map_err(wrong)?.map(EnvironmentSpec::Packages))
    }

    /// A text file of a version's folder; none when it has no such file.
    async fn text(&self, model: &ModelVersion, file: &'static str) -> Result<Option<String>, Fault> {
        let reader = match self.registry.open_file(model, file).await.map_err(Fault::from) {
            Err(fault) if fault.code == ErrorCode::NotFound => return Ok(None),
            reader => reader?,
        };
        let reading = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            reader.take(TEXT_MAX + 1).read_to_string(&mut text).map(|_| text)
        });
        let wrong = |why: &str| {
            Fault::invalid(format!("{file} of the model {}:{}: {why}", model.model, model.version))
        };
        let text = reading.await.map_err(|_| Fault::internal("reading was interrupted"))?;
        let text = text.map_err(|e| wrong(&e.to_string()))?;
        if text.len() as u64 > TEXT_MAX {
            return Err(wrong(&format!("it has more than {TEXT_MAX} bytes: deploy it with --environment")));
        }
        Ok(Some(text))
    }
}
