//! The steps of `up`, each by the command of that step; a fault names the step and how it is repeated alone.

use super::Up;
use super::layout::Layout;
use super::outputs;
use crate::cli::Global;
use crate::cli::automl::finished;
use crate::cli::data::{Register as RegisterData, reference, registered as data_told};
use crate::cli::deployment::Create;
use crate::cli::job::follow;
use crate::cli::model_register::{Register as RegisterModel, registered as model_told};
use crate::cli::published::{self, Published, Wanted};
use crate::cli::submit::{Submit, word};
use crate::session::Session;
use domain::{Api, DataVersion, Deployment, Endpoint, Fault, Job, ModelKind, ModelVersion, Name};
use serde_json::json;
use std::path::Path;

/// The names on the road, and the commands that walk it one by one.
pub struct Road<'a> {
    up: &'a Up,
    layout: &'a Layout,
    model: String,
    endpoint: Name,
    path: String,
    /// The command of each step that was taken.
    pub commands: Vec<String>,
}

impl<'a> Road<'a> {
    /// What the flags say, and the convention where they say nothing.
    pub fn new(up: &'a Up, layout: &'a Layout) -> Result<Self, Fault> {
        let name = &layout.name;
        let endpoint = match &up.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => Name::new(format!("{name}-deployment"))?,
        };
        Ok(Self {
            up,
            layout,
            model: up.model_name.clone().unwrap_or_else(|| format!("{name}-model")),
            endpoint,
            path: up.publish.as_deref().unwrap_or(name.as_str()).trim_matches('/').to_owned(),
            commands: Vec::new(),
        })
    }

    /// What would fail at the end is told before a training.
    pub async fn check(&self, session: &Session) -> Result<(), Fault> {
        if let Some(file) = self.up.request_file.as_ref().filter(|file| !file.is_file()) {
            return Err(Fault::invalid(format!("{}: there is no such file", file.display())));
        }
        if self.up.no_publish {
            return Ok(());
        }
        let apis: Vec<Api> = session.client.get("/api/v1/apis").await?;
        match apis.iter().find(|api| api.path == self.path && api.endpoint != self.endpoint) {
            Some(api) => Err(Fault::conflict(format!(
                "/{} is published over the endpoint {}: choose another path with --publish, or --no-publish",
                api.path, api.endpoint
            ))),
            None => Ok(()),
        }
    }

    /// Remembers the command of a step; a fault of the step names both.
    fn step<T>(&mut self, step: &str, command: String, done: Result<T, Fault>) -> Result<T, Fault> {
        let told = done.map_err(|fault| {
            let text = format!("{step}: {}; this step alone: {command}", fault.message);
            Fault::new(fault.code, text)
        })?;
        self.commands.push(command);
        Ok(told)
    }

    /// Registers a file or folder as it lies; a name is taken as it is. Gives `NAME:VERSION`.
    pub async fn data(&mut self, session: &Session) -> Result<Option<String>, Fault> {
        let Some(data) = &self.up.data else {
            let text = match &self.layout.data {
                Some(name) => format!("what the run configuration names: {name}"),
                None => "none: the scripts get no data".to_owned(),
            };
            session.out.say(&text);
            return Ok(None);
        };
        let path = Path::new(data);
        if !path.exists() {
            if data.contains('/') {
                return Err(Fault::invalid(format!("data: {data}: there is no such file or folder")));
            }
            let (name, version) = reference(data);
            let found = session.client.get(&format!("/api/v1/data/{name}/versions/{version}")).await;
            let found: DataVersion = found.map_err(|fault| {
                let text = format!("data: {}, and no file or folder of this name is here", fault.message);
                Fault::new(fault.code, text)
            })?;
            session.out.say(&format!("{}:{} is registered", found.name, found.version));
            return Ok(Some(format!("{}:{}", found.name, found.version)));
        }
        let name = match &self.layout.data {
            Some(name) => name.clone(),
            None => Name::new(format!("{}-data", self.layout.name))?,
        };
        let command = format!("portcullis data register {name} {} --as-file", word(data));
        let register = RegisterData { as_file: true, ..RegisterData::of(name.as_str(), path) };
        let (version, created) = self.step("data", command, register.carry_out(session).await)?;
        session.out.say(&data_told(&version, created));
        Ok(Some(format!("{}:{}", version.name, version.version)))
    }

    /// Submits the training and follows it to its end.
    pub async fn train(&mut self, session: &Session, data: Option<&str>) -> Result<Job, Fault> {
        let file = &self.layout.training;
        let is_script = file.extension().is_some_and(|ending| ending == "py");
        let model_file = match &self.up.model_file {
            _ if !is_script => None,
            Some(file) => Some(file.clone()),
            None => Some(format!("{}.pkl", self.layout.name)),
        };
        let experiment = self.up.experiment_name.clone().unwrap_or_else(|| self.layout.name.to_string());
        let mut command = format!("portcullis job submit -f {}", shown(file));
        for (flag, value) in
            [("data", data), ("model-file", model_file.as_deref()), ("experiment-name", Some(&*experiment))]
        {
            if let Some(value) = value {
                command.push_str(&format!(" --{flag} {}", word(value)));
            }
        }
        command.push_str(relaxed(self.up.relax_pins));
        let submit = Submit {
            data: data.map(str::to_owned),
            model_file,
            experiment_name: Some(experiment),
            source_directory: self.up.run_config.as_ref().map(|_| self.up.folder.clone()),
            relax_pins: self.up.relax_pins,
            ..Submit::of(file)
        };
        let done = trained(session, &submit).await;
        let job = self.step("train", command, done)?;
        session.out.say(&told(&job));
        Ok(job)
    }

    /// Registers what the run left, with the commit it came from.
    pub async fn register(&mut self, session: &Session, job: &Job) -> Result<ModelVersion, Fault> {
        let found = outputs::model(session, job, self.up.model_file.as_deref()).await;
        let path = found.map_err(|fault| Fault::new(fault.code, format!("register: {}", fault.message)))?;
        let source = &job.spec["source"];
        let properties: Vec<String> = [("git-repo-url", "repository"), ("git-commit-id", "commit")]
            .into_iter()
            .filter_map(|(property, member)| Some(format!("{property}={}", source[member].as_str()?)))
            .collect();
        let mut command = format!(
            "portcullis model register {} --from-job {} --path {}",
            word(&self.model),
            job.id,
            word(&path)
        );
        for property in &properties {
            command.push_str(&format!(" --property {}", word(property)));
        }
        let register = RegisterModel { properties, ..RegisterModel::of_job(&self.model, &job.id, &path) };
        let model = self.step("register", command, register.carry_out(session).await)?;
        session.out.say(&model_told(&model));
        Ok(model)
    }

    /// Deploys the version; when it returns, it answers.
    pub async fn deploy(
        &mut self,
        session: &Session,
        model: &ModelVersion,
    ) -> Result<(Endpoint, Deployment), Fault> {
        let serving = self.layout.serving.as_ref();
        if serving.is_none() && model.kind == ModelKind::Custom {
            return Err(Fault::invalid(format!(
                "deploy: {}:{} is neither ONNX nor an MLflow model: it needs a score.py and config/inference-config.yml in {}",
                model.model,
                model.version,
                self.up.folder.display()
            )));
        }
        let command = format!("portcullis endpoint create {} --docs-public", self.endpoint);
        let endpoint = self.endpoint(session).await;
        let endpoint = self.step("deploy", command, endpoint)?;
        let create = Create {
            endpoint: Some(self.endpoint.to_string()),
            name: Some(self.up.deployment.to_string()),
            model: Some(format!("{}:{}", model.model, model.version)),
            all_traffic: true,
            file: None,
            inference_config: serving.map(|files| files.inference.clone()),
            deploy_config: serving.and_then(|files| files.sizes.clone()),
            source_folder: serving.map(|_| self.up.folder.clone()),
            environment: None,
            relax_pins: self.up.relax_pins,
            network: self.up.network && serving.is_some(),
        };
        if serving.is_some() {
            session.out.say("making the environment and starting the workers");
        }
        let deployment = self.step("deploy", deploy_command(&create), create.carry_out(session).await)?;
        session.out.say(&format!(
            "deployed {}:{} as {}/{}",
            deployment.model, deployment.version, deployment.endpoint, deployment.name
        ));
        Ok((endpoint, deployment))
    }

    /// The endpoint; one that is there keeps its keys and settings.
    async fn endpoint(&self, session: &Session) -> Result<Endpoint, Fault> {
        let all: Vec<Endpoint> = session.client.get("/api/v1/endpoints").await?;
        if let Some(found) = all.into_iter().find(|endpoint| endpoint.name == self.endpoint) {
            session.out.say(&format!("endpoint {} is there; its keys stay", found.name));
            return Ok(found);
        }
        let description = format!("made by up from {}", self.layout.name);
        let body = json!({ "name": self.endpoint, "docs_public": true, "description": description });
        let made: Endpoint = session.client.post("/api/v1/endpoints", &body).await?;
        session.out.say(&format!("created endpoint {}", made.name));
        Ok(made)
    }

    /// Publishes the endpoint behind the built-in token service, with a client of its own.
    pub async fn publish(
        &mut self,
        session: &Session,
        endpoint: &Endpoint,
        global: &Global,
    ) -> Result<Option<Published>, Fault> {
        if self.up.no_publish {
            return Ok(None);
        }
        let plain = self.path.replace('/', "-");
        let folder = &global.data_dir;
        let there = std::fs::create_dir_all(folder);
        there.map_err(|e| Fault::invalid(format!("publish: {}: {e}", folder.display())))?;
        let wanted = Wanted {
            path: self.path.clone(),
            credentials: folder.join(format!("up-{plain}.json")),
            client: format!("{plain}-client"),
            scope: format!("endpoint:{}", self.endpoint),
        };
        let audience = format!("api://{}", self.path);
        let command = format!(
            "portcullis api publish --endpoint {} --path {} --audience {audience}",
            self.endpoint, self.path
        );
        let done = published::publish(session, &wanted, endpoint).await;
        let front = self.step("publish", command, done)?;
        self.commands.push(format!(
            "portcullis principal create {} --on {} --audience {audience} --json",
            wanted.client, wanted.scope
        ));
        Ok(Some(front))
    }
}

