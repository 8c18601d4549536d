//! The filter language of the MLflow protocol: `<clause> AND <clause> …`, and the `order_by` beside it.
//!
//! A clause is an identifier, a comparator and a value: ``metrics.`val loss` < 0.5``, `params.depth = '3'`, `tags.team LIKE 'a%'`,
//! `run_id IN ('a', 'b')`, `tags.owner IS NULL`. There is no OR and nothing nests. What an identifier may be differs by what is
//! searched: a [`Grammar`]. This is the parser alone; `store` makes SQL of what it finds, always with bound values.

mod grammar;
mod scan;
#[cfg(test)]
mod tests;

pub use grammar::{EXPERIMENTS, Grammar, LOGGED_MODELS, MODEL_VERSIONS, REGISTERED_MODELS, RUNS};

use crate::error::Fault;
use scan::{Scanner, Token};
use std::fmt;

/// The longest filter in bytes.
pub const FILTER_MAX: usize = 1 << 20;
/// The most clauses of a filter.
pub const CLAUSES_MAX: usize = 64;
/// The most members of a list.
pub const LIST_MAX: usize = 10_000;

/// What kind of thing an identifier names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entity {
    /// A field of what is searched itself.
    Attribute,
    /// A metric's latest value.
    Metric,
    /// A parameter.
    Param,
    /// A tag.
    Tag,
    /// A dataset among the inputs: `name`, `digest` or `context`.
    Dataset,
}

/// An identifier: `metrics.loss`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identifier {
    /// Its kind.
    pub entity: Entity,
    /// Its key; of an attribute the name that the grammar gives it.
    pub key: String,
}

/// How a clause compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `LIKE`, with `%` and `_`.
    Like,
    /// `ILIKE`: the same without case.
    Ilike,
    /// `IN (…)`
    In,
    /// `NOT IN (…)`
    NotIn,
    /// `IS NULL`
    IsNull,
    /// `IS NOT NULL`
    IsNotNull,
}

impl Comparator {
    /// The comparator as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Like => "LIKE",
            Self::Ilike => "ILIKE",
            Self::In => "IN",
            Self::NotIn => "NOT IN",
            Self::IsNull => "IS NULL",
            Self::IsNotNull => "IS NOT NULL",
        }
    }

    const fn is_ordering(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterOrEqual | Self::Less | Self::LessOrEqual)
    }

    const fn is_null_test(self) -> bool {
        matches!(self, Self::IsNull | Self::IsNotNull)
    }

    const fn is_list(self) -> bool {
        matches!(self, Self::In | Self::NotIn)
    }
}

/// What a clause compares with.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// Nothing: `IS NULL`.
    None,
    /// A number; finite.
    Number(f64),
    /// Text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    /// What is compared.
    pub identifier: Identifier,
    /// How.
    pub comparator: Comparator,
    /// With what; of the kind the comparator and the identifier ask for.
    pub operand: Operand,
}

/// One key of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub identifier: Identifier,
    /// Smallest first.
    pub ascending: bool,
}

/// Why a filter or an order cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid {what} at position {position}: {detail}")]
pub struct FilterError {
    /// `filter` or `order_by`.
    pub what: &'static str,
    /// Characters before it, plus one.
    pub position: usize,
    /// What was found and what is expected.
    pub detail: String,
}

impl From<FilterError> for Fault {
    fn from(error: FilterError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// Reads a filter; an empty one has no clauses.
pub fn parse(text: &str, grammar: &Grammar) -> Result<Vec<Clause>, FilterError> {
    let mut scan = Scanner::new("filter", text)?;
    let mut clauses = Vec::new();
    if scan.peek()?.is_none() {
        return Ok(clauses);
    }
    loop {
        if clauses.len() == CLAUSES_MAX {
            return Err(scan.wrong(format!("there are more than {CLAUSES_MAX} clauses")));
        }
        clauses.push(clause(&mut scan, grammar)?);
        match scan.next()? {
            None => return Ok(clauses),
            // As MLflow's server reads it: what follows the last AND may be missing.
            Some(token) if token.is_word("AND") => {
                if scan.peek()?.is_none() {
                    return Ok(clauses);
                }
            }
            Some(token) if token.is_word("OR") => {
                return Err(scan.wrong("there is no OR: clauses are joined by AND"));
            }
            Some(token) => return Err(scan.wrong(format!("found {token}, expected AND or the end"))),
        }
    }
}

/// Reads one key of an order: `metrics.loss DESC`.
pub fn parse_order(text: &str, grammar: &Grammar) -> Result<Order, FilterError> {
    let mut scan = Scanner::new("order_by", text)?;
    let identifier = identifier(&mut scan, grammar)?;
    if !grammar.orders(&identifier) {
        return Err(scan.wrong(format!("cannot order by {identifier}; {}", grammar.known_orders())));
    }
    let ascending = match scan.next()? {
        None => return Ok(Order { identifier, ascending: true }),
        Some(token) if token.is_word("ASC") => true,
        Some(token) if token.is_word("DESC") => false,
        Some(token) => return Err(scan.wrong(format!("found {token}, expected ASC, DESC or the end"))),
    };
    match scan.next()? {
        None => Ok(Order { identifier, ascending }),
        Some(token) => Err(scan.wrong(format!("found {token}, expected the end"))),
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entity = match self.entity {
            Entity::Attribute => "attribute",
            Entity::Metric => "metric",
            Entity::Param => "parameter",
            Entity::Tag => "tag",
            Entity::Dataset => "dataset",
        };
        write!(f, "{entity} '{}'", self.key)
    }
}

/// `entity.key`, or an attribute alone.
fn identifier(scan: &mut Scanner<'_>, grammar: &Grammar) -> Result<Identifier, FilterError> {
    let (first, quoted) = match scan.next()? {
        Some(Token::Word(word)) => (word, false),
        Some(Token::Quoted(text)) => (text, true),
        Some(token) => {
            return Err(scan.wrong(format!("found {token}, expected an identifier as metrics.loss")));
        }
        None => return Err(scan.wrong("it ends where an identifier is expected")),
    };
    // A word holds its dots; behind a quoted part, or before one, they stand alone.
    let (head, mut tail) = match first.split_once('.') {
        Some((head, tail)) if !quoted => (head.to_owned(), Some(tail.to_owned())),
        _ => (first, None),
    };
    while let Some(part) = scan.joined()? {
        tail = Some(tail.unwrap_or_default() + &part);
    }
    let entity = Entity::of(&head).filter(|_| tail.is_some());
    match (entity, tail) {
        (Some(entity), Some(key)) => {
            let key = grammar.key(entity, &key).map_err(|why| scan.wrong(why))?;
            Ok(Identifier { entity, key })
        }
        (_, Some(_)) => {
            Err(scan
                .wrong(format!("'{head}' is no entity: write metrics, params, tags, attributes or datasets")))
        }
        (_, None) => {
            let key = grammar.key(Entity::Attribute, &head).map_err(|why| scan.wrong(why))?;
            Ok(Identifier { entity: Entity::Attribute, key })
        }
    }
}

impl Entity {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "metric" | "metrics" => Self::Metric,
            "param" | "params" | "parameter" | "parameters" => Self::Param,
            "tag" | "tags" => Self::Tag,
            "attribute" | "attributes" | "attr" | "run" => Self::Attribute,
            "dataset" | "datasets" => Self::Dataset,
            _ => return None,
        })
    }
}

