//! From a data asset to automl's table, and between the words of both.

use automl::{Column, Kind, Table, Values};
use data::Frame;
use domain::{ColumnType, Task};

/// The table that automl reads: the same columns in the same order, nothing copied.
pub fn table(frame: Frame) -> Table {
    let columns = frame
        .columns
        .into_iter()
        .map(|column| Column { name: column.name, kind: kind(column.kind), values: values(column.values) })
        .collect();
    Table { columns }
}

fn values(values: data::Values) -> Values {
    match values {
        data::Values::Numbers(numbers) => Values::Numbers(numbers),
        data::Values::Texts { codes, levels } => Values::Texts { codes, levels },
    }
}

/// A column's type in automl's words.
pub const fn kind(kind: ColumnType) -> Kind {
    match kind {
        ColumnType::Boolean => Kind::Boolean,
        ColumnType::Integer => Kind::Integer,
        ColumnType::Float => Kind::Float,
        ColumnType::Category => Kind::Category,
        ColumnType::Text => Kind::Text,
        ColumnType::Timestamp => Kind::Timestamp,
    }
}

/// A task in automl's words.
pub const fn search_task(task: Task) -> automl::Task {
    match task {
        Task::Binary => automl::Task::Binary,
        Task::Multiclass => automl::Task::Multiclass,
        Task::Regression => automl::Task::Regression,
    }
}
