//! The command line: `portcullis <noun> <verb>`, one file a noun below.

mod api;
mod api_show;
mod artifacts;
mod automl;
mod automl_file;
mod automl_how;
mod backup;
mod bench;
mod bench_connect;
mod bench_load;
mod data;
mod data_file;
mod data_parts;
mod deployment;
mod endpoint;
mod endpoint_file;
mod environment;
mod host;
mod issuer;
mod job;
mod job_compare;
mod job_download;
mod job_ids;
mod job_show;
mod ledger;
mod logs;
mod model;
mod model_export;
mod model_mlflow;
mod model_register;
mod model_report;
mod model_reproduce;
mod onnx;
mod principal;
mod progress;
mod published;
mod quickstart;
mod quickstart_proof;
mod role;
mod secret;
mod serve;
mod serve_model;
mod submit;
mod subscription;
mod token;
mod token_issue;
mod up;
mod worker;

use crate::session::Session;
use clap::{Args, CommandFactory, Parser, Subcommand};
use domain::Fault;
use std::path::PathBuf;
use std::process::ExitCode;

/// From a table or an ONNX file to a secured, documented, observed, versioned scoring endpoint.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, disable_help_subcommand = true)]
pub struct Typed {
    #[command(flatten)]
    global: Flags,
    #[command(subcommand)]
    command: Command,
}

impl Typed {
    /// Whether JSON was asked for, for errors too.
    pub const fn json(&self) -> bool {
        self.global.json
    }
}

/// Flags every command takes, as typed.
#[derive(Debug, Clone, Args)]
struct Flags {
    /// A settings file; its keys stand in config.default.toml [env: PORTCULLIS_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory: one workspace [env: PORTCULLIS_DATA_DIR] [default: ./.portcullis, else the nearest above]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Talk to this server instead of opening the data directory [env: PORTCULLIS_SERVER]
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// A file holding the token for the server; else PORTCULLIS_TOKEN, else the data directory's admin token
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A PEM file of certificates to trust besides the system's, for a server of https [env: PORTCULLIS_CA_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// A PEM file with this client's certificate and key, for a server that asks for one [env: PORTCULLIS_CLIENT_CERTIFICATE]
    #[arg(long, global = true, value_name = "FILE")]
    client_certificate: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    json: bool,
}

/// What every command knows: the flags, else the environment, else the defaults.
#[derive(Debug, Clone)]
pub struct Global {
    /// The settings file.
    pub config: Option<PathBuf>,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The server to talk to.
    pub server: Option<String>,
    /// The file of the token.
    pub token_file: Option<PathBuf>,
    /// Certificates to trust.
    pub ca_file: Option<PathBuf>,
    /// The client's own certificate.
    pub client_certificate: Option<PathBuf>,
    /// JSON in place of tables.
    pub json: bool,
}

