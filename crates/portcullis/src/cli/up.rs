//! `up`: a folder of the convention `models/NAME/{train.py,score.py,config/*}` from its scripts to a scored request at the gateway. Each step is
//! the command of that step; the summary names them all.

mod layout;
mod outputs;
mod proof;
mod report;
mod steps;

use crate::cli::Global;
use crate::cli::host::Host;
use crate::cli::quickstart::heading;
use crate::session::Session;
use clap::Args;
use domain::{Fault, Name};
use layout::{Chosen, Layout};
use report::Report;
use std::path::PathBuf;
use std::process::ExitCode;

/// `up`.
#[derive(Debug, Args)]
pub struct Up {
    /// The model's folder, as models/NAME: train.py, score.py, config/
    pub folder: PathBuf,
    /// The data to train with: a file, a folder, or a registered NAME[:VERSION]; what the run configuration names when left out
    #[arg(long, value_name = "PATH|NAME[:V]")]
    pub data: Option<String>,
    /// The run configuration that trains the model, where the folder has several
    #[arg(long, value_name = "FILE")]
    pub run_config: Option<PathBuf>,
    /// The experiment of the run; the folder's name when left out
    #[arg(long, short = 'e', value_name = "NAME")]
    pub experiment_name: Option<String>,
    /// The registered model; NAME-model when left out
    #[arg(long, value_name = "NAME")]
    pub model_name: Option<String>,
    /// The file in ./outputs that is the model, where the run leaves several; a train.py without run configuration gets it as --model_name
    #[arg(long, value_name = "FILE")]
    pub model_file: Option<String>,
    /// The endpoint; NAME-deployment when left out. A deployment that runs there is replaced without a call lost; keys stay
    #[arg(long, value_name = "NAME")]
    pub endpoint: Option<Name>,
    /// The deployment of the endpoint
    #[arg(long, value_name = "NAME", default_value = "blue")]
    pub deployment: Name,
    /// Sizes and limits; config/deployment-config-aks.yml when left out, else that of aci
    #[arg(long, value_name = "FILE")]
    pub deploy_config: Option<PathBuf>,
    /// The path at the gateway; the folder's name when left out
    #[arg(long, value_name = "PATH", conflicts_with = "no_publish")]
    pub publish: Option<String>,
    /// Leave the endpoint closed to all but its keys
    #[arg(long)]
    pub no_publish: bool,
    /// The JSON body of the call that proves it; the sample of score.py when left out
    #[arg(long, value_name = "FILE")]
    pub request_file: Option<PathBuf>,
    /// Let pins of packages that cannot be had here give way to the nearest that can; what changed is recorded
    #[arg(long)]
    pub relax_pins: bool,
    /// Let the scoring workers reach the network
    #[arg(long)]
    pub network: bool,
    #[command(flatten)]
    pub host: Host,
}

impl Up {
    /// Walks the road; a server that was started for it serves on.
    pub async fn run(self, global: Global) -> Result<ExitCode, Fault> {
        let chosen = Chosen { run_config: self.run_config.as_deref(), sizes: self.deploy_config.as_deref() };
        let layout = Layout::find(&self.folder, &chosen)?;
        self.host.run(&global, async |session| self.walk(session, &layout, &global).await).await
    }

    async fn walk(&self, session: &Session, layout: &Layout, global: &Global) -> Result<(), Fault> {
        let out = session.out;
        let mut road = steps::Road::new(self, layout)?;
        road.check(session).await?;
        heading(out, 1, "data");
        let data = road.data(session).await?;
        heading(out, 2, "train");
        let job = road.train(session, data.as_deref()).await?;
        heading(out, 3, "register");
        let model = road.register(session, &job).await?;
        heading(out, 4, "deploy");
        let (endpoint, deployment) = road.deploy(session, &model).await?;
        heading(out, 5, if self.no_publish { "score" } else { "publish and score" });
        let front = road.publish(session, &endpoint, global).await?;
        let request = proof::request(session, &endpoint.name, self.request_file.as_deref()).await?;
        let proof = proof::score(session, (&deployment, front.as_ref()), request).await?;
        heading(out, 6, "what there is now");
        Report { data, job, model, deployment, front, proof, commands: road.commands }.tell(session, global);
        Ok(())
    }
}
