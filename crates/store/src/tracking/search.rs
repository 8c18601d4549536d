//! Searches of runs and experiments: clauses become conditions on indexed tables, values are always bound.

use crate::db::Store;
use crate::error::{Error, Result};
use crate::records::{Record, to_json};
use domain::filter::{Clause, Comparator, Entity, Identifier, Operand, Order};
use domain::tracking::{PARENT_RUN, ViewType};
use sqlx::Row;
use sqlx::sqlite::SqliteArguments;

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Page {
    /// At the first.
    #[default]
    First,
    /// After so many.
    Skip(u64),
    /// After the run of this start time and id: only in the order that needs none to be named.
    After(i64, String),
}

/// What runs are asked for.
#[derive(Debug, Clone, Default)]
pub struct RunSearch {
    /// The experiments.
    pub experiments: Vec<i64>,
    /// Conditions, all of which hold.
    pub clauses: Vec<Clause>,
    /// The order; newest first when empty.
    pub orders: Vec<Order>,
    /// Deleted ones or not.
    pub view: ViewType,
    /// Where the page begins.
    pub page: Page,
    /// How many at most.
    pub limit: u64,
}

/// A page of runs by their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The numbers, in order.
    pub runs: Vec<i64>,
    /// Where the next page begins; none at the end.
    pub next: Option<Page>,
}

/// A value to bind.
#[derive(Debug, Clone)]
pub(super) enum Bind {
    Int(i64),
    Real(f64),
    Text(String),
}

/// A statement in the making.
#[derive(Debug, Default)]
pub(super) struct Sql {
    pub joins: String,
    pub conditions: Vec<String>,
    pub orders: Vec<String>,
    pub binds: Vec<Bind>,
}

impl Sql {
    /// Binds a value; gives its placeholder.
    pub(super) fn bind(&mut self, value: Bind) -> String {
        self.binds.push(value);
        format!("?{}", self.binds.len())
    }

    /// The placeholder of a text.
    pub(super) fn text(&mut self, text: &str) -> String {
        self.bind(Bind::Text(text.to_owned()))
    }

    /// `column OP operand`.
    pub(super) fn compare(&mut self, column: &str, clause: &Clause) -> Result<String> {
        let operator = match clause.comparator {
            Comparator::Like => {
                return Ok(format!("{column} GLOB {}", self.text(&glob(text(&clause.operand)?))));
            }
            Comparator::Ilike => return Ok(format!("{column} LIKE {}", self.text(text(&clause.operand)?))),
            other => other.as_str(),
        };
        match &clause.operand {
            Operand::Number(number) => {
                let place = self.bind(Bind::Real(*number));
                Ok(format!("{column} {operator} {place}"))
            }
            Operand::Text(text) => Ok(format!("{column} {operator} {}", self.text(text))),
            Operand::List(list) => {
                let place = self.text(&to_json(list)?);
                Ok(format!("{column} {operator} (SELECT value FROM json_each({place}))"))
            }
            Operand::None => Ok(format!("{column} {operator}")),
        }
    }

    /// The arguments of a query.
    pub(super) fn arguments(self) -> Result<SqliteArguments> {
        use sqlx::Arguments;
        let mut arguments = SqliteArguments::default();
        for bind in self.binds {
            let added = match bind {
                Bind::Int(value) => arguments.add(value),
                Bind::Real(value) => arguments.add(value),
                Bind::Text(value) => arguments.add(value),
            };
            added.map_err(|e| Error::Invalid(format!("a value cannot be bound: {e}")))?;
        }
        Ok(arguments)
    }
}

fn text(operand: &Operand) -> Result<&str> {
    match operand {
        Operand::Text(text) => Ok(text),
        _ => Err(Error::Invalid("LIKE compares with a text".to_owned())),
    }
}

/// A pattern of LIKE as one of GLOB, which heeds case.
fn glob(like: &str) -> String {
    let mut out = String::with_capacity(like.len());
    for c in like.chars() {
        match c {
            '%' => out.push('*'),
            '_' => out.push('?'),
            '*' => out.push_str("[*]"),
            '?' => out.push_str("[?]"),
            '[' => out.push_str("[[]"),
            c => out.push(c),
        }
    }
    out
}

