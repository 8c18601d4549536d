//! Which content types a scoring body may have.

use http::header::{CONTENT_TYPE, HeaderMap};

/// How a body's content type is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// JSON, or nothing said.
    Json,
    /// What plain clients send without meaning it (`curl -d`): read as JSON, refused as media when it is none.
    Lenient,
    /// Anything else: 415.
    Refused,
}

/// Judges the content type of a call.
pub fn media(headers: &HeaderMap) -> Media {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Media::Json;
    };
    let Ok(text) = value.to_str() else {
        return Media::Refused;
    };
    if text == "application/json" {
        return Media::Json;
    }
    let (kind, parameters) = text.split_once(';').unwrap_or((text, ""));
    if !utf8(parameters) {
        return Media::Refused;
    }
    let kind = kind.trim();
    let is = |name: &str| kind.eq_ignore_ascii_case(name);
    let suffix = kind.len().checked_sub(5).and_then(|at| kind.get(at..));
    if is("application/json") || kind.is_empty() || suffix.is_some_and(|s| s.eq_ignore_ascii_case("+json")) {
        Media::Json
    } else if is("text/plain") || is("application/x-www-form-urlencoded") {
        Media::Lenient
    } else {
        Media::Refused
    }
}

/// Whether the parameters name no charset, or UTF-8 (of which ASCII is a part).
fn utf8(parameters: &str) -> bool {
    parameters.split(';').all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        !name.trim().eq_ignore_ascii_case("charset")
            || ["utf-8", "utf8", "us-ascii"].iter().any(|u| value.eq_ignore_ascii_case(u))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn content_types_are_judged() {
        let judged = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(text).unwrap());
            media(&headers)
        };
        assert_eq!(media(&HeaderMap::new()), Media::Json);
        for json in ["application/json", "Application/JSON; charset=UTF-8", "application/vnd.x+json", ""] {
            assert_eq!(judged(json), Media::Json, "{json}");
        }
        for lenient in ["text/plain", "application/x-www-form-urlencoded", "text/plain;charset=\"utf-8\""] {
            assert_eq!(judged(lenient), Media::Lenient, "{lenient}");
        }
        for refused in
            ["text/csv", "application/json; charset=latin-1", "multipart/form-data; boundary=x", "é"]
        {
            assert_eq!(judged(refused), Media::Refused, "{refused}");
        }
    }
}
