//! The columns of a segment, stored and shown; the SQL that follows from them.
//!
//! A row is two records: what differs from call to call (`log`), and what many calls have in common (`kinds`: names, texts,
//! statuses), which is kept once and referred to by number. That is a third of the work and a quarter of the space.

/// Where a column is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// With what many calls have in common.
    Kind,
    /// With the call.
    Log,
}

/// How the view `requests` shows a stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// µs since 1970, shown as RFC 3339 text with six decimals.
    Time,
    /// As it is stored.
    Plain,
    /// µs, shown as ms with decimals.
    Micros,
}

use Place::{Kind, Log};
use Shape::{Micros, Plain, Time};

/// A stored column, the view's name for it (those of the Azure log `AmlOnlineEndpointTrafficLog`, then ours), place and shape.
type Spec = (&'static str, &'static str, Place, Shape);

/// All columns, in the order in which the view shows them; within a place also the order in which they are bound.
pub(super) const COLUMNS: [Spec; 30] = [
    ("time", "TimeGenerated", Log, Time),
    ("operation", "OperationName", Kind, Plain),
    ("method", "Method", Kind, Plain),
    ("path", "Path", Kind, Plain),
    ("protocol", "Protocol", Kind, Plain),
    ("endpoint", "EndpointName", Kind, Plain),
    ("deployment", "DeploymentName", Kind, Plain),
    ("auth_type", "AuthType", Kind, Plain),
    ("identity", "IdentityData", Kind, Plain),
    ("status", "ResponseCode", Kind, Plain),
    ("reason", "ResponseCodeReason", Kind, Plain),
    ("model_status", "ModelStatusCode", Kind, Plain),
    ("model_reason", "ModelStatusReason", Kind, Plain),
    ("request_bytes", "RequestPayloadSize", Log, Plain),
    ("response_bytes", "ResponsePayloadSize", Log, Plain),
    ("user_agent", "UserAgent", Kind, Plain),
    ("request_id", "XRequestId", Log, Plain),
    ("client_request_id", "XMSClientRequestId", Log, Plain),
    ("total_us", "TotalDurationMs", Log, Micros),
    ("read_us", "RequestDurationMs", Log, Micros),
    ("response_us", "ResponseDurationMs", Log, Micros),
    ("throttle_us", "RequestThrottlingDelayMs", Log, Micros),
    ("location", "Location", Kind, Plain),
    ("model_name", "ModelName", Kind, Plain),
    ("model_version", "ModelVersion", Kind, Plain),
    ("api", "ApiPath", Kind, Plain),
    ("principal", "Principal", Kind, Plain),
    ("trace_id", "TraceId", Log, Plain),
    ("model_us", "ModelDurationMs", Log, Micros),
    ("row_count", "Rows", Log, Plain),
];

/// Values bound for a row of `log`: its columns and the number of its kind.
pub(super) const LOG_WIDTH: usize = width(Log) + 1;
/// Values bound for a row of `kinds`, without its number.
pub(super) const KIND_WIDTH: usize = width(Kind);

/// The view's last column, which no stored column stands behind: answers are never held back.
const EXTRA: (&str, &str) = ("0.0", "ResponseThrottlingDelayMs");

const fn width(place: Place) -> usize {
    let (mut at, mut found) = (0, 0);
    while at < COLUMNS.len() {
        if COLUMNS[at].2 as u8 == place as u8 {
            found += 1;
        }
        at += 1;
    }
    found
}

fn stored(place: Place) -> String {
    let names: Vec<&str> = COLUMNS.iter().filter(|c| c.2 == place).map(|c| c.0).collect();
    names.join(", ")
}

fn shown((name, shown, _, shape): &Spec) -> String {
    match shape {
        Time => format!(
            "strftime('%Y-%m-%dT%H:%M:%S', {name} / 1000000, 'unixepoch') || printf('.%06dZ', {name} % 1000000) AS {shown}"
        ),
        Plain => format!("{name} AS {shown}"),
        Micros => format!("{name} / 1000.0 AS {shown}"),
    }
}

/// A row and its kind. Why LEFT: SQLite then leaves `kinds` out of a query that asks for none of its columns.
const JOINED: &str = "log LEFT JOIN kinds ON kinds.id = log.kind";

/// Makes an empty segment: its rows, their kinds, its view.
pub(super) fn schema() -> String {
    let view: Vec<String> = COLUMNS.iter().map(shown).collect();
    format!(
        "CREATE TABLE kinds (id INTEGER PRIMARY KEY, {});\n\
         CREATE TABLE log (id INTEGER PRIMARY KEY, kind, {});\n\
         CREATE VIEW requests AS SELECT {}, {} AS {} FROM {JOINED};",
        stored(Kind),
        stored(Log),
        view.join(", "),
        EXTRA.0,
        EXTRA.1
    )
}

/// The view's column names in order.
pub(super) fn shown_names() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().map(|c| c.1).chain([EXTRA.1])
}

/// Reads rows with their kinds; the condition and order are the caller's.
pub(super) fn select() -> String {
    format!("SELECT log.id AS id, {}, {} FROM {JOINED}", stored(Kind), stored(Log))
}

/// Inserts a number of rows in one statement.
pub(super) fn insert_log(rows: usize) -> String {
    let one = format!("({})", ["?"; LOG_WIDTH].join(","));
    format!("INSERT INTO log (kind, {}) VALUES {}", stored(Log), vec![one; rows].join(","))
}

/// Inserts a kind with its number.
pub(super) fn insert_kind() -> String {
    let values = ["?"; KIND_WIDTH + 1].join(",");
    format!("INSERT INTO kinds (id, {}) VALUES ({values})", stored(Kind))
}
