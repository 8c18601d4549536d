//! What a deployment of Python needs besides its model: script, environment, workers, limits. Field names are those of the
//! online deployment files of the Azure ML CLI v2.

use crate::environments::EnvironmentSpec;
use crate::error::Fault;
use crate::ids::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The longest time a call of a script may take, in milliseconds.
pub const TIMEOUT_MAX_MS: u64 = 3_600_000;
/// The most calls that one worker answers at the same time.
pub const CONCURRENT_MAX: u32 = 256;
/// The most workers of a deployment.
pub const INSTANCES_MAX: u32 = 64;
/// Environment variables of a deployment at most, and bytes of each.
const VARIABLES_MAX: usize = 256;
const VARIABLE_BYTES: usize = 32 * 1024;

/// How a deployment is run by Python workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PythonSpec {
    /// The tree of the code folder; none for a model that brings its own code (MLflow).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Digest>,
    /// The script with `init()` and `run()`, relative to the code folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scoring_script: Option<String>,
    /// The interpreter and its packages; none: what an MLflow model says of itself, else this machine's interpreter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentSpec>,
    /// Environment variables of the workers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment_variables: BTreeMap<String, String>,
    /// Workers.
    #[serde(default = "one")]
    pub instance_count: u32,
    /// Times and queues of calls.
    #[serde(default)]
    pub request_settings: RequestSettings,
    /// Workers by need; none: always `instance_count`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_settings: Option<ScaleSettings>,
    /// Whether answers are kept in the deployment's log besides what the script prints.
    #[serde(default)]
    pub app_insights_enabled: bool,
    /// How a worker that does not answer is found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Probe>,
    /// Resident memory of one worker, in bytes, at which it is replaced; none: the server's setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Whether the workers may reach the network.
    #[serde(default)]
    pub network: bool,
}

/// Times and queues of the calls of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequestSettings {
    /// Milliseconds a call may take, 1 to 3,600,000.
    pub request_timeout_ms: u64,
    /// Calls one worker answers at the same time, 1 to 256.
    pub max_concurrent_requests_per_instance: u32,
    /// Milliseconds a call may wait for a worker.
    pub max_queue_wait_ms: u64,
}

impl Default for RequestSettings {
    /// The defaults of the cloud's managed endpoints.
    fn default() -> Self {
        Self { request_timeout_ms: 5000, max_concurrent_requests_per_instance: 1, max_queue_wait_ms: 500 }
    }
}

/// Workers by need: so many that the busy share of them comes near to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScaleSettings {
    /// The fewest workers, at least 1.
    pub min_instances: u32,
    /// The most workers.
    pub max_instances: u32,
    /// The busy share to keep, in percent, 1 to 100.
    pub target_utilization_percentage: u32,
    /// Milliseconds between two decisions.
    pub polling_interval_ms: u64,
}

impl Default for ScaleSettings {
    fn default() -> Self {
        Self {
            min_instances: 1,
            max_instances: 1,
            target_utilization_percentage: 70,
            polling_interval_ms: 1000,
        }
    }
}

/// How often a worker is asked whether it lives, and when it counts as dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Probe {
    /// Seconds after the start before the first question.
    pub initial_delay: u32,
    /// Seconds between two questions, at least 1.
    pub period: u32,
    /// Seconds an answer may take, at least 1.
    pub timeout: u32,
    /// Questions without an answer, one after another, until the worker is replaced; at least 1.
    pub failure_threshold: u32,
}

impl Default for Probe {
    /// The defaults of the cloud's managed endpoints.
    fn default() -> Self {
        Self { initial_delay: 10, period: 10, timeout: 2, failure_threshold: 30 }
    }
}

/// What may be changed of a running deployment; what is left out stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeploymentUpdate {
    /// Whether answers are kept in the deployment's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_insights_enabled: Option<bool>,
}

fn one() -> u32 {
    1
}

impl Default for PythonSpec {
    fn default() -> Self {
        Self {
            code: None,
            scoring_script: None,
            environment: None,
            environment_variables: BTreeMap::new(),
            instance_count: 1,
            request_settings: RequestSettings::default(),
            scale_settings: None,
            app_insights_enabled: false,
            liveness_probe: None,
            memory_bytes: None,
            network: false,
        }
    }
}

impl PythonSpec {
    /// The fewest and the most workers.
    pub fn bounds(&self) -> (u32, u32) {
        match &self.scale_settings {
            Some(scale) => (scale.min_instances, scale.max_instances),
            None => (self.instance_count, self.instance_count),
        }
    }