/// Submits, prints the log as it comes, and gives the job when it completed.
async fn trained(session: &Session, submit: &Submit) -> Result<Job, Fault> {
    let job = submit.submit(session).await?;
    session.out.say(&format!("{} · {}", job.id, job.experiment));
    let job = follow(session, &job.id).await?;
    finished(session, job)
}

fn told(job: &Job) -> String {
    let seconds = job.ended.zip(job.started).map_or(0.0, |(e, s)| (e.micros() - s.micros()) as f64 / 1e6);
    format!("run {} completed in {seconds:.1} s", job.id)
}

fn deploy_command(create: &Create) -> String {
    let mut command = "portcullis deployment create".to_owned();
    let mut flag = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            command.push_str(&format!(" --{name} {}", word(&value)));
        }
    };
    flag("endpoint", create.endpoint.clone());
    flag("name", create.name.clone());
    flag("model", create.model.clone());
    flag("inference-config", create.inference_config.as_deref().map(shown));
    flag("deploy-config", create.deploy_config.as_deref().map(shown));
    flag("source-folder", create.source_folder.as_deref().map(shown));
    command.push_str(" --all-traffic");
    command.push_str(relaxed(create.relax_pins));
    if create.network {
        command.push_str(" --network");
    }
    command
}

const fn relaxed(relax_pins: bool) -> &'static str {
    if relax_pins { " --relax-pins" } else { "" }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
