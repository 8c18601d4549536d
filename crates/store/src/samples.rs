//! Records for this crate's tests.

use crate::assets::NewDataVersion;
use crate::db::Store;
use crate::registry::NewModelVersion;
use domain::{
    Actor, Api, Column, ColumnType, Deployment, Digest, Endpoint, EndpointAuth, Feature, Job, JobKind,
    JobStatus, Lineage, ModelName, Name, Policy, Principal, PrincipalKind, PublicNetworkAccess, Role, RunId,
    Signature, Target, Task, Timestamp, Version,
};
use std::collections::BTreeMap;
use tempfile::TempDir;

/// A moment of the tests; later ones by adding seconds.
pub(crate) const T0: Timestamp = Timestamp(1_700_000_000_000_000);

pub(crate) async fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).await.unwrap();
    (dir, store)
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn model_name(text: &str) -> ModelName {
    ModelName::new(text).unwrap()
}

pub(crate) fn admin() -> Actor {
    Actor::admin()
}

pub(crate) fn data(asset: &str, digest: u8) -> NewDataVersion {
    NewDataVersion {
        name: name(asset),
        digest: Digest([digest; 32]),
        bytes: 42,
        rows: 7,
        format: serde_json::json!({"format": "csv", "delimiter": ","}),
        columns: vec![Column { name: "Credit amount".to_owned(), kind: ColumnType::Integer }],
        profile: serde_json::json!([]),
        description: "a table".to_owned(),
    }
}

pub(crate) fn lineage() -> Lineage {
    Lineage { data: name("german-credit"), data_version: Version(1), data_digest: Digest([1; 32]) }
}

pub(crate) fn job(created: Timestamp) -> Job {
    Job {
        id: RunId::generate(),
        experiment: name("credit"),
        kind: JobKind::Automl,
        status: JobStatus::Queued,
        spec: serde_json::json!({"target": "Risk"}),
        lineage: Some(lineage()),
        parent: None,
        metrics: BTreeMap::new(),
        result: serde_json::Value::Null,
        error: None,
        created,
        started: None,
        ended: None,
    }
}

pub(crate) fn model(model: &str, run: Option<RunId>) -> NewModelVersion {
    let signature = Signature {
        inputs: vec![Feature {
            name: "Age".to_owned(),
            kind: ColumnType::Integer,
            required: true,
            categories: Vec::new(),
            example: serde_json::json!(35),
        }],
        output: Target { name: "Risk".to_owned(), task: Task::Regression, classes: Vec::new() },
    };
    NewModelVersion {
        once: false,
        made_by_run: run.is_some(),
        metrics: BTreeMap::from([("r2_score".to_owned(), 0.1 + 0.2)]),
        run,
        lineage: Some(lineage()),
        ..NewModelVersion::onnx(model_name(model), Digest([9; 32]), 1234, signature)
    }
}

pub(crate) fn endpoint(text: &str) -> Endpoint {
    Endpoint {
        name: name(text),
        auth_mode: EndpointAuth::Key,
        docs_public: true,
        public_network_access: PublicNetworkAccess::Enabled,
        description: "scores".to_owned(),
        traffic: BTreeMap::new(),
        mirror_traffic: BTreeMap::new(),
        tags: BTreeMap::new(),
        key_generations: [0, 0],
        created: T0,
    }
}

pub(crate) fn deployment(endpoint: &str, text: &str, version: u32) -> Deployment {
    Deployment {
        name: name(text),
        endpoint: name(endpoint),
        model: model_name("credit"),
        version: Version(version),
        spec: None,
        data_collector: None,
        created: T0,
    }
}

pub(crate) fn api(path: &str, endpoint: &str) -> Api {
    Api {
        path: path.to_owned(),
        endpoint: name(endpoint),
        policy: Policy { audiences: vec!["api://credit".to_owned()], ..Policy::default() },
        created: T0,
    }
}

pub(crate) fn principal(text: &str) -> Principal {
    Principal {
        name: name(text),
        client_id: format!("client-{text}"),
        kind: PrincipalKind::Client,
        role: Some(Role::Scorer),
        audience: "api://credit".to_owned(),
        created: T0,
        revoked: None,
    }
}

/// A store with a model of two versions and an endpoint `credit` that runs version 1 as `blue` with all traffic.
pub(crate) async fn serving() -> (TempDir, Store) {
    let (dir, store) = store().await;
    for _ in 0..2 {
        store.add_model_version(model("credit", None), &admin(), T0).await.unwrap();
    }
    store.add_endpoint(&endpoint("credit"), &admin()).await.unwrap();
    store.put_deployment(&deployment("credit", "blue", 1), true, &admin()).await.unwrap();
    (dir, store)
}
