//! Searches in the registry: the clauses of a filter as SQL, every value bound.

use super::{logged, models, versions};
use crate::db::Store;
use crate::error::Result;
use crate::records::to_json;
use domain::filter::{Clause, Comparator, Entity, Identifier, Operand, Order};
use domain::{LoggedModel, Model, ModelName, ModelVersion};
use sqlx::{QueryBuilder, Sqlite};

/// What to look for, in which order, and which part of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Search {
    /// Clauses that must all hold.
    pub filter: Vec<Clause>,
    /// The order; what is equal by it, and everything without it, is in the search's own.
    pub order: Vec<Order>,
    /// Only these models; all when none are named.
    pub models: Option<Vec<ModelName>>,
    /// How many to pass over.
    pub offset: u64,
    /// How many to give.
    pub limit: u32,
}

/// A dataset that metrics were computed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDataset {
    /// Its name.
    pub name: String,
    /// Its digest, if that matters.
    pub digest: Option<String>,
}

/// A search for logged models.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoggedSearch {
    /// The ids of the experiments.
    pub experiments: Vec<String>,
    /// Metrics count only when they were computed on one of these; and one must have been.
    pub datasets: Vec<OnDataset>,
    /// The order: each key with the dataset its metric is about.
    pub order: Vec<(Order, Option<OnDataset>)>,
    /// The rest; its order and models are not asked for.
    pub search: Search,
}

type Query = QueryBuilder<Sqlite>;

impl Store {
    /// A page of models; by name when nothing else orders them.
    pub async fn search_models(&self, search: &Search) -> Result<Vec<Model>> {
        let mut query = Query::new(models::models!("WHERE 1 = 1"));
        only_models(&mut query, "m.name", search)?;
        for clause in &search.filter {
            registered(&mut query, "m.tags", clause, model_column)?;
        }
        order(&mut query, &search.order, "m.tags", model_column);
        query.push("m.name");
        page(&mut query, search)?;
        let rows = query.build().fetch_all(self.reader()).await?;
        rows.iter().map(models::decode).collect()
    }

    /// A page of versions; the last changed first when nothing else orders them.
    pub async fn search_model_versions(&self, search: &Search) -> Result<Vec<ModelVersion>> {
        let mut query = Query::new(versions::versions!("WHERE 1 = 1"));
        only_models(&mut query, "v.model", search)?;
        for clause in &search.filter {
            registered(&mut query, "v.tags", clause, version_column)?;
        }
        order(&mut query, &search.order, "v.tags", version_column);
        if search.order.is_empty() {
            query.push("v.updated DESC, ");
        }
        query.push("v.model, v.version DESC");
        page(&mut query, search)?;
        let rows = query.build().fetch_all(self.reader()).await?;
        rows.iter().map(versions::decode).collect()
    }

    /// A page of logged models; the newest first when nothing else orders them.
    pub async fn search_logged_models(&self, search: &LoggedSearch) -> Result<Vec<LoggedModel>> {
        let mut query = Query::new(
            "SELECT l.* FROM logged_models l WHERE l.deleted IS NULL AND l.experiment IN (SELECT value FROM json_each(",
        );
        query.push_bind(to_json(&search.experiments)?).push("))");
        if !search.datasets.is_empty() {
            query.push(" AND EXISTS (SELECT 1 FROM logged_model_metrics x WHERE x.model_id = l.id");
            on_datasets(&mut query, &search.datasets);
            query.push(")");
        }
        for clause in &search.search.filter {
            query.push(" AND ");
            logged_expression(&mut query, &clause.identifier, &search.datasets);
            compare(&mut query, clause, false)?;
        }
        query.push(" ORDER BY ");
        for (order, dataset) in &search.order {
            logged_expression(&mut query, &order.identifier, dataset.as_slice());
            query.push(if order.ascending { " ASC NULLS LAST, " } else { " DESC NULLS LAST, " });
        }
        query.push("l.created DESC, l.id");
        page(&mut query, &search.search)?;
        let rows = query.build().fetch_all(self.reader()).await?;
        rows.iter().map(logged::decode).collect()
    }
}

fn model_column(key: &str) -> &'static str {
    match key {
        "creation_timestamp" => "m.created",
        "last_updated_timestamp" => "m.updated",
        _ => "m.name",
    }
}

fn version_column(key: &str) -> &'static str {
    match key {
        "version_number" => "v.version",
        "run_id" => "COALESCE(v.run, '')",
        "source_path" => "v.source",
        "creation_timestamp" => "v.created",
        "last_updated_timestamp" => "v.updated",
        _ => "v.model",
    }
}

fn logged_column(key: &str) -> &'static str {
    match key {
        "model_id" => "l.id",
        "model_type" => "l.kind",
        "status" => "replace(l.status, 'LOGGED_MODEL_', '')",
        "source_run_id" => "COALESCE(l.run, '')",
        "creation_timestamp" => "(l.created / 1000)",
        "last_updated_timestamp" => "(l.updated / 1000)",
        _ => "l.name",
    }
}

