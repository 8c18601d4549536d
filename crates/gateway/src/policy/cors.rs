//! Cross-origin calls of browsers to one API (Fetch standard, §3.2 CORS protocol).

use domain::Cors;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use web::Body;

/// Methods and request headers when the policy names none.
const METHODS: [&str; 2] = ["GET", "POST"];
const HEADERS: [&str; 2] = ["authorization", "content-type"];

/// [`Cors`], read.
#[derive(Debug)]
pub(crate) struct Sharing {
    /// None: every origin.
    origins: Option<Vec<HeaderValue>>,
    methods: Vec<Method>,
    method_list: HeaderValue,
    /// None: whatever is asked for.
    headers: Option<Vec<HeaderName>>,
    header_list: HeaderValue,
    expose: Option<HeaderValue>,
    credentials: bool,
    max_age: Option<HeaderValue>,
}

impl Sharing {
    /// Reads it; the error says what is wrong.
    pub(crate) fn read(cors: &Cors) -> Result<Self, String> {
        if cors.origins.is_empty() {
            return Err("cors: name at least one origin, or *".to_owned());
        }
        let any = cors.origins.iter().any(|o| o == "*");
        if any && cors.credentials {
            return Err("cors: credentials are never allowed together with the origin *".to_owned());
        }
        let origins = cors.origins.iter().map(|o| origin(o)).collect::<Result<Vec<_>, _>>()?;
        let methods = words(&cors.methods, &METHODS);
        let names = words(&cors.headers, &HEADERS);
        let method = |m: &String| m.parse::<Method>().map_err(|_| format!("cors: '{m}' is no method"));
        let name = |n: &String| n.parse::<HeaderName>().map_err(|_| format!("cors: '{n}' is no header"));
        for exposed in &cors.expose {
            name(exposed)?;
        }
        let every = names.iter().any(|n| n == "*");
        Ok(Self {
            origins: (!any).then_some(origins),
            method_list: list(&methods)?,
            methods: methods.iter().map(method).collect::<Result<_, _>>()?,
            header_list: list(&names)?,
            headers: if every { None } else { Some(names.iter().map(name).collect::<Result<_, _>>()?) },
            expose: if cors.expose.is_empty() { None } else { Some(list(&cors.expose)?) },
            credentials: cors.credentials,
            max_age: cors.max_age.map(HeaderValue::from),
        })
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        self.origins.as_ref().is_none_or(|all| all.contains(origin))
    }

    /// Adds what a browser needs to any answer of the API.
    pub(crate) fn mark(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if self.origins.is_some() {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        let Some(origin) = origin.filter(|o| self.allows(o)) else { return };
        let origin = if self.origins.is_none() { HeaderValue::from_static("*") } else { origin.clone() };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if let Some(expose) = &self.expose {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }

    /// The answer to a preflight: allowed, or 403. Nothing when the request is none.
    pub(crate) fn preflight(&self, parts: &Parts) -> Option<Response<Body>> {
        let (origin, method) =
            (parts.headers.get(ORIGIN)?, parts.headers.get(ACCESS_CONTROL_REQUEST_METHOD)?);
        if parts.method != Method::OPTIONS {
            return None;
        }
        let asked = parts.headers.get(ACCESS_CONTROL_REQUEST_HEADERS);
        let fits = self.allows(origin)
            && self.methods.iter().any(|m| m.as_str().as_bytes() == method.as_bytes())
            && asked.is_none_or(|names| self.allow_headers(names));
        let mut response = Response::new(Body::default());
        let headers = response.headers_mut();
        headers.insert(
            VARY,
            HeaderValue::from_static("access-control-request-method, access-control-request-headers"),
        );
        if fits {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, self.method_list.clone());
            let echoed = asked.filter(|_| self.headers.is_none()).unwrap_or(&self.header_list);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, echoed.clone());
            if let Some(age) = &self.max_age {
                headers.insert(ACCESS_CONTROL_MAX_AGE, age.clone());
            }
        }
        *response.status_mut() = if fits { StatusCode::NO_CONTENT } else { StatusCode::FORBIDDEN };
        Some(response)
    }