fn clause(scan: &mut Scanner<'_>, grammar: &Grammar) -> Result<Clause, FilterError> {
    let identifier = identifier(scan, grammar)?;
    let comparator = comparator(scan)?;
    if let Err(why) = grammar.compares(&identifier, comparator) {
        return Err(scan.wrong(why));
    }
    let operand = if comparator.is_null_test() {
        Operand::None
    } else if comparator.is_list() {
        Operand::List(list(scan)?)
    } else if grammar.is_number(&identifier) {
        match scan.next()? {
            Some(Token::Number(number)) => Operand::Number(number),
            Some(Token::Quoted(text)) if identifier.entity == Entity::Attribute => {
                let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
                let wrong = || scan.wrong(format!("'{text}' is no number, as {identifier} needs"));
                Operand::Number(number.ok_or_else(wrong)?)
            }
            found => return Err(scan.expected(found, &format!("a number for {identifier}"))),
        }
    } else {
        match scan.next()? {
            Some(Token::Quoted(text)) => Operand::Text(text),
            found => return Err(scan.expected(found, &format!("a quoted text for {identifier}, as 'value'"))),
        }
    };
    Ok(Clause { identifier, comparator, operand })
}

fn comparator(scan: &mut Scanner<'_>) -> Result<Comparator, FilterError> {
    let found = scan.next()?;
    let word = |word: &str| found.as_ref().is_some_and(|token| token.is_word(word));
    if let Some(Token::Operator(comparator)) = found {
        return Ok(comparator);
    }
    if word("LIKE") {
        return Ok(Comparator::Like);
    }
    if word("ILIKE") {
        return Ok(Comparator::Ilike);
    }
    if word("IN") {
        return Ok(Comparator::In);
    }
    if word("NOT") {
        return expect_word(scan, "IN").map(|()| Comparator::NotIn);
    }
    if word("IS") {
        return match scan.next()? {
            Some(token) if token.is_word("NULL") => Ok(Comparator::IsNull),
            Some(token) if token.is_word("NOT") => expect_word(scan, "NULL").map(|()| Comparator::IsNotNull),
            found => Err(scan.expected(found, "NULL or NOT NULL")),
        };
    }
    Err(scan
        .expected(found, "a comparator: =, !=, >, >=, <, <=, LIKE, ILIKE, IN, NOT IN, IS NULL, IS NOT NULL"))
}

fn expect_word(scan: &mut Scanner<'_>, word: &str) -> Result<(), FilterError> {
    match scan.next()? {
        Some(token) if token.is_word(word) => Ok(()),
        found => Err(scan.expected(found, word)),
    }
}

/// `('a', 'b')`
fn list(scan: &mut Scanner<'_>) -> Result<Vec<String>, FilterError> {
    match scan.next()? {
        Some(Token::Open) => {}
        found => return Err(scan.expected(found, "a list as ('a', 'b')")),
    }
    let mut members = Vec::new();
    loop {
        match scan.next()? {
            Some(Token::Quoted(text)) => members.push(text),
            found => return Err(scan.expected(found, "a quoted text of the list")),
        }
        if members.len() > LIST_MAX {
            return Err(scan.wrong(format!("the list has more than {LIST_MAX} members")));
        }
        match scan.next()? {
            Some(Token::Comma) => {}
            Some(Token::Close) => return Ok(members),
            found => return Err(scan.expected(found, "',' or ')'")),
        }
    }
}
