//! Tests of tracking: what was logged is told, and what comes together is written together.

use super::*;
use crate::db::Store;
use crate::error::Error;
use crate::samples::{admin, store};
use domain::filter::{RUNS, parse, parse_order};
use domain::tracking::{
    Dataset, DatasetInput, LogBatch, ModelOutput, NewMetric, NewRun, Pair, Run, RunStatus, RunUpdate,
    ViewType,
};
use domain::{ErrorCode, RunId};
use serde_json::Value;

async fn open(store: &Store, experiment_id: i64, name: &str, start_time: i64) -> String {
    let run = NewRun {
        id: RunId::generate(),
        experiment_id,
        name: name.to_owned(),
        user_id: "ada".to_owned(),
        start_time,
        status: RunStatus::Running,
        tags: vec![Pair::new("team", name)],
    };
    store.open_run(run).await.unwrap().run_id
}

fn batch(run_id: &str, metrics: Vec<NewMetric>) -> LogBatch {
    LogBatch { run_id: run_id.to_owned(), metrics, ..LogBatch::default() }
}

async fn found(store: &Store, filter: &str, orders: &[&str]) -> Vec<String> {
    let search = RunSearch {
        experiments: vec![0],
        clauses: parse(filter, &RUNS).unwrap(),
        orders: orders.iter().map(|o| parse_order(o, &RUNS).unwrap()).collect(),
        view: ViewType::ActiveOnly,
        page: Page::First,
        limit: 100,
    };
    names(store, &store.search_runs(&search).await.unwrap().runs).await
}

async fn names(store: &Store, runs: &[i64]) -> Vec<String> {
    let texts = store.run_documents(runs).await.unwrap();
    let name = |text: &std::sync::Arc<str>| {
        serde_json::from_str::<Value>(text).unwrap()["info"]["run_name"].as_str().unwrap().to_owned()
    };
    texts.iter().map(name).collect()
}

#[tokio::test]
async fn what_is_logged_is_told() {
    let (_dir, store) = store().await;
    let id = open(&store, 0, "first", 5).await;
    let mut log =
        batch(&id, vec![NewMetric::new("loss", 0.5, 10, 1), NewMetric::new("loss", f64::NAN, 11, 2)]);
    log.params = vec![Pair::new("depth", "3"), Pair::new("depth", "3")];
    log.tags = vec![Pair::new("team", "a"), Pair::new("team", "b"), Pair::new("mlflow.runName", "renamed")];
    store.log_batch(log).await.unwrap();
    let Run { info, data, .. } = store.run(&id).await.unwrap();
    assert_eq!((info.run_name.as_str(), info.status, info.start_time), ("renamed", RunStatus::Running, 5));
    assert_eq!(info.artifact_uri, format!("mlflow-artifacts:/0/{id}/artifacts"));
    assert_eq!(data.params, [Pair::new("depth", "3")]);
    assert_eq!(data.tags, [Pair::new("mlflow.runName", "renamed"), Pair::new("team", "b")]);
    assert!(data.metrics[0].value.is_nan() && data.metrics[0].step == 2);
    // A smaller step does not become the latest, a larger one does.
    store.log_batch(batch(&id, vec![NewMetric::new("loss", 7.0, 99, 0)])).await.unwrap();
    assert_eq!(store.run(&id).await.unwrap().data.metrics[0].step, 2);
    let ended = store.end_run(&RunId::try_from(id.clone()).unwrap(), RunStatus::Finished, 77).await.unwrap();
    assert_eq!((ended.status, ended.end_time), (RunStatus::Finished, Some(77)));
    let update = RunUpdate { run_id: id.clone(), name: Some("again".to_owned()), ..RunUpdate::default() };
    assert_eq!(store.update_run(update).await.unwrap().status, RunStatus::Finished);
    assert_eq!(names(&store, &[store.run_number(&id).await.unwrap()]).await, ["again"]);
}

#[tokio::test]
async fn a_parameter_keeps_its_value_and_a_refused_batch_leaves_nothing() {
    let (_dir, store) = store().await;
    let id = open(&store, 0, "r", 5).await;
    let mut log = batch(&id, vec![]);
    log.params = vec![Pair::new("depth", "3")];
    store.log_batch(log.clone()).await.unwrap();
    store.log_batch(log.clone()).await.unwrap();
    log.params = vec![Pair::new("new", "1"), Pair::new("depth", "4")];
    log.metrics = vec![NewMetric::new("m", 1.0, 1, 0)];
    let refused = store.log_batch(log).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidInput);
    assert!(refused.to_string().contains("already logged with value='3'"), "{refused}");
    let data = store.run(&id).await.unwrap().data;
    assert_eq!((data.params.len(), data.metrics.len()), (1, 0));
    let absent = store.log_batch(batch("absent", vec![])).await.unwrap_err();
    assert_eq!(
        (absent.code(), absent.to_string().as_str()),
        (ErrorCode::NotFound, "Run with id=absent not found")
    );
}

