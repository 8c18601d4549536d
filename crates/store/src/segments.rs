//! The request log: one row a scoring call, in SQLite files of their own (`DIR/requests/NNNNNN.db`), newest last.
//!
//! They stand apart from the metadata because they promise less and take more: rows come in batches at the speed of scoring,
//! a crash of the machine may lose the last moments (synchronous=NORMAL), the oldest file is dropped when the space is used
//! up. What many calls have in common is kept once a segment (see `kinds.rs`).

mod columns;
mod kinds;
mod reader;
mod row;
mod sql;
mod text;
mod writer;

pub use reader::{LoggedRow, Order, RequestFilter, Segments};
pub use row::RequestRow;
pub use sql::SqlAnswer;
pub use text::Text;
pub use writer::SegmentWriter;

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// The folder of segments within the data directory.
pub(crate) const FOLDER: &str = "requests";
/// Segments kept at most: a query attaches them all, and SQLite attaches ten databases at most.
pub const SEGMENTS_MAX: usize = 10;

/// A segment's number and file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Segment {
    number: u32,
    path: PathBuf,
}

/// The segments of a folder, oldest first.
fn list(folder: &Path) -> Result<Vec<Segment>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let path = entry.map_err(|e| Error::io(folder, e))?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".db"))
            .and_then(|stem| stem.parse().ok());
        if let Some(number) = number {
            found.push(Segment { number, path });
        }
    }
    found.sort_by_key(|s| s.number);
    Ok(found)
}

/// The file of a segment's number.
fn file(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:06}.db"))
}

