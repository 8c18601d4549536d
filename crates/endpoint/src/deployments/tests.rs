//! The services over a real store.

use super::*;
use crate::endpoints::NewEndpoint;
use crate::testing;
use domain::{ErrorCode, KeySlot, Version};
use registry::NewVersion;
use std::collections::BTreeMap;
use store::Store;
use tempfile::TempDir;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn deployment(named: &str, model: &str, all_traffic: Option<bool>) -> NewDeployment {
    NewDeployment {
        name: name(named),
        model: model.into(),
        all_traffic,
        spec: None,
        data_collector: None,
        relax_pins: false,
    }
}

/// A store with two versions of a model, and an endpoint.
async fn services() -> (TempDir, Endpoints) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    let endpoints = Endpoints::open(store).unwrap();
    for (bytes, _) in [testing::credit(), testing::credit_numbers()] {
        let new = NewVersion::file(name("credit"), bytes, String::new());
        endpoints.registry.register(new, &Actor::admin()).await.unwrap();
    }
    endpoints
        .registry
        .set_alias(&name("credit").into(), "champion", Version(1), &Actor::admin())
        .await
        .unwrap();
    let new = NewEndpoint {
        name: name("risk"),
        docs_public: false,
        public_network_access: Default::default(),
        description: String::new(),
        tags: Default::default(),
    };
    endpoints.create(new, &Actor::admin()).await.unwrap();
    (dir, endpoints)
}

#[test]
fn references_are_read() {
    let read = |text: &str| reference(text).map(|(model, version)| format!("{model} {version}")).ok();
    for (text, expected) in [
        ("m", "m latest"),
        ("m:3", "m 3"),
        ("m:latest", "m latest"),
        ("m@latest", "m latest"),
        ("m@champion", "m champion"),
        ("azureml:m:2", "m 2"),
    ] {
        assert_eq!(read(text).as_deref(), Some(expected), "{text}");
    }
    for text in ["", ":1", "m:", "m@", "m:champion", "m:1:2", "../m", "m:-1"] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[tokio::test]
async fn the_first_deployment_gets_the_traffic() {
    let (_dir, endpoints) = services().await;
    let (risk, admin) = (name("risk"), Actor::admin());
    let blue = endpoints.deploy(&risk, deployment("blue", "credit@champion", None), &admin).await.unwrap();
    assert_eq!(blue.version, Version(1));
    let green = endpoints.deploy(&risk, deployment("green", "credit", None), &admin).await.unwrap();
    assert_eq!(green.version, Version(2));
    let traffic = endpoints.show(&risk).await.unwrap().traffic;
    assert_eq!(traffic, BTreeMap::from([(name("blue"), 100)]));
    endpoints.deploy(&risk, deployment("green", "credit:2", Some(true)), &admin).await.unwrap();
    let traffic = endpoints.show(&risk).await.unwrap().traffic;
    assert_eq!(traffic.get(&name("green")), Some(&100));
    assert_eq!(endpoints.deployments(&risk).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_deployment_with_traffic_stays() {
    let (_dir, endpoints) = services().await;
    let (risk, admin) = (name("risk"), Actor::admin());
    endpoints.deploy(&risk, deployment("blue", "credit", None), &admin).await.unwrap();
    let refused = endpoints.undeploy(&risk, &name("blue"), &admin).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Conflict);
    endpoints.set_traffic(&risk, &BTreeMap::new(), &admin).await.unwrap();
    endpoints.undeploy(&risk, &name("blue"), &admin).await.unwrap();
    assert_eq!(endpoints.deployments(&risk).await.unwrap(), []);
}

#[tokio::test]
async fn traffic_adds_up_and_goes_to_what_is_there() {
    let (_dir, endpoints) = services().await;
    let (risk, admin) = (name("risk"), Actor::admin());
    endpoints.deploy(&risk, deployment("blue", "credit:1", None), &admin).await.unwrap();
    endpoints.deploy(&risk, deployment("green", "credit:2", None), &admin).await.unwrap();
    let split = |blue, green| BTreeMap::from([(name("blue"), blue), (name("green"), green)]);
    assert_eq!(endpoints.set_traffic(&risk, &split(90, 10), &admin).await.unwrap().traffic, split(90, 10));
    assert!(endpoints.set_traffic(&risk, &split(90, 20), &admin).await.is_err());
    assert!(endpoints.set_traffic(&risk, &BTreeMap::from([(name("grey"), 100)]), &admin).await.is_err());
    assert_eq!(endpoints.show(&risk).await.unwrap().traffic, split(90, 10));
}

#[tokio::test]
async fn what_is_not_there_is_not_deployed() {
    let (_dir, endpoints) = services().await;
    let (risk, admin) = (name("risk"), Actor::admin());
    for (endpoint, model) in [(&risk, "credit:9"), (&risk, "other"), (&name("other"), "credit")] {
        let refused = endpoints.deploy(endpoint, deployment("blue", model, None), &admin).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::NotFound, "{model}");
    }
    let refused = endpoints.deploy(&risk, deployment("blue", "cre/dit", None), &admin).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::InvalidInput);
}

#[tokio::test]
async fn one_key_is_replaced_while_the_other_lives() {
    let (_dir, endpoints) = services().await;
    let (risk, admin) = (name("risk"), Actor::admin());
    let before = endpoints.keys(&risk).await.unwrap();
    let after = endpoints.regenerate(&risk, KeySlot::Primary, &admin).await.unwrap();
    assert_ne!(after.keys.primary, before.primary);
    assert_eq!(after.keys.secondary, before.secondary);
    assert_eq!(endpoints.keys(&risk).await.unwrap(), after.keys);
}

#[tokio::test]
async fn keys_outlive_a_restart_and_do_not_come_back() {
    let (dir, endpoints) = services().await;
    let (risk, admin) = (name("risk"), Actor::admin());
    let before = endpoints.keys(&risk).await.unwrap();
    endpoints.store.close().await;
    drop(endpoints);
    let endpoints = Endpoints::open(Store::open(dir.path()).await.unwrap()).unwrap();
    assert_eq!(endpoints.keys(&risk).await.unwrap(), before);
    endpoints.delete(&risk, &admin).await.unwrap();
    assert_eq!(endpoints.list().await.unwrap(), []);
    let new = NewEndpoint {
        name: risk.clone(),
        docs_public: true,
        public_network_access: Default::default(),
        description: "again".into(),
        tags: Default::default(),
    };
    assert!(endpoints.create(new.clone(), &admin).await.unwrap().docs_public);
    assert_ne!(endpoints.keys(&risk).await.unwrap().primary, before.primary);
    assert_eq!(endpoints.create(new, &admin).await.unwrap_err().code, ErrorCode::Conflict);
}