impl Flags {
    /// Lays the environment under the flags. Read here and not by clap, whose usage lines would name such a flag as one that is needed.
    fn settled(self, above: bool) -> Global {
        let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let path = |name: &str| named(name).map(PathBuf::from);
        let data_dir = self.data_dir.or_else(|| path("PORTCULLIS_DATA_DIR"));
        let server = self.server.or_else(|| named("PORTCULLIS_SERVER")?.into_string().ok());
        let above = above && server.is_none();
        Global {
            config: self.config.or_else(|| path("PORTCULLIS_CONFIG")),
            data_dir: data_dir.unwrap_or_else(|| crate::session::own_folder(above)),
            server,
            token_file: self.token_file,
            ca_file: self.ca_file.or_else(|| path("PORTCULLIS_CA_FILE")),
            client_certificate: self.client_certificate.or_else(|| path("PORTCULLIS_CLIENT_CERTIFICATE")),
            json: self.json,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The main job, end to end, on the shipped example or your table
    Quickstart(quickstart::Quickstart),
    /// A folder models/NAME of scripts, from training to a scored request at the gateway
    Up(up::Up),
    /// API, gateway and both doors on one port
    Serve(serve::Serve),
    /// One model at the root of one port
    ServeModel(serve_model::ServeModel),
    /// Data assets
    #[command(subcommand)]
    Data(data::Data),
    /// Environments: interpreter and packages of jobs and deployments
    #[command(subcommand)]
    Environment(environment::Environment),
    /// Models and model versions
    #[command(subcommand)]
    Model(model::Model),
    /// Search for the best model of a table
    #[command(subcommand)]
    Automl(automl::Automl),
    /// Jobs and their runs
    #[command(subcommand)]
    Job(job::Job),
    /// Endpoints
    #[command(subcommand)]
    Endpoint(endpoint::Endpoint),
    /// Deployments: a model version running under an endpoint
    #[command(subcommand)]
    Deployment(deployment::Deployment),
    /// Published APIs at the gateway
    #[command(subcommand)]
    Api(api::Api),
    /// Issuers of tokens that are trusted besides the built-in token service
    #[command(subcommand)]
    Issuer(issuer::Issuer),
    /// Subscriptions: keys for published APIs, besides the token
    #[command(subcommand)]
    Subscription(subscription::Subscription),
    /// Principals: who may get tokens
    #[command(subcommand)]
    Principal(principal::Principal),
    /// Roles: who may do what, on the workspace, an endpoint, a model
    #[command(subcommand)]
    Role(role::Role),
    /// Named values: what policies write as {{NAME}}
    #[command(subcommand)]
    Secret(secret::Secret),
    /// The request log of an endpoint
    Logs(logs::Logs),
    /// Load-test an endpoint or a URL
    Bench(bench::Bench),
    /// ONNX files: check, score, run
    #[command(subcommand)]
    Onnx(onnx::Onnx),
    /// Tokens, and the keys that sign them
    #[command(subcommand)]
    Token(token::Token),
    /// The whole data directory as one file
    #[command(subcommand)]
    Backup(backup::Backup),
    /// The record of every change
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// Shell completions on standard output
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    #[command(hide = true, subcommand)]
    Worker(worker::Worker),
}

/// Runs what was typed.
pub fn run(typed: Typed) -> Result<ExitCode, Fault> {
    let global = typed.global.settled(belongs_to_one(&typed.command));
    match typed.command {
        Command::Completions { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut Typed::command(), "portcullis", &mut out);
            crate::show::bytes(&out);
            Ok(ExitCode::SUCCESS)
        }
        Command::Worker(worker) => Ok(worker.run()),
        Command::Onnx(onnx) => onnx.run(&global),
        Command::Token(token::Token::Verify(verify)) => Ok(verify.run(&global)),
        Command::Backup(backup::Backup::Restore(restore)) => restore.run(&global),
        Command::Token(token::Token::Service(token_issue::Service::Issue(issue))) => {
            runtime()?.block_on(issue.run(&global)).map(|()| ExitCode::SUCCESS)
        }
        command => runtime()?.block_on(dispatch(global, command)),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Fault::internal(format!("starting the runtime: {e}")))
}

/// Whether a command belongs to a workspace that is there, if need be in a folder above; others begin one where they stand.
const fn belongs_to_one(command: &Command) -> bool {
    !matches!(
        command,
        Command::Quickstart(_)
            | Command::Serve(_)
            | Command::ServeModel(_)
            | Command::Completions { .. }
            | Command::Worker(_)
            | Command::Onnx(_)
            | Command::Backup(backup::Backup::Restore(_))
    )
}

/// Whether a command makes a workspace where there is none, besides `serve`, `quickstart` and `up`: a table, and what is learned from
/// it, may come first. Others would only hide a mistyped `--data-dir`.
const fn makes_workspace(command: &Command) -> bool {
    matches!(command, Command::Data(data::Data::Register(_)) | Command::Automl(_))
}

async fn dispatch(global: Global, command: Command) -> Result<ExitCode, Fault> {
    match command {
        Command::Quickstart(it) => return it.run(global).await,
        Command::Up(it) => return it.run(global).await,
        Command::Serve(it) => return it.run(global).await,
        Command::ServeModel(it) => return it.run(global).await,
        _ => {}
    }
    if let Command::Bench(bench) = &command
        && bench.is_url()
    {
        return bench.run_url(&global).await;
    }
    let session = Session::open(&global, makes_workspace(&command)).await?;
    let done = with_session(&session, command).await;
    session.close().await;
    done
}

async fn with_session(session: &Session, command: Command) -> Result<ExitCode, Fault> {
    match command {
        Command::Data(it) => it.run(session).await,
        Command::Environment(it) => it.run(session).await,
        Command::Model(it) => it.run(session).await,
        Command::Automl(it) => it.run(session).await,
        Command::Job(it) => it.run(session).await,
        Command::Endpoint(it) => it.run(session).await,
        Command::Deployment(it) => it.run(session).await,
        Command::Api(it) => it.run(session).await,
        Command::Issuer(it) => it.run(session).await,
        Command::Subscription(it) => it.run(session).await,
        Command::Principal(it) => it.run(session).await,
        Command::Role(it) => it.run(session).await,
        Command::Secret(it) => it.run(session).await,
        Command::Token(token::Token::Service(it)) => it.run(session).await,
        Command::Logs(it) => it.run(session).await,
        Command::Bench(it) => it.run_endpoint(session).await,
        Command::Ledger(it) => it.run(session).await,
        Command::Backup(backup::Backup::Create(create)) => create.run(session).await,
        _ => Err(Fault::internal("this command needs no session")),
    }?;
    Ok(ExitCode::SUCCESS)
}