/// A file with the endings SQLite gives the files beside it.
fn with_sidecars(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SegmentConfig;
    use domain::{ErrorCode, Timestamp};
    use serde_json::json;
    use std::sync::Arc;
    use tempfile::TempDir;

    const T0: i64 = 1_700_000_000_000_000;

    fn limits(rows: u64) -> SegmentConfig {
        SegmentConfig { rows, max_bytes: 1 << 30, query_time: "10s".parse().unwrap(), query_rows: 100 }
    }

    fn row(number: i64) -> RequestRow {
        let endpoint: Arc<str> = Arc::from(if number % 2 == 0 { "credit" } else { "bank" });
        RequestRow {
            time: Timestamp(T0 + number * 1_000_000),
            operation: "score".into(),
            method: "POST".into(),
            path: format!("/endpoints/{endpoint}/score").into(),
            protocol: "HTTP/1.1".into(),
            endpoint: endpoint.into(),
            deployment: "blue".into(),
            auth_type: "Key".into(),
            status: if number % 3 == 0 { 422 } else { 200 },
            reason: "ok".into(),
            model_status: if number % 3 == 0 { 0 } else { 200 },
            request_bytes: 445,
            response_bytes: 61,
            user_agent: "python-requests/2.32".into(),
            request_id: format!("{number:032x}").into(),
            total_us: 1_234,
            model_us: 17,
            model_name: "credit".into(),
            model_version: 3,
            rows: 1,
            ..RequestRow::default()
        }
    }

    fn rows(numbers: std::ops::Range<i64>) -> Vec<RequestRow> {
        numbers.map(row).collect()
    }

    async fn written(limits: &SegmentConfig, count: i64) -> (TempDir, Segments) {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = SegmentWriter::open(dir.path(), limits).await.unwrap();
        for start in (0..count).step_by(150) {
            writer.append(&rows(start..count.min(start + 150))).await.unwrap();
        }
        let segments = Segments::new(dir.path(), limits);
        (dir, segments)
    }

    fn filter(limit: u32) -> RequestFilter {
        RequestFilter { limit, ..RequestFilter::default() }
    }

    #[tokio::test]
    async fn rows_come_back_as_they_were_over_segments() {
        let (dir, segments) = written(&limits(300), 1000).await;
        assert_eq!(list(&dir.path().join(FOLDER)).unwrap().len(), 4);
        let all = segments.query(&RequestFilter { order: Order::Oldest, ..filter(10_000) }).await.unwrap();
        assert_eq!(all.iter().map(|r| r.row.clone()).collect::<Vec<_>>(), rows(0..1000));
        assert!(all.windows(2).all(|pair| pair[0].id < pair[1].id));
        let newest = segments.query(&filter(400)).await.unwrap();
        let backward: Vec<_> = all.iter().rev().take(400).cloned().collect();
        assert_eq!(newest, backward);
    }

    #[tokio::test]
    async fn filters_by_endpoint_time_and_position() {
        let (_dir, segments) = written(&limits(300), 1000).await;
        let since = Some(Timestamp(T0 + 990_000_000));
        let late = segments.query(&RequestFilter { since, ..filter(100) }).await.unwrap();
        assert_eq!(late.len(), 10);
        let endpoint = Some("bank".to_owned());
        let bank = segments.query(&RequestFilter { since, endpoint, ..filter(100) }).await.unwrap();
        assert_eq!(bank.len(), 5);
        let none = RequestFilter { endpoint: Some("absent".to_owned()), ..filter(5) };
        assert_eq!(segments.query(&none).await.unwrap(), []);
        let mut seen = 0;
        let mut after = None;
        loop {
            let page = RequestFilter { after, order: Order::Oldest, ..filter(128) };
            let page = segments.query(&page).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            seen += page.len();
        }
        assert_eq!(seen, 1000);
    }

    #[tokio::test]
    async fn a_reopened_log_goes_on_in_the_same_segment() {
        let (dir, segments) = written(&limits(1_000_000), 10).await;
        let mut writer = SegmentWriter::open(dir.path(), &limits(1_000_000)).await.unwrap();
        writer.append(&rows(10..20)).await.unwrap();
        writer.close().await.unwrap();
        assert_eq!(list(&dir.path().join(FOLDER)).unwrap().len(), 1);
        let all = segments.query(&RequestFilter { order: Order::Oldest, ..filter(100) }).await.unwrap();
        assert_eq!(all.into_iter().map(|r| r.row).collect::<Vec<_>>(), rows(0..20));
    }

    #[tokio::test]
    async fn the_oldest_segments_are_dropped_beyond_the_limits() {
        let (dir, segments) = written(&limits(150), 3000).await;
        let kept = list(&dir.path().join(FOLDER)).unwrap();
        assert_eq!((kept.len(), kept[0].number, kept[9].number), (SEGMENTS_MAX, 12, 21));
        assert_eq!(segments.query(&filter(10_000)).await.unwrap().len(), 9 * 150);
        let small = SegmentConfig { max_bytes: 500_000, ..limits(1_000_000) };
        let (dir, segments) = written(&small, 10_000).await;
        let kept = list(&dir.path().join(FOLDER)).unwrap();
        let bytes: u64 = kept
            .iter()
            .flat_map(|s| with_sidecars(&s.path))
            .filter_map(|p| p.metadata().ok())
            .map(|m| m.len())
            .sum();
        assert!(
            kept.len() > 2 && kept[0].number > 1 && bytes < 700_000,
            "{} segments, {bytes} bytes",
            kept.len()
        );
        assert_eq!(segments.query(&filter(1)).await.unwrap()[0].row, row(9_999));
    }

    #[tokio::test]
    async fn a_damaged_segment_is_left_and_a_new_one_begun() {
        let (dir, segments) = written(&limits(100), 10).await;
        let first = list(&dir.path().join(FOLDER)).unwrap().remove(0);
        for path in with_sidecars(&first.path) {
            std::fs::remove_file(path).ok();
        }
        std::fs::write(
            &first.path,
            b"this is no database, and longer than a header of one hundred bytes or so: ".repeat(9),
        )
        .unwrap();
        let mut writer = SegmentWriter::open(dir.path(), &limits(100)).await.unwrap();
        writer.append(&rows(0..3)).await.unwrap();
        assert_eq!(segments.query(&filter(2)).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn sql_sees_all_segments_under_the_logs_names() {
        let (_dir, segments) = written(&limits(300), 1000).await;
        let query = "SELECT EndpointName, count(*) AS calls, sum(Rows), max(TimeGenerated), avg(TotalDurationMs), \
                     max(ModelStatusCode), sum(ModelStatusCode IS NULL), max(IdentityData), max(ResponseThrottlingDelayMs) \
                     FROM requests WHERE Method = 'POST' GROUP BY EndpointName ORDER BY 1";
        let answer = segments.sql(query).await.unwrap();
        assert_eq!((answer.columns[0].as_str(), answer.columns[1].as_str()), ("EndpointName", "calls"));
        assert_eq!(
            answer.rows[0][..4],
            [json!("bank"), json!(500), json!(500), json!("2023-11-14T22:29:59.000000Z")]
        );
        assert_eq!(answer.rows[1][4..], [json!(1.234), json!(200), json!(167), json!(null), json!(0.0)]);
        let all =
            segments.sql("with r as (select * from requests) select * from r; -- the end").await.unwrap();
        assert_eq!((all.columns.len(), all.rows.len(), all.truncated), (31, 100, true));
        for column in columns::shown_names() {
            assert!(all.columns.iter().any(|c| c == column), "{column}");
        }
    }

    #[tokio::test]
    async fn sql_without_a_row_has_its_columns() {
        let dir = tempfile::tempdir().unwrap();
        let answer =
            Segments::new(dir.path(), &limits(9)).sql("SELECT Path, Rows FROM requests").await.unwrap();
        assert_eq!((answer.columns.len(), answer.rows.len(), answer.truncated), (2, 0, false));
    }

    #[tokio::test]
    async fn sql_that_is_no_single_query_is_refused() {
        let (dir, segments) = written(&limits(300), 10).await;
        let outside = dir.path().join("outside.db");
        for sql in [
            "DELETE FROM requests".to_owned(),
            "PRAGMA query_only = OFF".to_owned(),
            "SELECT 1; SELECT 2".to_owned(),
            "SELECT 1; /* ; */ ATTACH 'x' AS y".to_owned(),
            format!("ATTACH '{}' AS out", outside.display()),
            format!("/* SELECT */ VACUUM INTO '{}'", outside.display()),
            "WITH r AS (SELECT 1) DELETE FROM s000001.log".to_owned(),
            "WITH r AS (SELECT 1) INSERT INTO s000001.kinds (id) VALUES (99)".to_owned(),
            "SELECT zeroblob(1000000000)".to_owned(),
            "SELECT 'open".to_owned(),
            "SELECT nothing FROM requests".to_owned(),
            "EXPLAIN SELECT 1".to_owned(),
            String::new(),
            ";".to_owned(),
        ] {
            let error = segments.sql(&sql).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidInput, "{sql}: {error}");
        }
        assert!(!outside.exists());
        assert_eq!(segments.query(&filter(100)).await.unwrap().len(), 10);
        for fine in
            ["SELECT ';' AS \"a;b\", 'it''s'; ", "/* why */ select 1 -- ; x", "SELECT [Rows] FROM requests"]
        {
            segments.sql(fine).await.unwrap();
        }
    }

    #[tokio::test]
    async fn sql_that_never_ends_is_stopped() {
        let limits = SegmentConfig { query_time: "50ms".parse().unwrap(), ..limits(300) };
        let (_dir, segments) = written(&limits, 10).await;
        let endless =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        let error = segments.sql(endless).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the query took longer than 50ms: narrow it or raise store.segments.query_time"
        );
        let flood = endless.replace("count(*)", "i");
        assert!(segments.sql(&flood).await.unwrap().truncated);
    }

    #[tokio::test]
    async fn long_and_many_different_texts_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = SegmentWriter::open(dir.path(), &limits(1_000_000)).await.unwrap();
        let long: RequestRow = RequestRow { path: "x".repeat(5000).into(), ..row(0) };
        let many: Vec<RequestRow> =
            (0..20_000).map(|i| RequestRow { path: format!("/scan/{i}").into(), ..row(0) }).collect();
        writer.append(&many).await.unwrap();
        writer.append(std::slice::from_ref(&long)).await.unwrap();
        let segments = Segments::new(dir.path(), &limits(9));
        assert_eq!(segments.query(&filter(1)).await.unwrap()[0].row, long);
        let answer = segments.sql("SELECT count(DISTINCT Path) FROM requests").await.unwrap();
        assert_eq!(answer.rows, [[json!(20_001)]]);
    }

    #[tokio::test]
    async fn a_failed_append_leaves_no_row_and_the_next_goes_on() {
        let (_dir, segments) = written(&limits(1_000_000), 0).await;
        let mut writer = SegmentWriter::open(_dir.path(), &limits(1_000_000)).await.unwrap();
        writer.append(&rows(0..1)).await.unwrap();
        writer.cap_pages(10).await;
        let many: Vec<RequestRow> =
            (0..5_000).map(|i| RequestRow { path: format!("/new/{i}").into(), ..row(i) }).collect();
        assert_eq!(writer.append(&many).await.unwrap_err().code(), ErrorCode::StorageFull);
        assert_eq!(segments.query(&filter(10_000)).await.unwrap().len(), 1);
        writer.append(&many).await.unwrap();
        let found = segments.query(&filter(10_000)).await.unwrap();
        assert_eq!((found.len(), &found[0].row), (5_001, &many[4_999]));
    }
}