    /// Refuses what cannot be run, naming the field.
    pub fn check(&self) -> Result<(), Fault> {
        self.check_script()?;
        self.check_variables()?;
        let within = |field: &str, value: u64, most: u64| {
            if (1..=most).contains(&value) {
                return Ok(());
            }
            Err(Fault::invalid(format!("{field}: {value} is not between 1 and {most}")))
        };
        within("instance_count", self.instance_count.into(), INSTANCES_MAX.into())?;
        let r = &self.request_settings;
        within("request_settings.request_timeout_ms", r.request_timeout_ms, TIMEOUT_MAX_MS)?;
        let concurrent = r.max_concurrent_requests_per_instance;
        let field = "request_settings.max_concurrent_requests_per_instance";
        within(field, concurrent.into(), CONCURRENT_MAX.into())?;
        if r.max_queue_wait_ms > TIMEOUT_MAX_MS {
            return Err(Fault::invalid(format!(
                "request_settings.max_queue_wait_ms: {} is more than {TIMEOUT_MAX_MS}",
                r.max_queue_wait_ms
            )));
        }
        if let Some(scale) = &self.scale_settings {
            within("scale_settings.min_instances", scale.min_instances.into(), INSTANCES_MAX.into())?;
            within("scale_settings.max_instances", scale.max_instances.into(), INSTANCES_MAX.into())?;
            let percent = scale.target_utilization_percentage;
            within("scale_settings.target_utilization_percentage", percent.into(), 100)?;
            within("scale_settings.polling_interval", scale.polling_interval_ms, TIMEOUT_MAX_MS)?;
            if scale.min_instances > scale.max_instances {
                return Err(Fault::invalid(format!(
                    "scale_settings: min_instances {} is more than max_instances {}",
                    scale.min_instances, scale.max_instances
                )));
            }
        }
        if let Some(probe) = &self.liveness_probe {
            within("liveness_probe.period", probe.period.into(), 86_400)?;
            within("liveness_probe.timeout", probe.timeout.into(), 86_400)?;
            within("liveness_probe.failure_threshold", probe.failure_threshold.into(), 10_000)?;
        }
        Ok(())
    }

    fn check_script(&self) -> Result<(), Fault> {
        let Some(script) = &self.scoring_script else {
            return match self.code {
                Some(_) => {
                    Err(Fault::invalid("scoring_script: a code folder needs a script with init() and run()"))
                }
                None => Ok(()),
            };
        };
        let plain = script.split('/').all(|part| !matches!(part, "" | "." | ".."))
            && !script.contains(['\\', '\0'])
            && script.ends_with(".py");
        if !plain {
            return Err(Fault::invalid(format!(
                "scoring_script: '{}' is no path of a .py file within the code folder",
                script.chars().take(100).collect::<String>()
            )));
        }
        if self.code.is_none() {
            return Err(Fault::invalid("code: a scoring script needs the code folder that it lies in"));
        }
        Ok(())
    }

    fn check_variables(&self) -> Result<(), Fault> {
        if self.environment_variables.len() > VARIABLES_MAX {
            return Err(Fault::invalid(format!("environment_variables: more than {VARIABLES_MAX}")));
        }
        for (name, value) in &self.environment_variables {
            let letter = |c: u8| c.is_ascii_alphabetic() || c == b'_';
            let good = name.as_bytes().first().is_some_and(|c| letter(*c))
                && name.bytes().all(|c| letter(c) || c.is_ascii_digit() || c == b'.' || c == b'-');
            if !good || name.len() + value.len() > VARIABLE_BYTES || value.contains('\0') {
                return Err(Fault::invalid(format!(
                    "environment_variables: '{}' is no variable: letters, digits and '_' in its name, {VARIABLE_BYTES} bytes",
                    name.chars().take(60).collect::<String>()
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> PythonSpec {
        PythonSpec {
            code: Some(Digest([1; 32])),
            scoring_script: Some(text.to_owned()),
            ..PythonSpec::default()
        }
    }

    #[test]
    fn what_cannot_be_run_is_refused_by_its_field() {
        assert_eq!(script("score.py").check(), Ok(()));
        assert_eq!(script("src/score.py").check(), Ok(()));
        for wrong in ["../score.py", "/score.py", "score.sh", "a//b.py", ""] {
            assert!(script(wrong).check().unwrap_err().message.starts_with("scoring_script"), "{wrong}");
        }
        let said = |spec: PythonSpec| spec.check().unwrap_err().message;
        let many = PythonSpec { instance_count: 65, ..script("a.py") };
        assert_eq!(said(many), "instance_count: 65 is not between 1 and 64");
        let reversed = ScaleSettings { min_instances: 3, max_instances: 2, ..ScaleSettings::default() };
        let scaled = PythonSpec { scale_settings: Some(reversed), ..script("a.py") };
        assert_eq!(said(scaled), "scale_settings: min_instances 3 is more than max_instances 2");
        let mut odd = script("a.py");
        odd.environment_variables.insert("A=B".to_owned(), String::new());
        assert!(said(odd).starts_with("environment_variables: 'A=B'"));
        let bare = PythonSpec { code: None, ..script("a.py") };
        assert!(said(bare).starts_with("code:"));
    }

    #[test]
    fn what_is_not_said_has_the_clouds_defaults() {
        let spec: PythonSpec = serde_json::from_str("{}").unwrap();
        assert_eq!(spec, PythonSpec::default());
        let said =
            r#"{"request_settings": {"request_timeout_ms": 3000}, "scale_settings": {"max_instances": 2}}"#;
        let spec: PythonSpec = serde_json::from_str(said).unwrap();
        assert_eq!(spec.request_settings.max_queue_wait_ms, 500);
        assert_eq!(spec.bounds(), (1, 2));
        assert!(serde_json::from_str::<PythonSpec>(r#"{"instances": 1}"#).is_err());
    }
}