fn only_models(query: &mut Query, column: &str, search: &Search) -> Result<()> {
    if let Some(models) = &search.models {
        query.push(format_args!(" AND {column} IN (SELECT value FROM json_each("));
        query.push_bind(to_json(models)?).push("))");
    }
    Ok(())
}

/// A clause on a model or version. A tag that is not there is unlike every value.
fn registered(
    query: &mut Query,
    tags: &'static str,
    clause: &Clause,
    column: fn(&str) -> &'static str,
) -> Result<()> {
    query.push(" AND ");
    expression(query, tags, &clause.identifier, column);
    compare(query, clause, true)
}

fn expression(
    query: &mut Query,
    tags: &'static str,
    identifier: &Identifier,
    column: fn(&str) -> &'static str,
) {
    if identifier.entity == Entity::Tag {
        entry(query, tags, &identifier.key);
    } else {
        query.push(column(&identifier.key));
    }
}

/// The value under a key of a column that holds an object.
fn entry(query: &mut Query, column: &'static str, key: &str) {
    query.push(format_args!("(SELECT e.value FROM json_each({column}) e WHERE e.key = "));
    query.push_bind(key.to_owned()).push(")");
}

fn logged_expression(query: &mut Query, identifier: &Identifier, datasets: &[OnDataset]) {
    match identifier.entity {
        Entity::Tag => entry(query, "l.tags", &identifier.key),
        Entity::Param => entry(query, "l.params", &identifier.key),
        Entity::Metric => {
            query.push("(SELECT x.value FROM logged_model_metrics x WHERE x.model_id = l.id AND x.key = ");
            query.push_bind(identifier.key.clone());
            on_datasets(query, datasets);
            query.push(" ORDER BY x.timestamp DESC, x.step DESC LIMIT 1)");
        }
        Entity::Attribute | Entity::Dataset => {
            query.push(logged_column(&identifier.key));
        }
    }
}

fn on_datasets(query: &mut Query, datasets: &[OnDataset]) {
    if datasets.is_empty() {
        return;
    }
    query.push(" AND (");
    for (at, dataset) in datasets.iter().enumerate() {
        query.push(if at == 0 { "(x.dataset_name = " } else { " OR (x.dataset_name = " });
        query.push_bind(dataset.name.clone());
        if let Some(digest) = &dataset.digest {
            query.push(" AND x.dataset_digest = ").push_bind(digest.clone());
        }
        query.push(")");
    }
    query.push(")");
}

/// The comparator and the operand behind an expression.
fn compare(query: &mut Query, clause: &Clause, missing_differs: bool) -> Result<()> {
    let comparator = match clause.comparator {
        Comparator::Like => " GLOB ",
        Comparator::Ilike => " LIKE ",
        Comparator::NotEqual if missing_differs => " IS NOT ",
        other => {
            query.push(" ");
            query.push(other.as_str()).push(" ");
            ""
        }
    };
    query.push(comparator);
    match &clause.operand {
        Operand::None => {}
        Operand::Number(number) => {
            query.push_bind(*number);
        }
        Operand::Text(text) if clause.comparator == Comparator::Like => {
            query.push_bind(glob(text));
        }
        Operand::Text(text) => {
            let is_status =
                clause.identifier.entity == Entity::Attribute && clause.identifier.key == "status";
            let text = if is_status { text.strip_prefix("LOGGED_MODEL_").unwrap_or(text) } else { text };
            query.push_bind(text.to_owned());
        }
        Operand::List(list) => {
            query.push("(SELECT value FROM json_each(").push_bind(to_json(list)?).push("))");
        }
    }
    Ok(())
}

/// A pattern of `LIKE` for `GLOB`, which heeds the case of letters.
fn glob(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        match c {
            '%' => out.push('*'),
            '_' => out.push('?'),
            '*' | '?' | '[' => out.extend(['[', c, ']']),
            c => out.push(c),
        }
    }
    out
}

fn order(query: &mut Query, orders: &[Order], tags: &'static str, column: fn(&str) -> &'static str) {
    query.push(" ORDER BY ");
    for order in orders {
        expression(query, tags, &order.identifier, column);
        query.push(if order.ascending { " ASC, " } else { " DESC, " });
    }
}

