//! How requests of the protocol are read: the query of a GET and the JSON of the rest alike, fields that nobody knows ignored, and
//! what is missing or impossible told in the words its clients know.

use axum::extract::{FromRequest, Request};
pub use domain::tracking::write_double;
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};
use web::{MlflowCode, MlflowError, Problem};

/// The answer of a handler.
pub type Answer<T> = Result<T, MlflowError>;

/// The longest part of a wrong value that is told again, in bytes.
const SHOWN: usize = 300;

/// An empty answer: `{}`.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Empty {}

/// The empty answer as JSON.
pub const fn empty() -> axum::Json<Empty> {
    axum::Json(Empty {})
}

/// A parameter that is missing.
pub fn missing(parameter: &str) -> MlflowError {
    MlflowError::invalid(format!("Missing value for required parameter '{parameter}'."))
}

/// A parameter that cannot be what it is.
pub fn wrong(parameter: &str, value: &Value) -> MlflowError {
    let mut text = value.to_string();
    if text.len() > SHOWN {
        let end = (0..=SHOWN).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    MlflowError::invalid(format!("Invalid value {text} for parameter '{parameter}' supplied."))
}

/// The parameters of a request; an extractor for a handler's last argument.
#[derive(Debug, Clone)]
pub struct Params {
    map: Map<String, Value>,
    /// Whether they came in the query: every value is a list of texts then.
    query: bool,
    /// The length of the JSON body in bytes.
    pub bytes: usize,
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = MlflowError;

    async fn from_request(request: Request, _: &S) -> Answer<Self> {
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return Ok(Self::of_query(request.uri().query().unwrap_or_default()));
        }
        let json = web::extract::is_json(request.headers());
        let bytes = web::extract::whole_body(request).await.map_err(unread)?;
        if !json && !bytes.is_empty() {
            let text = "Bad Request. Content-Type must be application/json.";
            return Err(MlflowError::new(MlflowCode::BadRequest, text));
        }
        Self::of_json(&bytes)
    }
}

/// A body that is too long or did not come whole.
fn unread(problem: Problem) -> MlflowError {
    let error = MlflowError::from(problem);
    if error.status == StatusCode::PAYLOAD_TOO_LARGE {
        error
    } else {
        MlflowError { error_code: MlflowCode::BadRequest, ..error }
    }
}

impl Params {
    /// Of a query; a repeated field is a list.
    pub fn of_query(query: &str) -> Self {
        let mut map: Map<String, Value> = Map::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = Value::String(value.into_owned());
            match map.get_mut(name.as_ref()) {
                Some(Value::Array(list)) => list.push(value),
                _ => {
                    map.insert(name.into_owned(), Value::Array(vec![value]));
                }
            }
        }
        Self { map, query: true, bytes: 0 }
    }

    /// Of a JSON body. Some clients send their object as a JSON string; none at all is an empty one.
    pub fn of_json(bytes: &[u8]) -> Answer<Self> {
        let bad = |why: &str| {
            MlflowError::new(
                MlflowCode::BadRequest,
                format!("Bad Request. The body is no JSON object: {why}"),
            )
        };
        let mut value = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(bytes).map_err(|e| bad(&e.to_string()))?
        };
        if let Value::String(text) = &value {
            value = serde_json::from_str(text).map_err(|e| bad(&e.to_string()))?;
        }
        let map = match value {
            Value::Object(map) => map,
            Value::Null => Map::new(),
            _ => return Err(bad("send an object")),
        };
        Ok(Self { map, query: false, bytes: bytes.len() })
    }

    /// The parameters themselves.
    pub fn object(&self) -> Object<'_> {
        Object { map: &self.map, query: self.query, place: None }
    }

    /// The run that a call is about: `run_id`, or `run_uuid` as older clients write it.
    pub fn run_id(&self) -> Answer<String> {
        let params = self.object();
        match params.filled("run_id")? {
            Some(id) => Ok(id),
            None => params.filled("run_uuid")?.ok_or_else(|| missing("run_id")),
        }
    }
}

/// An object of a request: the parameters, or an item of one that is a list.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    map: &'a Map<String, Value>,
    query: bool,
    place: Option<(&'a str, usize)>,
}

impl<'a> Object<'a> {
    /// The name of a field for messages: `metrics[0].timestamp`.
    pub fn path(&self, field: &str) -> String {
        match self.place {
            None => field.to_owned(),
            Some((list, at)) => format!("{list}[{at}].{field}"),
        }
    }

