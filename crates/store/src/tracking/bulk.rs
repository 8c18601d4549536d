//! Many rows by few statements: rows go in groups of a power of two, so that a handful of prepared statements serves every number.

use crate::error::Result;
use sqlx::sqlite::SqliteConnection;

/// The most rows of a statement.
const ROWS: usize = 256;

/// A value of a row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell<'a> {
    /// A whole number.
    Int(i64),
    /// A number; one that is none is null.
    Real(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

/// `{insert} VALUES (…), (…) {conflict}`, as often as it takes. Every row has `columns` cells.
pub(super) async fn insert<'a>(
    conn: &mut SqliteConnection,
    (insert, conflict): (&str, &str),
    columns: usize,
    cells: &[Cell<'a>],
) -> Result<()> {
    let mut rest = cells;
    while !rest.is_empty() {
        let rows = (rest.len() / columns).min(ROWS);
        let rows = if rows.is_power_of_two() { rows } else { rows.next_power_of_two() / 2 };
        let (now, later) = rest.split_at(rows * columns);
        let mut query = sqlx::query(sqlx::AssertSqlSafe(statement(insert, conflict, columns, rows)));
        for cell in now {
            query = match cell {
                Cell::Int(value) => query.bind(*value),
                Cell::Real(value) => query.bind(Some(*value).filter(|v| !v.is_nan())),
                Cell::Text(value) => query.bind((*value).to_owned()),
                Cell::Blob(value) => query.bind(value.to_vec()),
            };
        }
        query.execute(&mut *conn).await?;
        rest = later;
    }
    Ok(())
}

fn statement(insert: &str, conflict: &str, columns: usize, rows: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    let mut sql = String::with_capacity(insert.len() + conflict.len() + rows * (row.len() + 1) + 16);
    sql.push_str(insert);
    sql.push_str(" VALUES ");
    for at in 0..rows {
        if at > 0 {
            sql.push(',');
        }
        sql.push_str(&row);
    }
    sql.push(' ');
    sql.push_str(conflict);
    sql
}
