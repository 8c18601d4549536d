//! What each version of an operator takes: how many inputs, which attributes of which types. A node that says
//! something its operator does not know would be computed without it; so it is refused.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::attrs::Node;
use crate::error::Result;
use crate::proto::generated::{AttributeProto, attribute_proto::AttributeType};

/// Written by `tests-python/onnx_schemas.py`.
const TABLE: &str = include_str!("schemas.txt");

static SCHEMAS: LazyLock<HashMap<&'static str, Vec<Schema>>> = LazyLock::new(read);

/// An operator since one version of its operator set.
#[derive(Debug)]
struct Schema {
    since: i64,
    inputs: (usize, usize),
    outputs: (usize, usize),
    attributes: Vec<Attribute>,
}

#[derive(Debug)]
struct Attribute {
    name: &'static str,
    kind: Option<AttributeType>,
    required: bool,
}

fn read() -> HashMap<&'static str, Vec<Schema>> {
    let mut schemas: HashMap<_, Vec<Schema>> = HashMap::new();
    for line in TABLE.lines().filter(|l| !l.starts_with('#')) {
        let mut words = line.split_ascii_whitespace();
        let Some(name) = words.next() else { continue };
        let mut number = || words.next().and_then(|w| w.parse().ok()).unwrap_or(0);
        let since = number() as i64;
        let (inputs, outputs) = ((number(), number()), (number(), number()));
        let attributes = words.filter_map(attribute).collect();
        schemas.entry(name).or_default().push(Schema { since, inputs, outputs, attributes });
    }
    schemas
}

fn attribute(word: &'static str) -> Option<Attribute> {
    let (name, kind) = word.split_once(':')?;
    let required = kind.ends_with('!');
    let kind = match kind.trim_end_matches('!') {
        "i" => Some(AttributeType::Int),
        "f" => Some(AttributeType::Float),
        "s" => Some(AttributeType::String),
        "I" => Some(AttributeType::Ints),
        "F" => Some(AttributeType::Floats),
        "S" => Some(AttributeType::Strings),
        "t" => Some(AttributeType::Tensor),
        _ => None,
    };
    Some(Attribute { name, kind, required })
}

/// Refuses a node that is not as its operator's version has it. Says nothing of operators it does not know.
pub(crate) fn check(node: &Node<'_>) -> Result<()> {
    let name = if node.is_ml() { format!("ml.{}", node.op()) } else { node.op().to_owned() };
    let Some(versions) = SCHEMAS.get(name.as_str()) else { return Ok(()) };
    let Some(schema) = versions.iter().rev().find(|s| s.since <= node.version) else {
        let since = versions.first().map_or(0, |s| s.since);
        let reason = format!("is of operator set {since}, the model imports {}", node.version);
        return Err(node.error(reason));
    };
    count(node, "input", node.proto.input.len(), schema.inputs)?;
    count(node, "output", node.proto.output.len(), schema.outputs)?;
    for given in &node.proto.attribute {
        known(node, schema, given)?;
    }
    match schema.attributes.iter().find(|a| a.required && !node.has(a.name)) {
        Some(missing) => Err(node.error(format!("attribute {} is missing", missing.name))),
        None => Ok(()),
    }
}

fn count(node: &Node<'_>, what: &str, got: usize, (least, most): (usize, usize)) -> Result<()> {
    if (least..=most).contains(&got) {
        return Ok(());
    }
    let range = if least == most { least.to_string() } else { format!("{least} to {most}") };
    Err(node.error(format!("has {got} {what}s, {} {} takes {range}", node.op(), node.version)))
}

fn known(node: &Node<'_>, schema: &Schema, given: &AttributeProto) -> Result<()> {
    let name = given.name();
    let Some(found) = schema.attributes.iter().find(|a| a.name == name) else {
        let known: Vec<&str> = schema.attributes.iter().map(|a| a.name).collect();
        let reason =
            format!("attribute {name} is unknown in operator set {}, which has {known:?}", node.version);
        return Err(node.error(reason));
    };
    match found.kind {
        // Files of IR version 1 carry no attribute types.
        Some(kind) if given.r#type.is_some() && given.r#type() != kind => {
            let (got, want) = (given.r#type().as_str_name(), kind.as_str_name());
            Err(node.error(format!("attribute {name} is {got}, expected {want}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        assert!(SCHEMAS.len() > 100, "{}", SCHEMAS.len());
        let lines = TABLE.lines().filter(|l| !l.starts_with('#')).count();
        assert_eq!(SCHEMAS.values().map(Vec::len).sum::<usize>(), lines);
        for (name, versions) in SCHEMAS.iter() {
            assert!(versions.is_sorted_by_key(|s| s.since), "{name}");
            assert!(versions.iter().all(|s| s.since > 0 && s.outputs.1 > 0), "{name}");
        }
        let split = &SCHEMAS["Split"][4];
        assert_eq!((split.since, split.inputs, split.attributes.len()), (18, (1, 2), 2));
    }
}
