//! Tests of versions: by run and by file, stages, deletion.

use super::*;
use crate::samples::{T0, admin, model, model_name, serving, store};

#[tokio::test]
async fn a_run_registers_once_and_a_file_every_time() {
    let (_dir, store) = store().await;
    let run = RunId::generate();
    let first = store.add_model_version(model("credit", Some(run.clone())), &admin(), T0).await.unwrap();
    assert_eq!((first.version, first.metrics["r2_score"]), (Version(1), 0.1 + 0.2));
    let later = T0.plus_seconds(60);
    let again = store.add_model_version(model("credit", Some(run.clone())), &admin(), later).await.unwrap();
    assert_eq!(again, first);
    assert_eq!(store.model_version_by_run(&run).await.unwrap(), Some(first));
    for number in [2, 3] {
        let file = store.add_model_version(model("credit", None), &admin(), T0).await.unwrap();
        assert_eq!(file.version, Version(number));
    }
    // What a client registers from the run is a version every time.
    for number in [4, 5] {
        let mut asked = model("credit", Some(run.clone()));
        asked.made_by_run = false;
        let made = store.add_model_version(asked, &admin(), T0).await.unwrap();
        assert_eq!(made.version, Version(number));
    }
    assert_eq!(store.ledger(0, 10).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_stage_takes_the_place_of_another() {
    let (_dir, store) = store().await;
    let credit = model_name("credit");
    for _ in 0..3 {
        store.add_model_version(model("credit", None), &admin(), T0).await.unwrap();
    }
    let later = T0.plus_seconds(5);
    let change = async |version, change| {
        store.change_model_version(&credit, Version(version), change, &admin(), later).await
    };
    change(1, VersionChange::Stage(Stage::Production, false)).await.unwrap();
    let second = change(2, VersionChange::Stage(Stage::Production, true)).await.unwrap();
    assert_eq!((second.stage, second.updated), (Stage::Production, later));
    let newest = store.latest_model_versions(&[&credit]).await.unwrap();
    let stages: Vec<(u32, Stage)> = newest.iter().map(|v| (v.version.0, v.stage)).collect();
    assert_eq!(stages, [(1, Stage::Archived), (2, Stage::Production), (3, Stage::None)]);
    change(3, VersionChange::Tag("owner".to_owned(), "credit team".to_owned())).await.unwrap();
    let told = change(3, VersionChange::Description("the best".to_owned())).await.unwrap();
    assert_eq!((told.tags["owner"].as_str(), told.description.as_str()), ("credit team", "the best"));
    change(3, VersionChange::NoTag("owner".to_owned())).await.unwrap();
    assert!(matches!(change(3, VersionChange::NoTag("owner".to_owned())).await, Err(Error::NotFound { .. })));
    assert!(change(4, VersionChange::Description(String::new())).await.is_err());
}

#[tokio::test]
async fn a_version_goes_when_nothing_runs_it_and_its_number_stays_away() {
    let (_dir, store) = serving().await;
    let credit = model_name("credit");
    let refused = store.delete_model_version(&credit, Version(1), &admin(), T0).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the model version 'credit:1' is deployed as 'credit/blue': delete that deployment first"
    );
    store.set_alias(&credit, "best", Version(2), &admin(), T0).await.unwrap();
    store.delete_model_version(&credit, Version(2), &admin(), T0).await.unwrap();
    assert!(store.model_version_by_alias(&credit, "best").await.is_err());
    let next = store.add_model_version(model("credit", None), &admin(), T0).await.unwrap();
    assert_eq!(next.version, Version(3));
}