    fn allow_headers(&self, asked: &HeaderValue) -> bool {
        let (Some(known), Ok(asked)) = (&self.headers, asked.to_str()) else {
            return self.headers.is_none() && asked.to_str().is_ok();
        };
        let known = |name: &str| known.iter().any(|k| k.as_str().eq_ignore_ascii_case(name));
        asked.split(',').map(str::trim).filter(|name| !name.is_empty()).all(known)
    }
}

/// What is stated, or the default.
fn words(stated: &[String], default: &[&str]) -> Vec<String> {
    if stated.is_empty() { default.iter().map(|w| (*w).to_owned()).collect() } else { stated.to_vec() }
}

fn list(words: &[String]) -> Result<HeaderValue, String> {
    HeaderValue::from_str(&words.join(", ")).map_err(|_| format!("cors: {words:?} cannot stand in a header"))
}

/// `*`, or scheme, host and port alone.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let plain = text.split_once("://").is_some_and(|(scheme, host)| {
        scheme.bytes().all(|c| c.is_ascii_alphanumeric())
            && !scheme.is_empty()
            && !host.is_empty()
            && host.bytes().all(|c| c.is_ascii_graphic() && !b"/?#@\"\\*,".contains(&c))
    });
    let value = HeaderValue::from_str(text).ok().filter(|_| plain || text == "*");
    value.ok_or_else(|| format!("cors: '{text}' is no origin: write https://host[:port], or *"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn sharing(json: &str) -> Result<Sharing, String> {
        Sharing::read(&serde_json::from_str(json).unwrap())
    }

    fn asked(sharing: &Sharing, origin: &str, method: &str, headers: &str) -> Response<Body> {
        let request = Request::builder()
            .method("OPTIONS")
            .header("origin", origin)
            .header("access-control-request-method", method)
            .header("access-control-request-headers", headers)
            .body(())
            .unwrap();
        let mut response = sharing.preflight(&request.into_parts().0).unwrap();
        let origin = HeaderValue::from_str(origin).unwrap();
        sharing.mark(Some(&origin), response.headers_mut());
        response
    }

    #[test]
    fn a_preflight_passes_for_what_is_named_only() {
        let some = sharing(r#"{"origins":["https://a.example"],"credentials":true,"max_age":60}"#).unwrap();
        let good = asked(&some, "https://a.example", "POST", "Content-Type, authorization");
        assert_eq!(good.status(), 204);
        for (name, value) in [
            ("access-control-allow-origin", "https://a.example"),
            ("access-control-allow-methods", "GET, POST"),
            ("access-control-allow-headers", "authorization, content-type"),
            ("access-control-allow-credentials", "true"),
            ("access-control-max-age", "60"),
        ] {
            assert_eq!(good.headers()[name], value, "{name}");
        }
        assert_eq!(good.headers().get_all("vary").iter().count(), 2);
        for (origin, method, headers) in [
            ("https://b.example", "POST", ""),
            ("https://a.example:444", "POST", ""),
            ("null", "POST", ""),
            ("https://a.example", "DELETE", ""),
            ("https://a.example", "POST", "x-other"),
        ] {
            let bad = asked(&some, origin, method, headers);
            assert_eq!(bad.status(), 403, "{origin} {method} {headers}");
            assert!(!bad.headers().contains_key("access-control-allow-methods"));
        }
    }

    #[test]
    fn every_origin_is_a_star_and_every_header_is_echoed() {
        let all = sharing(r#"{"origins":["*"],"headers":["*"],"expose":["ratelimit"]}"#).unwrap();
        let good = asked(&all, "https://x.example", "GET", "x-a,x-b");
        assert_eq!(good.headers()["access-control-allow-origin"], "*");
        assert_eq!(good.headers()["access-control-allow-headers"], "x-a,x-b");
        assert_eq!(good.headers()["access-control-expose-headers"], "ratelimit");
    }

    #[test]
    fn wrong_settings_are_told() {
        for bad in [
            r#"{}"#,
            r#"{"origins":["*"],"credentials":true}"#,
            r#"{"origins":["null"]}"#,
            r#"{"origins":["https://a.example/path"]}"#,
            r#"{"origins":["*.example"]}"#,
            r#"{"origins":["*"],"methods":["G T"]}"#,
            r#"{"origins":["*"],"headers":["a b"]}"#,
            r#"{"origins":["*"],"expose":["a b"]}"#,
        ] {
            assert!(sharing(bad).unwrap_err().starts_with("cors"), "{bad}");
        }
    }
}
