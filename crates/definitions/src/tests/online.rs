//! Endpoints, deployments and the first CLI's configurations of them.

use super::{bad, good};
use crate::online::{AuthMode, ModelUse, ScaleSettings};
use crate::v1::ComputeType;
use crate::{DeploymentConfig, InferenceConfig, OnlineDeployment, OnlineEndpoint};

#[test]
fn endpoints_managed_and_kubernetes() {
    let text = "$schema: x/latest/kubernetesOnlineEndpoint.schema.json\nname: credit\nauth_mode: Key\ncompute: azureml:k8s\n";
    let parsed = good::<OnlineEndpoint>(text);
    assert_eq!(parsed.value.auth_mode, AuthMode::Key);
    assert_eq!(parsed.notes[0].field, "compute");
    let traffic =
        good::<OnlineEndpoint>("name: e\ntraffic: {blue: 90, green: 10}\nmirror_traffic: {green: 10}\n");
    assert_eq!(traffic.value.traffic.len(), 2);
    assert!(
        bad::<OnlineEndpoint>("name: e\ntraffic: {blue: 90}\n")
            .contains("line 2, column 10: field 'traffic': the shares sum to 90")
    );
    assert!(bad::<OnlineEndpoint>("name: e\nmirror_traffic: {b: 60}\n").contains("at most 50"));
    assert!(bad::<OnlineEndpoint>("name: e/x\n").contains("is not a name"));
    assert!(bad::<OnlineEndpoint>("name: e\nauth_mod: key\n").contains("did you mean 'auth_mode'?"));
}

#[test]
fn a_managed_deployment_is_read() {
    let text = "\
$schema: https://example.com/latest/managedOnlineDeployment.schema.json
name: blue
endpoint_name: my-endpoint
model:
  path: ../model/sklearn.pkl
code_configuration:
  code: ../onlinescoring
  scoring_script: score.py
environment:
  conda_file: ../environment/conda.yaml
  image: mcr.example/base:latest
instance_type: Standard_DS3_v2
instance_count: 1
request_settings: {request_timeout_ms: 3000}
liveness_probe: {initial_delay: 300, period: 20, failure_threshold: 30, timeout: 2}
environment_variables: {WORKER_COUNT: 2}
app_insights_enabled: True
data_collector:
  sampling_rate: 0.5
  collections:
    model_inputs: {enabled: 'True'}
    model_outputs:
";
    let parsed = good::<OnlineDeployment>(text);
    let deployment = &parsed.value;
    assert!(matches!(&deployment.model, Some(ModelUse::Inline(model)) if model.name.is_empty()));
    assert_eq!(deployment.request_settings.request_timeout_ms, Some(3000));
    assert_eq!(deployment.liveness_probe.unwrap().success_threshold, 1);
    assert_eq!(deployment.app_insights_enabled, Some(true));
    assert_eq!(deployment.data_collector.as_ref().unwrap().collections.len(), 2);
    let told: Vec<&str> = parsed.notes.iter().map(|note| note.field.as_str()).collect();
    assert_eq!(told, ["environment.image", "instance_type"]);
    let custom = text
        .replace("  image: mcr", "  inference_config: {scoring_route: {path: /x, port: 8}}\n  image: mcr");
    assert!(
        bad::<OnlineDeployment>(&custom).contains("line 11, column 21: field 'environment.inference_config'")
    );
    assert!(
        bad::<OnlineDeployment>(&text.replace("blue", "{{name}}")).contains("'{{name}}' is a placeholder")
    );
    let plain = text.replace("model:\n  path: ../model/sklearn.pkl", "model: credit:3");
    assert!(
        bad::<OnlineDeployment>(&plain)
            .contains("line 4, column 8: field 'model': a registered model is written azureml:credit:3")
    );
    let more = "resources:\n  requests: {cpu: 0.5}\n  limits: {cpu: 1, memory: 1Gi}\nreadiness_probe: {success_threshold: 2}\ntags: {a: b}\n";
    let told: Vec<String> =
        good::<OnlineDeployment>(&(text.to_owned() + more)).notes.into_iter().map(|n| n.field).collect();
    for field in [
        "resources.requests",
        "resources.limits",
        "readiness_probe",
        "readiness_probe.success_threshold",
        "tags",
    ] {
        assert!(told.iter().any(|told| told == field), "{field}: {told:?}");
    }
    let outside = text.replace("scoring_script: score.py", "scoring_script: ../score.py");
    assert!(bad::<OnlineDeployment>(&outside).contains("within the code folder"));
}

