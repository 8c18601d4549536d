//! JSON whose members keep their order, which documents need for their columns.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use std::borrow::Cow;

/// A JSON value with ordered members.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// An object.
    Object(Object),
    /// A list.
    List(Vec<Node>),
    /// Anything else.
    Value(Value),
}

/// An object with ordered members.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Object(Vec<(Cow<'static, str>, Node)>);

impl Object {
    /// An object without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more member at the end.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Node>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// With a member when there is a value for it.
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<impl Into<Node>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// `{"$ref": target}`.
    pub fn reference(target: &str) -> Self {
        Self::new().with("$ref", target)
    }
}

impl FromIterator<(String, Node)> for Object {
    fn from_iter<I: IntoIterator<Item = (String, Node)>>(members: I) -> Self {
        Self(members.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect())
    }
}

impl From<Object> for Node {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Value(text.into())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Value(text.into())
    }
}

impl From<bool> for Node {
    fn from(truth: bool) -> Self {
        Self::Value(truth.into())
    }
}

impl<T: Into<Node>> From<Vec<T>> for Node {
    fn from(list: Vec<T>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(object) => object.serialize(s),
            Self::List(list) => list.serialize(s),
            Self::Value(value) => value.serialize(s),
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order() {
        let object = Object::new().with("z", "1").with("a", vec!["x"]).with_some("n", None::<&str>);
        assert_eq!(serde_json::to_string(&object).unwrap(), r#"{"z":"1","a":["x"]}"#);
    }
}