/// The condition of what was deleted.
pub(super) fn stage(column: &str, view: ViewType) -> Option<String> {
    match view {
        ViewType::ActiveOnly => Some(format!("{column} = 0")),
        ViewType::DeletedOnly => Some(format!("{column} = 1")),
        ViewType::All => None,
    }
}

/// The column of an attribute of runs.
fn column(key: &str) -> Result<&'static str> {
    Ok(match key {
        "run_id" => "r.id",
        "run_name" => "r.name",
        "experiment_id" => "CAST(r.experiment AS TEXT)",
        "user_id" => "r.user_id",
        "status" => "r.status",
        "artifact_uri" => "r.artifact_uri",
        "start_time" => "r.start_time",
        "end_time" => "r.end_time",
        other => return Err(Error::Invalid(format!("runs have no attribute '{other}'"))),
    })
}

/// The condition of a clause on runs.
fn condition(sql: &mut Sql, clause: &Clause) -> Result<String> {
    let key = clause.identifier.key.as_str();
    match clause.identifier.entity {
        Entity::Attribute => sql.compare(column(key)?, clause),
        Entity::Metric => {
            let place = sql.text(key);
            let mut compared = sql.compare("m.value", clause)?;
            // What is no number differs from every number.
            if clause.comparator == Comparator::NotEqual {
                compared = format!("({compared} OR m.value IS NULL)");
            }
            Ok(format!(
                "EXISTS (SELECT 1 FROM run_metrics m WHERE m.run = r.run AND m.key = {place} AND {compared})"
            ))
        }
        Entity::Param => pair(sql, "run_params", clause),
        Entity::Tag if key == PARENT_RUN && clause.comparator == Comparator::Equal => {
            let compared = sql.compare("p.value", clause)?;
            Ok(format!("r.run IN (SELECT p.run FROM run_tags p WHERE p.key = '{PARENT_RUN}' AND {compared})"))
        }
        Entity::Tag => pair(sql, "run_tags", clause),
        Entity::Dataset => {
            let compared = match key {
                "name" => sql.compare("d.name", clause)?,
                "digest" => sql.compare("d.digest", clause)?,
                _ => sql.compare("i.context", clause)?,
            };
            Ok(format!(
                "EXISTS (SELECT 1 FROM run_datasets i JOIN datasets d ON d.dataset = i.dataset WHERE i.run = r.run AND {compared})"
            ))
        }
    }
}

/// The condition of a parameter or a tag: whoever has it not matches nothing but IS NULL.
fn pair(sql: &mut Sql, table: &str, clause: &Clause) -> Result<String> {
    let place = sql.text(&clause.identifier.key);
    let exists = |rest: &str| {
        format!("EXISTS (SELECT 1 FROM {table} p WHERE p.run = r.run AND p.key = {place}{rest})")
    };
    match clause.comparator {
        Comparator::IsNull => Ok(format!("NOT {}", exists(""))),
        Comparator::IsNotNull => Ok(exists("")),
        _ => {
            let compared = sql.compare("p.value", clause)?;
            Ok(exists(&format!(" AND {compared}")))
        }
    }
}

/// A key of the order; what lacks it comes last, either way.
fn order(sql: &mut Sql, order: &Order, number: usize) -> Result<()> {
    let direction = if order.ascending { "" } else { " DESC" };
    let Identifier { entity, key } = &order.identifier;
    let table = match entity {
        Entity::Attribute => {
            let column = column(key)?;
            if key == "end_time" {
                sql.orders.push(format!("{column} IS NULL"));
            }
            sql.orders.push(format!("{column}{direction}"));
            return Ok(());
        }
        Entity::Metric => "run_metrics",
        Entity::Param => "run_params",
        Entity::Tag => "run_tags",
        Entity::Dataset => return Err(Error::Invalid("runs are not ordered by datasets".to_owned())),
    };
    let place = sql.text(key);
    let alias = format!("o{number}");
    sql.joins
        .push_str(&format!(" LEFT JOIN {table} {alias} ON {alias}.run = r.run AND {alias}.key = {place}"));
    // A metric that is no number comes after those that are, before those without it.
    sql.orders.push(format!("{alias}.run IS NULL, {alias}.value IS NULL"));
    sql.orders.push(format!("{alias}.value{direction}"));
    Ok(())
}

