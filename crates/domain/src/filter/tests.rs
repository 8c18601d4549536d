//! Tests of the filter language.

use super::*;

fn one(text: &str) -> Clause {
    let mut clauses = parse(text, &RUNS).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(clauses.len(), 1, "{text}");
    clauses.remove(0)
}

fn refused(text: &str, grammar: &Grammar) -> FilterError {
    parse(text, grammar).expect_err(text)
}

#[test]
fn identifiers_in_all_their_forms() {
    for (text, entity, key) in [
        ("metrics.loss > 1", Entity::Metric, "loss"),
        ("metric.`val loss` >= 1e-3", Entity::Metric, "val loss"),
        ("metrics.\"a/b.c\" = -1.5", Entity::Metric, "a/b.c"),
        ("params.depth = '3'", Entity::Param, "depth"),
        ("parameters.x LIKE 'a%'", Entity::Param, "x"),
        ("tags.mlflow.parentRunId = 'x'", Entity::Tag, "mlflow.parentRunId"),
        ("tag.`mlflow.prompt.is_prompt` != 'true'", Entity::Tag, "mlflow.prompt.is_prompt"),
        ("attributes.status = 'FINISHED'", Entity::Attribute, "status"),
        ("attr.run_name ILIKE \"x\"", Entity::Attribute, "run_name"),
        ("run.`Run Name` = 'x'", Entity::Attribute, "run_name"),
        ("created < 12", Entity::Attribute, "start_time"),
        ("`run_id` = 'x'", Entity::Attribute, "run_id"),
        ("dataset.name = 'x'", Entity::Dataset, "name"),
        ("datasets.context NOT IN ('a')", Entity::Dataset, "context"),
        ("tags.größe = 'x'", Entity::Tag, "größe"),
    ] {
        let clause = one(text);
        assert_eq!((clause.identifier.entity, clause.identifier.key.as_str()), (entity, key), "{text}");
    }
}

#[test]
fn operands_are_texts_numbers_lists_or_nothing() {
    assert_eq!(one("params.a = 'it''s'").operand, Operand::Text("it's".into()));
    assert_eq!(one("params.a = \"'\"").operand, Operand::Text("'".into()));
    assert_eq!(one("metrics.a < -1.5e+3").operand, Operand::Number(-1500.0));
    assert_eq!(
        one("run_id IN ('a','b' , \"c\")").operand,
        Operand::List(vec!["a".into(), "b".into(), "c".into()])
    );
    assert_eq!(one("tags.a is not null").comparator, Comparator::IsNotNull);
    assert_eq!(one("params.a IS NULL").operand, Operand::None);
    let two = parse("  metrics.a>1 and params.b!='x'  ", &RUNS).unwrap();
    assert_eq!((two.len(), two[1].comparator), (2, Comparator::NotEqual));
    assert_eq!(parse(" ", &RUNS).unwrap(), []);
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    for (text, position, word) in [
        ("metrics.a > 'x'", 13, "expected a number"),
        ("params.a = 3", 12, "quoted text"),
        ("params.a = 'x", 12, "never closed"),
        ("params.a = 'x' OR params.b = 'y'", 16, "no OR"),
        ("params.a = 'x' params.b = 'y'", 16, "expected AND"),
        ("params.a = 'x' AND", 19, "it ends"),
        ("(params.a = 'x')", 1, "expected an identifier"),
        ("nothing.a = 'x'", 1, "no entity"),
        ("colour = 'x'", 1, "no attribute 'colour'"),
        ("params.a > 'x'", 10, "not compared by >"),
        ("metrics.a LIKE 'x'", 11, "not compared by LIKE"),
        ("user_id IN ('x')", 9, "not compared by IN"),
        ("status IS NULL", 11, "not compared by IS NULL"),
        ("run_id IN ()", 12, "quoted text of the list"),
        ("run_id IN ('a' 'b')", 16, "',' or ')'"),
        ("metrics.a ! 1", 11, "write !="),
        ("metrics.a = 1e999", 13, "no number"),
        ("metrics.a = 12x", 13, "no number"),
        ("metrics. > 1", 1, "key is empty"),
        ("tags.ü = x", 10, "quoted text"),
        ("params.a ; 'x'", 10, "no meaning"),
        ("dataset.colour = 'x'", 1, "no 'colour'"),
    ] {
        let error = refused(text, &RUNS);
        assert!(error.detail.contains(word), "{text}: {error}");
        assert_eq!(error.position, position, "{text}: {error}");
    }
    assert!(refused(&"x".repeat(FILTER_MAX + 1), &RUNS).detail.contains("longer"));
    let many = vec!["metrics.a > 1"; CLAUSES_MAX + 1].join(" AND ");
    assert!(refused(&many, &RUNS).detail.contains("clauses"));
}

#[test]
fn each_search_knows_its_own() {
    assert!(parse("tags.a = 'b' AND name ILIKE '%x%'", &EXPERIMENTS).is_ok());
    assert!(parse("creation_time > 5 AND experiment_id IN ('1')", &EXPERIMENTS).is_ok());
    assert!(refused("metrics.a > 1", &EXPERIMENTS).detail.contains("knows no metric"));
    assert!(parse("name LIKE 'a%' AND tag.`x` != 'true'", &REGISTERED_MODELS).is_ok());
    assert!(refused("creation_timestamp > 1", &REGISTERED_MODELS).detail.contains("only orders"));
    assert!(parse("name = 'a' AND run_id IN ('b') AND version_number > 2", &MODEL_VERSIONS).is_ok());
    let quoted = parse("version_number = '1' AND ", &MODEL_VERSIONS).unwrap();
    assert_eq!((quoted.len(), &quoted[0].operand), (1, &Operand::Number(1.0)));
    assert!(parse("version_number = 'one'", &MODEL_VERSIONS).is_err());
    assert!(parse("name IN ('a', 'b')", &REGISTERED_MODELS).is_ok());
    assert!(
        parse("status = 'READY' AND metrics.acc > 0.5 AND creation_timestamp > 1", &LOGGED_MODELS).is_ok()
    );
}

#[test]
fn orders_have_a_direction() {
    let order = |text: &str| parse_order(text, &RUNS);
    let ascending = order("metrics.`a b` ASC").unwrap();
    assert!(ascending.ascending && ascending.identifier.key == "a b");
    assert!(!order("start_time desc").unwrap().ascending);
    assert!(order("params.x").unwrap().ascending);
    for bad in ["", "metrics.a sideways", "metrics.a ASC DESC", "dataset.name ASC", "nothing"] {
        assert!(order(bad).is_err(), "{bad}");
    }
    assert!(parse_order("last_updated_timestamp DESC", &REGISTERED_MODELS).is_ok());
}