#[test]
fn a_kubernetes_deployment_has_resources_and_scales() {
    let text = "\
$schema: x/kubernetesOnlineDeployment.schema.json
type: kubernetes
name: blue
endpoint_name: e
model: azureml:m:2
resources: {requests: {cpu: 100m, memory: 0.5Gi}, limits: {cpu: '1', memory: 1Gi}}
scale_settings: {type: target_utilization, min_instances: 1, max_instances: 3, polling_interval: 10, target_utilization_percentage: 70}
request_settings: {request_timeout_ms: 3000, max_queue_wait_ms: 3000}
";
    let deployment = good::<OnlineDeployment>(text).value;
    assert_eq!(deployment.resources.requests.cpu_milli, Some(100));
    assert_eq!(deployment.resources.requests.memory_bytes, Some(512 << 20));
    assert!(matches!(
        deployment.scale_settings,
        Some(ScaleSettings::TargetUtilization { max_instances: 3, .. })
    ));
    assert!(
        bad::<OnlineDeployment>(&text.replace("0.5Gi", "lots"))
            .contains("field 'resources.requests.memory': 'lots'")
    );
    assert!(
        bad::<OnlineDeployment>(&text.replace("max_instances: 3", "max_instances: 0"))
            .contains("a whole number from 1")
    );
}

const AKS: &str = "\
computeType: AKS
autoScaler:
    autoscaleEnabled: True
    minReplicas: 1
    maxReplicas: 2
    refreshPeriodInSeconds: 10
    targetUtilization: 70
containerResourceRequirements:
    cpu: 0.25
    memoryInGB: 0.25
authEnabled: True
tokenAuthEnabled: False
appInsightsEnabled: True
maxQueueWaitMs: 500
scoringTimeoutMs: 5000
sslEnabled: False
dataCollection:
    storageEnabled: False
";

#[test]
fn configurations_of_the_first_cli_are_read() {
    let aks = good::<DeploymentConfig>(AKS).value;
    assert_eq!((aks.compute_type, aks.auto_scaler.unwrap().max_replicas), (ComputeType::Aks, 2));
    assert_eq!((aks.resources.cpu_milli, aks.resources.memory_bytes), (Some(250), Some(256 << 20)));
    assert_eq!((aks.app_insights_enabled, aks.data_collection), (Some(true), false));
    let both = AKS.replace("tokenAuthEnabled: False", "tokenAuthEnabled: True");
    assert!(bad::<DeploymentConfig>(&both).contains("field 'tokenAuthEnabled': Only one can be True"));
    let aci = good::<DeploymentConfig>(
        "computeType: ACI\ncontainerResourceRequirements:\n  cpu: 1\n  memoryInGB: 0.5\nauthEnabled: True\nappInsightsEnabled: True\nsslEnabled: False\n",
    );
    assert_eq!(aci.value.compute_type, ComputeType::Aci);
    assert!(
        bad::<DeploymentConfig>(&AKS.replace("True", "Ture"))
            .contains("line 3, column 23: field 'autoScaler.autoscaleEnabled': 'ture': true or false")
    );
    let text = "entryScript: score.py\nruntime: python\ncondaFile: config/inference-conda.yml\nextraDockerfileSteps:\nschemaFile:\nsourceDirectory: .\nenableGpu: False\nbaseImage:\nbaseImageRegistry:\n";
    let inference = good::<InferenceConfig>(text);
    assert_eq!(inference.value.conda_file.as_deref(), Some("config/inference-conda.yml"));
    assert!(inference.notes.is_empty());
    let docker = text.replace("extraDockerfileSteps:", "extraDockerfileSteps: steps");
    assert!(bad::<InferenceConfig>(&docker).contains("line 4, column 23: field 'extraDockerfileSteps'"));
}
