//! Names with a meaning among the environment variables of a deployment, and what of its settings is for workers alone.

use definitions::OnlineDeployment;
use definitions::online::{Collection, DataCollector, Rolling};
use domain::PythonSpec;
use std::collections::BTreeMap;

/// What a variable says that has a field of the same meaning, which goes before it; else where the setting is.
enum Means {
    Set(&'static str, fn(&mut OnlineDeployment, &str) -> bool),
    Elsewhere(&'static str),
}

/// The variables that the cloud's inference server reads (contracts IS-14 and IS-15).
const KNOWN: &[(&str, Means)] = &[
    ("SCORING_TIMEOUT_MS", Means::Set("request_settings.request_timeout_ms", timeout)),
    ("WORKER_COUNT", Means::Set("instance_count", workers)),
    ("AML_APP_INSIGHTS_ENABLED", Means::Set("app_insights_enabled", insights)),
    ("APP_INSIGHTS_LOG_RESPONSE_ENABLED", Means::Set("app_insights_enabled", insights)),
    ("AML_MODEL_DC_STORAGE_ENABLED", Means::Set("data_collector", collect)),
    (
        "AML_CORS_ORIGINS",
        Means::Elsewhere("the origins of browsers are a setting of the server: endpoint.cors_origins"),
    ),
    ("WORKER_TIMEOUT", Means::Elsewhere("a worker that hangs is found out by liveness_probe")),
    ("AML_APP_INSIGHTS_KEY", Means::Elsewhere("the log is kept here: `deployment logs`")),
    ("AZUREML_ENTRY_SCRIPT", Means::Elsewhere("the script is code_configuration.scoring_script")),
    ("SERVER_PORT", Means::Elsewhere("a worker listens on a socket of its own")),
    ("HEALTH_PORT", Means::Elsewhere("a worker listens on a socket of its own")),
];

/// Lays variables that stand for a field under what the file says itself; gives a line for each.
pub fn settle(deployment: &mut OnlineDeployment) -> Vec<String> {
    let given: Vec<(String, String)> = deployment.environment_variables.clone().into_iter().collect();
    let mut said = Vec::new();
    for (name, value) in given {
        let Some((_, means)) = KNOWN.iter().find(|(known, _)| *known == name) else { continue };
        said.push(match means {
            Means::Elsewhere(text) => format!("environment_variables.{name} has no effect: {text}"),
            Means::Set(field, set) => {
                if set(deployment, value.trim()) {
                    format!("environment_variables.{name} is taken as {field}")
                } else {
                    format!("environment_variables.{name} has no effect: {field} holds")
                }
            }
        });
    }
    said
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    }
}

fn put<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let free = place.is_none() && value.is_some();
    if free {
        *place = value;
    }
    free
}

fn timeout(d: &mut OnlineDeployment, text: &str) -> bool {
    let value = text.parse().ok().filter(|ms| (1..=domain::TIMEOUT_MAX_MS).contains(&u64::from(*ms)));
    put(&mut d.request_settings.request_timeout_ms, value)
}

fn workers(d: &mut OnlineDeployment, text: &str) -> bool {
    let value = text.parse().ok().filter(|count| (1..=domain::INSTANCES_MAX).contains(count));
    d.scale_settings.is_none() && put(&mut d.instance_count, value)
}

fn insights(d: &mut OnlineDeployment, text: &str) -> bool {
    put(&mut d.app_insights_enabled, truth(text))
}

fn collect(d: &mut OnlineDeployment, text: &str) -> bool {
    if d.data_collector.is_some() || truth(text) != Some(true) {
        return false;
    }
    let all = domain::DataCollector::of_scripts();
    let one = |(name, c): (String, domain::Collection)| {
        (name, Collection { enabled: c.enabled, sampling_rate: c.sampling_rate, data_name: None })
    };
    d.data_collector = Some(DataCollector {
        collections: all.collections.into_iter().map(one).collect::<BTreeMap<_, _>>(),
        sampling_rate: all.sampling_rate,
        rolling_rate: Rolling::Day,
        capture_headers: all.capture_headers,
    });
    true
}

/// The fields of a deployment that only Python workers have and that differ from what they are unsaid.
pub fn of_workers(spec: &PythonSpec) -> Vec<&'static str> {
    let plain = PythonSpec::default();
    let said = [
        (spec.code.is_some(), "code_configuration"),
        (spec.environment.is_some(), "environment"),
        (!spec.environment_variables.is_empty(), "environment_variables"),
        (spec.instance_count != plain.instance_count, "instance_count"),
        (spec.request_settings != plain.request_settings, "request_settings"),
        (spec.scale_settings.is_some(), "scale_settings"),
        (spec.app_insights_enabled, "app_insights_enabled"),
        (spec.liveness_probe.is_some(), "liveness_probe"),
        (spec.memory_bytes.is_some(), "resources.limits.memory"),
        (spec.network, "egress_public_network_access"),
    ];
    said.into_iter().filter(|(said, _)| *said).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &str) -> OnlineDeployment {
        definitions::read::<OnlineDeployment>("d.yml", &format!("name: blue\n{more}")).unwrap().value
    }

    #[test]
    fn variables_with_a_meaning_are_taken_or_told() {
        let mut d = read(
            "environment_variables: {SCORING_TIMEOUT_MS: 9000, WORKER_COUNT: 3, AML_CORS_ORIGINS: 'https://a', OWN: x, \
             AML_MODEL_DC_STORAGE_ENABLED: 'true', AML_APP_INSIGHTS_ENABLED: 'true'}\n",
        );
        let said = settle(&mut d);
        assert_eq!((d.request_settings.request_timeout_ms, d.instance_count), (Some(9000), Some(3)));
        assert_eq!((d.app_insights_enabled, d.data_collector.is_some()), (Some(true), true));
        assert_eq!(said.len(), 5, "{said:?}");
        assert!(said.iter().any(|line| line.contains("endpoint.cors_origins")));
        let mut d = read("instance_count: 1\nenvironment_variables: {WORKER_COUNT: 3}\n");
        assert_eq!(
            settle(&mut d),
            ["environment_variables.WORKER_COUNT has no effect: instance_count holds"]
        );
        assert_eq!(d.instance_count, Some(1));
    }
}
