//! Tests of endpoints: traffic, keys, mirrors, settings.

use super::*;
use crate::samples::{T0, admin, api, deployment, endpoint, name, serving, store};

#[tokio::test]
async fn traffic_names_deployments_and_sums_to_100_or_0() {
    let (_dir, store) = serving().await;
    let credit = name("credit");
    store.put_deployment(&deployment("credit", "green", 2), false, &admin()).await.unwrap();
    assert_eq!(store.endpoint(&credit).await.unwrap().traffic, BTreeMap::from([(name("blue"), 100)]));
    let split = BTreeMap::from([(name("blue"), 90), (name("green"), 10)]);
    let set = store.set_traffic(&credit, &split, &admin(), T0).await.unwrap();
    assert_eq!(set, store.endpoint(&credit).await.unwrap());
    for (wrong, code) in [
        (BTreeMap::from([(name("blue"), 99)]), domain::ErrorCode::InvalidInput),
        (BTreeMap::from([(name("blue"), 200), (name("green"), 156)]), domain::ErrorCode::InvalidInput),
        (BTreeMap::from([(name("red"), 100)]), domain::ErrorCode::NotFound),
    ] {
        assert_eq!(store.set_traffic(&credit, &wrong, &admin(), T0).await.unwrap_err().code(), code);
    }
    store.set_traffic(&credit, &BTreeMap::new(), &admin(), T0).await.unwrap();
}

#[tokio::test]
async fn a_key_is_regenerated_alone_and_never_lives_again() {
    let (_dir, store) = store().await;
    let credit = name("credit");
    assert_eq!(store.add_endpoint(&endpoint("credit"), &admin()).await.unwrap().key_generations, [0, 0]);
    let derive = |generation: u32| format!("key{generation}");
    let change = KeyChange { endpoint: &credit, slot: KeySlot::Primary, derive: &derive };
    store.regenerate_key(&change, &admin(), T0).await.unwrap();
    let (bumped, _) = store.regenerate_key(&change, &admin(), T0).await.unwrap();
    assert_eq!(bumped.key_generations, [2, 0]);
    store.delete_endpoint(&credit, &admin(), T0).await.unwrap();
    let anew = store.add_endpoint(&endpoint("credit"), &admin()).await.unwrap();
    assert_eq!(anew.key_generations, [3, 1]);
    assert_eq!(store.endpoints().await.unwrap(), [anew]);
}

#[tokio::test]
async fn named_values_take_the_new_key_with_the_endpoint() {
    let (_dir, store) = store().await;
    let credit = name("credit");
    store.add_endpoint(&endpoint("credit"), &admin()).await.unwrap();
    for (value, content) in
        [("bare", "key0"), ("header", "Bearer key0"), ("other", "key1"), ("tail", "xkey0")]
    {
        let mut write = store.write().await.unwrap();
        sqlx::query("INSERT INTO named_values (name, secret, sealed, updated) VALUES ($1, TRUE, $2, 0)")
            .bind(value)
            .bind(store.seal(&format!("named-value:{value}"), content.as_bytes()).unwrap())
            .execute(write.conn())
            .await
            .unwrap();
        write.commit().await.unwrap();
    }
    let derive = |generation: u32| format!("key{generation}");
    let change = KeyChange { endpoint: &credit, slot: KeySlot::Primary, derive: &derive };
    let (_, named) = store.regenerate_key(&change, &admin(), T0).await.unwrap();
    assert_eq!(named, [name("bare"), name("header")]);
    let state = store.serving_state().await.unwrap();
    let contents: Vec<String> = state
        .named_values
        .iter()
        .map(|(n, sealed)| store.unseal(&format!("named-value:{n}"), sealed).unwrap())
        .map(|content| String::from_utf8(content.to_vec()).unwrap())
        .collect();
    assert_eq!(contents, ["key1", "Bearer key1", "key1", "xkey0"]);
    let ledger = serde_json::to_string(&store.ledger(0, 10).await.unwrap()).unwrap();
    assert!(!ledger.contains("key1") && ledger.contains("header"), "{ledger}");
}

#[tokio::test]
async fn calls_are_mirrored_to_one_deployment_at_most_half() {
    let (_dir, store) = serving().await;
    let credit = name("credit");
    let mirror = |shares: &[(&str, u8)]| EndpointUpdate {
        mirror_traffic: Some(shares.iter().map(|(n, p)| (name(n), *p)).collect()),
        ..EndpointUpdate::default()
    };
    store.put_deployment(&deployment("credit", "green", 2), false, &admin()).await.unwrap();
    for (wrong, code) in [
        (mirror(&[("green", 51)]), domain::ErrorCode::InvalidInput),
        (mirror(&[("green", 10), ("blue", 10)]), domain::ErrorCode::InvalidInput),
        (mirror(&[("grey", 10)]), domain::ErrorCode::NotFound),
    ] {
        let error = store.update_endpoint((&credit, &wrong), &admin(), T0).await.unwrap_err();
        assert_eq!(error.code(), code);
    }
    let both = EndpointUpdate {
        traffic: Some(BTreeMap::from([(name("blue"), 90), (name("green"), 10)])),
        ..mirror(&[("green", 50), ("blue", 0)])
    };
    let changed = store.update_endpoint((&credit, &both), &admin(), T0).await.unwrap();
    assert_eq!(changed.mirror_traffic, BTreeMap::from([(name("green"), 50)]));
    assert_eq!(store.endpoint(&credit).await.unwrap(), changed);
    // A deployment that goes takes its mirror along.
    store.set_traffic(&credit, &BTreeMap::from([(name("blue"), 100)]), &admin(), T0).await.unwrap();
    store.delete_deployment(&credit, &name("green"), &admin(), T0).await.unwrap();
    assert_eq!(store.endpoint(&credit).await.unwrap().mirror_traffic, BTreeMap::new());
}

#[tokio::test]
async fn settings_change_alone() {
    let (_dir, store) = store().await;
    let before = store.add_endpoint(&endpoint("credit"), &admin()).await.unwrap();
    let update = EndpointUpdate {
        public_network_access: Some(domain::PublicNetworkAccess::Disabled),
        ..EndpointUpdate::default()
    };
    let after = store.update_endpoint((&before.name, &update), &admin(), T0).await.unwrap();
    assert_eq!(after, store.endpoint(&before.name).await.unwrap());
    assert_eq!(
        (after.docs_public, after.public_network_access),
        (before.docs_public, domain::PublicNetworkAccess::Disabled)
    );
}

#[tokio::test]
async fn an_endpoint_behind_an_api_stays() {
    let (_dir, store) = serving().await;
    let credit = name("credit");
    store.put_api(&api("credit/v1", "credit"), &admin(), T0).await.unwrap();
    let refused = store.delete_endpoint(&credit, &admin(), T0).await.unwrap_err();
    assert!(refused.to_string().contains("'credit/v1'"), "{refused}");
    store.delete_api("credit/v1", &crate::apis::Former::Whatever, &admin(), T0).await.unwrap();
    store.delete_endpoint(&credit, &admin(), T0).await.unwrap();
    assert_eq!(store.deployments(None).await.unwrap(), []);
    assert!(matches!(store.delete_endpoint(&credit, &admin(), T0).await, Err(Error::NotFound { .. })));
    let taken = store.add_endpoint(&endpoint("other"), &admin()).await;
    assert!(taken.is_ok());
    assert!(matches!(store.add_endpoint(&endpoint("other"), &admin()).await, Err(Error::Conflict(_))));
}
