//! `GET /score?…` (contract IS-08): the query as a request body.
//!
//! Every value is JSON when it parses as such, else text; a repeated name is a list. A member that brings rows (`data`,
//! `Inputs`, `input_data`) makes the query that body; else the names are columns, lists among them several rows.

use crate::body::{self, Request};
use crate::rows::Reader;
use crate::rows::refusal::{Refusal, Wrong};
use serde_json::value::RawValue;
use std::collections::HashMap;

/// The most rows a query may become.
const ROWS_MAX: usize = 1000;
/// The most bytes of JSON a query may become; a value stands once in every row.
const BYTES_MAX: usize = 1 << 20;
/// The members that bring rows.
const FORMS: [&str; 3] = ["data", "Inputs", "input_data"];

/// Reads a query; the rows go to the reader.
pub fn read(reader: &mut Reader<'_>, query: &str) -> Result<Request, Refusal> {
    let members = members(query);
    let column = |name: &str| reader.plan.find(name).is_some();
    let brings = |(name, _): &Member| FORMS.contains(&name.as_str()) && !column(name);
    let text = if members.iter().any(brings) {
        object(&members)
    } else {
        let method = members.iter().find(|(name, _)| name == "method" && !column(name));
        let columns: Vec<&Member> = members.iter().filter(|(name, _)| column(name)).collect();
        rows(&columns, method).map_err(|wrong| reader.place(wrong))?
    };
    body::read(reader, text.as_bytes())
}

/// A name and its values as JSON texts, in the order they came.
type Member = (String, Vec<String>);

fn members(query: &str) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = match serde_json::from_str::<&RawValue>(&value) {
            Ok(raw) => raw.get().to_owned(),
            Err(_) => quoted(&value),
        };
        let name = name.into_owned();
        match places.get(&name) {
            Some(at) => members[*at].1.push(value),
            None => {
                places.insert(name.clone(), members.len());
                members.push((name, vec![value]));
            }
        }
    }
    members
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The query as one JSON object.
fn object(members: &[Member]) -> String {
    let member = |(name, values): &Member| match values.as_slice() {
        [one] => format!("{}:{one}", quoted(name)),
        several => format!("{}:[{}]", quoted(name), several.join(",")),
    };
    let members: Vec<String> = members.iter().map(member).collect();
    format!("{{{}}}", members.join(","))
}

/// One value for all rows, or one a row.
enum Values<'a> {
    Same(&'a str),
    Each(Vec<&'a str>),
}

impl<'a> Values<'a> {
    fn new(values: &'a [String]) -> Self {
        let [one] = values else {
            return Self::Each(values.iter().map(String::as_str).collect());
        };
        match serde_json::from_str::<Vec<&RawValue>>(one) {
            Ok(list) => Self::Each(list.into_iter().map(RawValue::get).collect()),
            Err(_) => Self::Same(one),
        }
    }
}

/// The columns of a query as the rows of a body.
fn rows(columns: &[&Member], method: Option<&Member>) -> Result<String, Wrong> {
    let columns: Vec<(String, Values<'_>)> =
        columns.iter().map(|(name, values)| (quoted(name), Values::new(values))).collect();
    let lengths = columns.iter().filter_map(|(_, values)| match values {
        Values::Each(list) => Some(list.len()),
        Values::Same(_) => None,
    });
    let mut count = None;
    for length in lengths {
        if count.is_some_and(|count| count != length) {
            return Err(Wrong::UnevenQuery);
        }
        count = Some(length);
    }
    let count = count.unwrap_or(1);
    if count > ROWS_MAX {
        return Err(Wrong::LongQuery);
    }
    let mut text = String::from("{");
    if let Some(member) = method {
        text.push_str("\"method\":");
        text.push_str(member.1.last().map_or("null", String::as_str));
        text.push(',');
    }
    text.push_str("\"data\":[");
    for row in 0..count {
        text.push_str(if row == 0 { "{" } else { ",{" });
        push_row(&mut text, &columns, row);
        text.push('}');
        if text.len() > BYTES_MAX {
            return Err(Wrong::LongQuery);
        }
    }
    text.push_str("]}");
    Ok(text)
}

fn push_row(text: &mut String, columns: &[(String, Values<'_>)], row: usize) {
    for (at, (name, values)) in columns.iter().enumerate() {
        let value = match values {
            Values::Same(value) => value,
            Values::Each(list) => list.get(row).copied().unwrap_or("null"),
        };
        if at > 0 {
            text.push(',');
        }
        text.push_str(name);
        text.push(':');
        text.push_str(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_rows(query: &str) -> Result<String, Wrong> {
        let members = members(query);
        rows(&members.iter().collect::<Vec<_>>(), None)
    }

    #[test]
    fn values_are_json_or_text() {
        assert_eq!(
            object(&members("a=1&b=[1,2]&c=x+y&d=null&a=%22z%22")),
            r#"{"a":[1,"z"],"b":[1,2],"c":"x y","d":null}"#
        );
        assert_eq!(object(&members("")), "{}");
    }

    #[test]
    fn names_become_columns_and_lists_rows() {
        assert_eq!(as_rows("a=1&b.c=x").unwrap(), r#"{"data":[{"a":1,"b.c":"x"}]}"#);
        assert_eq!(as_rows("a=1&a=2&b=x").unwrap(), r#"{"data":[{"a":1,"b":"x"},{"a":2,"b":"x"}]}"#);
        assert_eq!(as_rows("a=[1,2]&b=[3,4]").unwrap(), r#"{"data":[{"a":1,"b":3},{"a":2,"b":4}]}"#);
        assert_eq!(as_rows("a=[]").unwrap(), r#"{"data":[]}"#);
        assert_eq!(as_rows("a=[1,2]&b=[3]"), Err(Wrong::UnevenQuery));
    }

    #[test]
    fn a_short_query_does_not_become_a_huge_body() {
        let list = vec!["1"; 1001].join(",");
        assert_eq!(as_rows(&format!("a=[{list}]")), Err(Wrong::LongQuery));
        let (list, text) = (vec!["1"; 1000].join(","), "x".repeat(5000));
        assert_eq!(as_rows(&format!("a=[{list}]&b={text}")), Err(Wrong::LongQuery));
    }
}