fn page(query: &mut Query, search: &Search) -> Result<()> {
    let offset = crate::records::to_int(search.offset, "the offset")?;
    query.push(" LIMIT ").push_bind(i64::from(search.limit)).push(" OFFSET ").push_bind(offset);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{ModelChange, VersionChange};
    use crate::samples::{T0, admin, model, model_name, store};
    use domain::Version;
    use domain::filter::{LOGGED_MODELS, MODEL_VERSIONS, REGISTERED_MODELS, parse, parse_order};

    fn search(filter: &str, order: &[&str], grammar: &domain::filter::Grammar) -> Search {
        Search {
            filter: parse(filter, grammar).unwrap(),
            order: order.iter().map(|o| parse_order(o, grammar).unwrap()).collect(),
            limit: 100,
            ..Search::default()
        }
    }

    async fn filled() -> (tempfile::TempDir, Store) {
        let (dir, store) = store().await;
        for (at, name) in ["credit", "Credit_2", "bank*x", "house"].iter().enumerate() {
            let later = T0.plus_seconds(at as i64);
            for _ in 0..=at {
                store.add_model_version(model(name, None), &admin(), later).await.unwrap();
            }
        }
        let set = |key: &str, value: &str| ModelChange::Tag(key.to_owned(), value.to_owned());
        for (name, value) in [("credit", "risk"), ("house", "it's")] {
            store.change_model(&model_name(name), set("team.x", value), &admin(), T0).await.unwrap();
        }
        let best = VersionChange::Tag("best".to_owned(), "yes".to_owned());
        store.change_model_version(&model_name("house"), Version(2), best, &admin(), T0).await.unwrap();
        (dir, store)
    }

    #[tokio::test]
    async fn models_are_found_by_name_and_tag() {
        let (_dir, store) = filled().await;
        let names = async |filter: &str, order: &[&str]| {
            let found = store.search_models(&search(filter, order, &REGISTERED_MODELS)).await.unwrap();
            found.iter().map(|m| m.name.as_str().to_owned()).collect::<Vec<_>>().join(" ")
        };
        for (filter, found) in [
            ("", "Credit_2 bank*x credit house"),
            ("name = 'credit'", "credit"),
            ("name LIKE 'credit%'", "credit"),
            ("name ILIKE 'credit%'", "Credit_2 credit"),
            ("name LIKE '%[%'", ""),
            ("name != 'credit' AND name LIKE '%e%'", "Credit_2 house"),
            ("tags.`team.x` = 'risk'", "credit"),
            ("tag.`team.x` = 'it''s'", "house"),
            ("tag.`mlflow.prompt.is_prompt` != 'true' AND name = 'house'", "house"),
            ("tags.`team.x` IS NULL", "Credit_2 bank*x"),
            ("tags.absent = 'x' ", ""),
        ] {
            assert_eq!(names(filter, &[]).await, found, "{filter}");
        }
        assert_eq!(names("", &["last_updated_timestamp DESC"]).await, "house bank*x Credit_2 credit");
        let mut some = search("", &[], &REGISTERED_MODELS);
        some.models = Some(vec![model_name("house"), model_name("credit")]);
        (some.offset, some.limit) = (1, 1);
        assert_eq!(store.search_models(&some).await.unwrap()[0].name, model_name("house"));
    }

    #[tokio::test]
    async fn versions_are_found_by_what_they_are() {
        let (_dir, store) = filled().await;
        let count = async |filter: &str| {
            store.search_model_versions(&search(filter, &[], &MODEL_VERSIONS)).await.unwrap().len()
        };
        for (filter, found) in [
            ("", 10),
            ("name = 'house'", 4),
            ("name = 'house' AND version_number > 2", 2),
            ("version_number = 1", 4),
            ("name IN ('credit', 'house')", 5),
            ("tags.best = 'yes'", 1),
            ("tags.best != 'yes'", 9),
            ("run_id = 'x'", 0),
            ("source_path LIKE 'runs:%'", 0),
        ] {
            assert_eq!(count(filter).await, found, "{filter}");
        }
        let ordered = search("name = 'house'", &["version_number ASC"], &MODEL_VERSIONS);
        assert_eq!(store.search_model_versions(&ordered).await.unwrap()[0].version, Version(1));
        let first = &store.search_model_versions(&search("", &[], &MODEL_VERSIONS)).await.unwrap()[0];
        assert_eq!((first.model.as_str(), first.version), ("house", Version(4)));
    }

    #[tokio::test]
    async fn logged_models_are_found_in_their_experiments() {
        let (_dir, store) = store().await;
        for (experiment, name, depth) in [("0", "a", "1"), ("0", "b", "2"), ("1", "a", "3")] {
            let new = crate::registry::NewLoggedModel {
                experiment: experiment.to_owned(),
                name: name.to_owned(),
                kind: "sklearn".to_owned(),
                run: None,
                params: [("depth".to_owned(), depth.to_owned())].into(),
                tags: domain::Tags::new(),
            };
            store.add_logged_model(new, T0).await.unwrap();
        }
        let found = async |experiments: &[&str], filter: &str| {
            let search = LoggedSearch {
                experiments: experiments.iter().map(|e| (*e).to_owned()).collect(),
                search: search(filter, &[], &LOGGED_MODELS),
                ..LoggedSearch::default()
            };
            store.search_logged_models(&search).await.unwrap().len()
        };
        assert_eq!(found(&["0"], "").await, 2);
        assert_eq!(found(&["0", "1"], "name = 'a'").await, 2);
        assert_eq!(found(&["0", "1"], "params.depth = '3' AND status = 'PENDING'").await, 1);
        assert_eq!(found(&["0"], "status = 'LOGGED_MODEL_READY'").await, 0);
        assert_eq!(found(&["0"], "tags.x != 'y'").await, 0, "of a logged model a tag must be there");
    }
}
