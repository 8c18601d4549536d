//! The log over a real store.

use super::*;
use domain::Span;
use std::time::Duration;

fn config(flush_every: Duration) -> RequestLogConfig {
    RequestLogConfig { queue_rows: 1000, batch_rows: 100, flush_every: Span(flush_every) }
}

fn limits() -> SegmentConfig {
    SegmentConfig {
        rows: 10_000,
        max_bytes: 1 << 30,
        query_time: Span(Duration::from_secs(5)),
        query_rows: 1000,
    }
}

fn row(endpoint: &'static str, status: u16) -> RequestRow {
    RequestRow {
        time: Timestamp::now(),
        method: "POST".into(),
        path: "/endpoints/x/score".into(),
        endpoint: endpoint.into(),
        status,
        total_us: 1500,
        rows: 1,
        ..RequestRow::default()
    }
}

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn what_was_logged_is_there_after_a_flush() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    let log = RequestLog::start(&store, &config(LONG), &limits()).unwrap();
    for n in 0..250 {
        log.log(row(if n % 2 == 0 { "even" } else { "odd" }, 200));
    }
    log.flush().await;
    let newest = log.query(&LogFilter { limit: 10, ..LogFilter::default() }).await.unwrap();
    assert_eq!(newest.len(), 10);
    assert!(newest.is_sorted_by_key(|r| r.cursor));
    let odd = LogFilter { endpoint: Some("odd".to_owned()), limit: 1000, ..LogFilter::default() };
    assert_eq!(log.query(&odd).await.unwrap().len(), 125);

    let after = newest[9].cursor;
    log.log(row("even", 401));
    log.flush().await;
    let further =
        log.query(&LogFilter { after: Some(after), limit: 10, ..LogFilter::default() }).await.unwrap();
    assert_eq!(further.iter().map(|r| r.response_code).collect::<Vec<_>>(), [401]);
    assert_eq!(further[0].total_duration_ms, 1.5);
    let json = serde_json::to_value(&further[0]).unwrap();
    assert_eq!(json["EndpointName"], "even");
    assert_eq!(json["ModelVersion"], serde_json::Value::Null);

    let answer = log.sql("SELECT EndpointName, count(*) FROM requests GROUP BY 1 ORDER BY 1").await.unwrap();
    assert_eq!(
        answer.rows,
        [[serde_json::json!("even"), 126.into()], [serde_json::json!("odd"), 125.into()]]
    );
    assert_eq!((log.counters().written(), log.counters().dropped()), (251, 0));
    log.close().await;
    store.close().await;
}

#[tokio::test]
async fn the_json_has_the_columns_of_the_view() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    let log = RequestLog::start(&store, &config(LONG), &limits()).unwrap();
    log.log(row("a", 200));
    log.flush().await;
    let view = log.sql("SELECT * FROM requests").await.unwrap();
    let shown =
        serde_json::to_value(&log.query(&LogFilter { limit: 1, ..LogFilter::default() }).await.unwrap()[0])
            .unwrap();
    for (name, value) in view.columns.iter().zip(&view.rows[0]) {
        // Never anything but 0: the log has no such delay, the view has it for the sake of old queries.
        if name != "ResponseThrottlingDelayMs" {
            let (text, number) = (value.as_str(), value.as_f64());
            assert_eq!((shown[name].as_str(), shown[name].as_f64()), (text, number), "{name}");
        }
    }
    assert_eq!(shown.as_object().unwrap().len(), view.columns.len());
    log.close().await;
    store.close().await;
}

#[tokio::test]
async fn a_full_queue_drops_and_counts_and_closing_writes_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    let config = RequestLogConfig { queue_rows: 10, batch_rows: 100, flush_every: Span(LONG) };
    let log = RequestLog::start(&store, &config, &limits()).unwrap();
    // One thread and no await between: the writer has no chance to take any.
    for _ in 0..15 {
        log.log(row("a", 200));
    }
    log.close().await;
    assert_eq!((log.counters().written(), log.counters().dropped()), (10, 5));
    log.log(row("a", 200));
    assert_eq!(log.counters().dropped(), 6);
    log.flush().await;
    log.close().await;

    let again = RequestLog::start(&store, &config, &limits()).unwrap();
    assert_eq!(again.query(&LogFilter { limit: 100, ..LogFilter::default() }).await.unwrap().len(), 10);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_many_threads_are_written_without_being_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    let roomy = RequestLogConfig { queue_rows: 100_000, ..config(Duration::from_millis(1)) };
    let log = RequestLog::start(&store, &roomy, &limits()).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let log = log.clone();
            std::thread::spawn(move || (0..500).for_each(|_| log.log(row("a", 200))))
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    while log.counters().written() + log.counters().dropped() < 2000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(log.counters().dropped(), 0);
    log.close().await;
    store.close().await;
}