/// The whole statement: the numbers of a page and one more.
fn compile(search: &RunSearch) -> Result<(String, Sql)> {
    let mut sql = Sql::default();
    let which = match search.experiments.as_slice() {
        [one] => format!("r.experiment = {}", sql.bind(Bind::Int(*one))),
        many => format!("r.experiment IN (SELECT value FROM json_each({}))", sql.text(&to_json(&many)?)),
    };
    sql.conditions.push(which);
    sql.conditions.extend(stage("r.deleted", search.view));
    for clause in &search.clauses {
        let condition = condition(&mut sql, clause)?;
        sql.conditions.push(condition);
    }
    for (number, by) in search.orders.iter().enumerate() {
        order(&mut sql, by, number)?;
    }
    let by_start = |o: &Order| o.identifier.entity == Entity::Attribute && o.identifier.key == "start_time";
    if !search.orders.iter().any(by_start) {
        sql.orders.push("r.start_time DESC".to_owned());
    }
    sql.orders.push("r.id".to_owned());
    if let Page::After(start, id) = &search.page {
        let (start, id) = (sql.bind(Bind::Int(*start)), sql.text(id));
        sql.conditions.push(format!("(r.start_time < {start} OR r.start_time = {start} AND r.id > {id})"));
    }
    let skip = if let Page::Skip(skip) = search.page { skip } else { 0 };
    let limit = sql.bind(Bind::Int(i64::try_from(search.limit).unwrap_or(i64::MAX).saturating_add(1)));
    let skip = sql.bind(Bind::Int(i64::try_from(skip).unwrap_or(i64::MAX)));
    // One row for the whole page: a row costs more than a number.
    let text = format!(
        "SELECT group_concat(run) AS runs FROM (SELECT r.run AS run FROM runs r{} WHERE {} ORDER BY {} LIMIT {limit} OFFSET {skip})",
        sql.joins,
        sql.conditions.join(" AND "),
        sql.orders.join(", ")
    );
    Ok((text, sql))
}

impl Store {
    /// A page of the runs that are asked for.
    pub async fn search_runs(&self, search: &RunSearch) -> Result<Found> {
        if search.experiments.is_empty() || search.limit == 0 {
            return Ok(Found { runs: Vec::new(), next: None });
        }
        let (text, sql) = compile(search)?;
        let row =
            sqlx::query_with(sqlx::AssertSqlSafe(text), sql.arguments()?).fetch_one(self.reader()).await?;
        let listed: Option<String> = row.try_get("runs")?;
        let parse = |run: &str| run.parse().map_err(|e| Error::corrupt("run", e));
        let mut runs: Vec<i64> =
            listed.iter().flat_map(|runs| runs.split(',')).map(parse).collect::<Result<_>>()?;
        let more = runs.len() as u64 > search.limit;
        if !more {
            return Ok(Found { runs, next: None });
        }
        runs.pop();
        let next = match (&search.page, search.orders.is_empty()) {
            (_, true) => self.after(&runs).await?,
            (Page::Skip(skip), false) => Page::Skip(skip.saturating_add(search.limit)),
            (_, false) => Page::Skip(search.limit),
        };
        Ok(Found { runs, next: Some(next) })
    }

    /// The place after the last of these runs.
    async fn after(&self, runs: &[i64]) -> Result<Page> {
        let row = sqlx::query("SELECT start_time, id FROM runs WHERE run = $1")
            .bind(runs.last())
            .fetch_one(self.reader())
            .await?;
        Ok(Page::After(row.int("start_time")?, row.text("id")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_keeps_its_meaning() {
        assert_eq!(glob("a%b_c*[x]?"), "a*b?c[*][[]x][?]");
    }
}