    /// The value of a field; none when it is absent or null.
    pub fn get(&self, field: &str) -> Option<&'a Value> {
        let value = self.map.get(field)?;
        let value = if self.query { value.get(0)? } else { value };
        (!value.is_null()).then_some(value)
    }

    fn wrong(&self, field: &str, value: &Value) -> MlflowError {
        wrong(&self.path(field), value)
    }

    /// Text.
    pub fn text(&self, field: &str) -> Answer<Option<&'a str>> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(field, other)),
        }
    }

    /// Text that is not empty.
    pub fn filled(&self, field: &str) -> Answer<Option<String>> {
        Ok(self.text(field)?.filter(|text| !text.is_empty()).map(str::to_owned))
    }

    /// Text that must be there.
    pub fn required(&self, field: &str) -> Answer<String> {
        self.filled(field)?.ok_or_else(|| missing(&self.path(field)))
    }

    /// A whole number of 64 bits, also as text.
    pub fn int(&self, field: &str) -> Answer<Option<i64>> {
        let Some(value) = self.get(field) else { return Ok(None) };
        whole(value).map(Some).ok_or_else(|| self.wrong(field, value))
    }

    /// A number, also as text: `NaN`, `Infinity` and `-Infinity` have no other form.
    pub fn double(&self, field: &str) -> Answer<Option<f64>> {
        let Some(value) = self.get(field) else { return Ok(None) };
        double(value).map(Some).ok_or_else(|| self.wrong(field, value))
    }

    /// True or false.
    pub fn flag(&self, field: &str) -> Answer<Option<bool>> {
        let Some(value) = self.get(field) else { return Ok(None) };
        match value {
            Value::Bool(flag) => Ok(Some(*flag)),
            Value::String(text) if self.query && text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Value::String(text) if self.query && text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            other => Err(self.wrong(field, other)),
        }
    }

    /// A list; empty when it is absent.
    pub fn list(&self, field: &str) -> Answer<&'a [Value]> {
        match self.map.get(field) {
            None | Some(Value::Null) => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            Some(other) => Err(self.wrong(field, other)),
        }
    }

    /// A list of texts.
    pub fn texts(&self, field: &str) -> Answer<Vec<String>> {
        let list = self.list(field)?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        list.iter()
            .map(text)
            .collect::<Option<_>>()
            .ok_or_else(|| self.wrong(field, &Value::Array(list.to_vec())))
    }

    /// A list of objects.
    pub fn objects(&self, field: &'a str) -> Answer<Vec<Object<'a>>> {
        let list = self.list(field)?;
        let item = |(at, value): (usize, &'a Value)| {
            let map = value.as_object()?;
            Some(Object { map, query: false, place: Some((field, at)) })
        };
        list.iter()
            .enumerate()
            .map(item)
            .collect::<Option<_>>()
            .ok_or_else(|| self.wrong(field, &Value::Array(list.to_vec())))
    }

    /// An object within.
    pub fn inner(&self, field: &str) -> Answer<Option<Object<'a>>> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Object { map, query: false, place: self.place })),
            Some(other) => Err(self.wrong(field, other)),
        }
    }
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(integral)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A number without a fraction that an `i64` holds.
fn integral(value: f64) -> Option<i64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    (value.fract() == 0.0 && value.abs() <= LIMIT).then_some(value as i64)
}

fn double(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(value: &Value) -> Params {
        Params::of_json(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn query_and_json_read_alike() {
        let query = Params::of_query("run_id=a&max_results=5&tags=x&tags=y&full=TRUE&unknown=1");
        let body =
            of(&json!({"run_id": "a", "max_results": 5, "tags": ["x", "y"], "full": true, "unknown": 1}));
        for params in [query, body] {
            let object = params.object();
            assert_eq!(params.run_id().unwrap(), "a");
            assert_eq!(object.int("max_results").unwrap(), Some(5));
            assert_eq!(object.texts("tags").unwrap(), ["x", "y"]);
            assert_eq!(object.flag("full").unwrap(), Some(true));
            assert_eq!(object.filled("absent").unwrap(), None);
        }
        assert_eq!(of(&json!({"run_uuid": "old", "run_id": ""})).run_id().unwrap(), "old");
    }

    #[test]
    fn what_is_missing_or_wrong_is_told_in_known_words() {
        let params = of(
            &json!({"run_id": 31, "step": "foo", "metrics": [{"timestamp": "x"}], "tags": {"a": 1}, "at": 1.5}),
        );
        let object = params.object();
        let items = object.objects("metrics").unwrap();
        let told = [
            params.run_id().unwrap_err().message,
            object.int("step").unwrap_err().message,
            object.int("at").unwrap_err().message,
            object.required("key").unwrap_err().message,
            object.list("tags").unwrap_err().message,
            items[0].int("timestamp").unwrap_err().message,
            items[0].required("key").unwrap_err().message,
        ];
        let known = [
            "Invalid value 31 for parameter 'run_id' supplied.",
            "Invalid value \"foo\" for parameter 'step' supplied.",
            "Invalid value 1.5 for parameter 'at' supplied.",
            "Missing value for required parameter 'key'.",
            "Invalid value {\"a\":1} for parameter 'tags' supplied.",
            "Invalid value \"x\" for parameter 'metrics[0].timestamp' supplied.",
            "Missing value for required parameter 'metrics[0].key'.",
        ];
        assert_eq!(told, known);
        assert!(wrong("x", &json!("ü".repeat(1000))).message.len() < 400);
    }

    #[test]
    fn bodies_that_are_no_object_are_refused_and_empty_ones_are_not() {
        assert!(Params::of_json(b"").unwrap().map.is_empty());
        assert_eq!(Params::of_json(br#""{\"run_id\":\"a\"}""#).unwrap().run_id().unwrap(), "a");
        for bad in [&b"{"[..], b"[]", b"3", b"\"x\""] {
            let error = Params::of_json(bad).unwrap_err();
            assert_eq!((error.error_code, error.status.as_u16()), (MlflowCode::BadRequest, 400));
        }
    }

    #[test]
    fn numbers_that_json_has_not_are_texts_both_ways() {
        #[derive(Serialize)]
        struct One(#[serde(serialize_with = "write_double")] f64);
        for (number, text) in [
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
            (0.1, "0.1"),
            (3.0, "3.0"),
        ] {
            assert_eq!(serde_json::to_string(&One(number)).unwrap(), text);
            let value: Value = serde_json::from_str(text).unwrap();
            let back = double(&value).unwrap();
            assert!(back == number || back.is_nan() && number.is_nan());
        }
        for bad in [json!("inf"), json!("x"), json!(true), json!([1])] {
            assert_eq!(double(&bad), None, "{bad}");
        }
        assert_eq!((whole(&json!("7")), whole(&json!(7.0)), whole(&json!(1e300))), (Some(7), Some(7), None));
    }
}