#[tokio::test]
async fn many_writers_share_and_none_is_lost() {
    let (dir, store) = store().await;
    let id = open(&store, 0, "r", 5).await;
    let other = open(&store, 0, "s", 5).await;
    let calls: Vec<_> = (0..400)
        .map(|i: i64| {
            let (store, run) = (store.clone(), if i % 2 == 0 { id.clone() } else { other.clone() });
            tokio::spawn(async move {
                let mut log = batch(&run, vec![NewMetric::new("m", i as f64, i, i)]);
                // Every fifth is refused; the others must not notice.
                log.params = vec![Pair::new("p", if i % 5 == 4 { "odd" } else { "even" })];
                store.log_batch(log).await
            })
        })
        .collect();
    let mut good = 0;
    for call in calls {
        good += u64::from(call.await.unwrap().is_ok());
    }
    let count = async |store: &Store, run: &str| {
        store.metric_history(run, "m", (0, 10_000)).await.unwrap().points.len() as u64
    };
    let (one, two) = (count(&store, &id).await, count(&store, &other).await);
    assert_eq!(one + two, good);
    assert!(good >= 80, "{good}");
    store.close().await;
    drop(store);
    let store = Store::open(&dir.path().join("data")).await.unwrap();
    assert_eq!((count(&store, &id).await, count(&store, &other).await), (one, two));
    // Its memory is empty now: it goes on where it was.
    store.log_batch(batch(&id, vec![NewMetric::new("m", 0.0, 9_999, 9_999)])).await.unwrap();
    assert_eq!(count(&store, &id).await, one + 1);
}

#[tokio::test]
async fn history_comes_in_pages_in_order_each_point_once() {
    let (_dir, store) = store().await;
    let id = open(&store, 0, "r", 5).await;
    for part in 0..5 {
        let points = (0..100).map(|i| part * 100 + i).map(|i| NewMetric::new("m", i as f64, i, i)).collect();
        store.log_batch(batch(&id, points)).await.unwrap();
    }
    let (mut at, mut seen) = (Some(0), Vec::new());
    while let Some(offset) = at {
        let page = store.metric_history(&id, "m", (offset, 70)).await.unwrap();
        seen.extend(page.points.iter().map(|p| p.step));
        at = page.next;
    }
    assert_eq!(seen, (0..500).collect::<Vec<i64>>());
    // Out of order, and one of them twice.
    let late = vec![
        NewMetric::new("m", -1.0, -1, 3),
        NewMetric::new("m", -1.0, -1, 3),
        NewMetric::new("m", 3.0, 3, 3),
    ];
    store.log_batch(batch(&id, late)).await.unwrap();
    let page = store.metric_history(&id, "m", (0, 10)).await.unwrap();
    assert_eq!((page.points[0].value, page.points[4].value, page.next), (-1.0, 3.0, Some(10)));
    let all = store.metric_histories(std::slice::from_ref(&id), "m").await.unwrap();
    assert_eq!(all[0].points.len(), 501);
    assert_eq!(store.metric_history(&id, "absent", (0, 10)).await.unwrap().points, []);
    assert!(matches!(store.metric_history("x", "m", (0, 1)).await, Err(Error::Absent(_))));
}

#[tokio::test]
async fn searches_filter_order_and_page() {
    let (_dir, store) = store().await;
    for (at, (name, loss, depth)) in
        [("a", Some(0.1), "3"), ("b", Some(f64::NAN), "5"), ("c", None, "3"), ("d", Some(0.4), "x*y")]
            .into_iter()
            .enumerate()
    {
        let id = open(&store, 0, name, at as i64).await;
        let mut log = batch(&id, loss.map(|loss| NewMetric::new("loss", loss, 1, 0)).into_iter().collect());
        log.params = vec![Pair::new("depth", depth)];
        if name == "d" {
            log.tags = vec![Pair::new("mlflow.parentRunId", "p")];
        }
        store.log_batch(log).await.unwrap();
    }
    for (filter, orders, names) in [
        ("", &[][..], &["d", "c", "b", "a"][..]),
        ("", &["start_time ASC"], &["a", "b", "c", "d"]),
        ("", &["metrics.loss DESC"], &["d", "a", "b", "c"]),
        ("", &["metrics.loss"], &["a", "d", "b", "c"]),
        ("", &["params.depth", "run_name DESC"], &["c", "a", "b", "d"]),
        ("metrics.loss < 0.3", &[], &["a"]),
        ("metrics.loss != 0.1", &[], &["d", "b"]),
        ("params.depth = '3' AND metrics.loss > 0", &[], &["a"]),
        ("params.depth LIKE 'X%'", &[], &[]),
        ("params.depth ILIKE 'X%'", &[], &["d"]),
        ("params.depth LIKE '_*%'", &[], &["d"]),
        ("params.depth != '3'", &[], &["d", "b"]),
        ("params.absent IS NULL AND tags.team IS NOT NULL", &[], &["d", "c", "b", "a"]),
        ("tags.mlflow.parentRunId = 'p'", &[], &["d"]),
        ("tags.team = 'c' AND run_name = 'c' AND user_id = 'ada'", &[], &["c"]),
        ("start_time >= 2 AND status = 'RUNNING'", &[], &["d", "c"]),
        ("run_id IN ('x', 'y')", &[], &[]),
        ("run_id NOT IN ('x')", &[], &["d", "c", "b", "a"]),
        ("attributes.experiment_id = '0' AND end_time > 1", &[], &[]),
        ("params.depth = ''' OR 1 = 1 --'", &[], &[]),
    ] {
        assert_eq!(found(&store, filter, orders).await, names, "{filter} {orders:?}");
    }
    for orders in [vec![], vec![parse_order("run_name", &RUNS).unwrap()]] {
        let mut search = RunSearch { experiments: vec![0], orders, limit: 3, ..RunSearch::default() };
        let first = store.search_runs(&search).await.unwrap();
        search.page = first.next.clone().unwrap();
        let second = store.search_runs(&search).await.unwrap();
        assert_eq!((first.runs.len(), second.runs.len(), second.next), (3, 1, None));
    }
}

