//! Files of the first CLI: run, deployment and inference configurations.

mod deployment;
mod inference;
mod run;

pub use deployment::{AutoScaler, ComputeType, DeploymentConfig};
pub use inference::InferenceConfig;
pub use run::{RunConfig, RunData, RunEnvironment};