#[tokio::test]
async fn deleted_things_are_shown_when_asked_for_and_come_back() {
    let (_dir, store) = store().await;
    let made = store.create_experiment("e", None, &[Pair::new("a", "b")]).await.unwrap();
    assert!(matches!(store.create_experiment("e", None, &[]).await, Err(Error::Conflict(_))));
    assert_eq!(store.ensure_experiment("e").await.unwrap(), made);
    let id = open(&store, made, "r", 1).await;
    store.set_run_deleted(&id, Deletion::Delete, &admin()).await.unwrap();
    let refused = store.log_batch(batch(&id, vec![])).await.unwrap_err().to_string();
    assert!(refused.contains("must be in the 'active' state"), "{refused}");
    store.set_run_deleted(&id, Deletion::Restore, &admin()).await.unwrap();
    store.log_batch(batch(&id, vec![])).await.unwrap();
    store.set_experiment_deleted(made, Deletion::Delete, &admin()).await.unwrap();
    assert!(store.log_batch(batch(&id, vec![])).await.is_err());
    assert!(
        matches!(store.create_experiment("e", None, &[]).await, Err(Error::Conflict(_))),
        "the name stays taken"
    );
    let listed = async |view| store.search_experiments((&[], &[]), view, (0, 10)).await.unwrap().len();
    assert_eq!((listed(ViewType::ActiveOnly).await, listed(ViewType::All).await), (1, 2));
    store.set_experiment_deleted(made, Deletion::Restore, &admin()).await.unwrap();
    assert_eq!(store.experiment(made).await.unwrap().tags, [Pair::new("a", "b")]);
    store.set_experiment_tag(made, "a", "c").await.unwrap();
    store.delete_experiment_tag(made, "a").await.unwrap();
    assert!(matches!(store.delete_experiment_tag(made, "a").await, Err(Error::Absent(_))));
    store.delete_run_tag(&id, "team").await.unwrap();
    assert!(matches!(store.delete_run_tag(&id, "team").await, Err(Error::Absent(_))));
    let actions: Vec<String> = store.ledger(0, 100).await.unwrap().into_iter().map(|e| e.action).collect();
    assert_eq!(actions, ["delete run", "restore run", "delete experiment", "restore experiment"]);
}

#[tokio::test]
async fn datasets_and_models_belong_to_their_run() {
    let (_dir, store) = store().await;
    let id = open(&store, 0, "r", 1).await;
    let dataset = Dataset {
        name: "iris".into(),
        digest: "abc".into(),
        source_type: "local".into(),
        source: "{}".into(),
        schema: None,
        profile: None,
    };
    let input = DatasetInput { tags: vec![Pair::new("mlflow.data.context", "train")], dataset };
    for _ in 0..2 {
        store.log_inputs(&id, std::slice::from_ref(&input), &[]).await.unwrap();
    }
    store.log_outputs(&id, &[ModelOutput { model_id: "m-1".into(), step: 2 }]).await.unwrap();
    let run = store.run(&id).await.unwrap();
    assert_eq!((run.inputs.dataset_inputs, run.outputs.model_outputs.len()), (vec![input], 1));
    assert_eq!(found(&store, "dataset.name = 'iris' AND datasets.context IN ('train')", &[]).await, ["r"]);
    assert_eq!(found(&store, "dataset.digest LIKE 'x%'", &[]).await, Vec::<String>::new());
    let summary = store.dataset_summaries(&[0]).await.unwrap();
    assert_eq!(summary[0].context.as_deref(), Some("train"));
}
