//! Publishing: a path at the gateway in front of an endpoint, old or new, never half.

mod check;
mod file;

use crate::error::{Error, Result};
use crate::gateway::Gateway;
use check::Bounds;
use domain::{Actor, Api, Fault, Name, Policy, Timestamp, TrustedIssuer};
use serde::{Deserialize, Serialize};
use store::{Former, Publication};

pub(crate) use check::{check_address, check_cors, check_header};
pub use file::{PolicyXml, PublishAsk, PublishedApi};

/// First segments that are the server's own, now or by design. The tenant's id is one more.
const RESERVED: [&str; 17] = [
    "api",
    "endpoints",
    "v2",
    "v1",
    "metrics",
    "health",
    "version",
    "docs",
    "ajax-api",
    "get-artifact",
    "model-versions",
    "ping",
    "studio",
    "static",
    ".well-known",
    "invocations",
    "favicon.ico",
];

/// Last segments that are operations of an API.
const OPERATIONS: [&str; 6] = ["score", "predict", "invocations", "swagger.json", "openapi.json", "docs"];
/// The longest path in bytes, and the most segments.
const PATH_MAX: usize = 256;
const SEGMENTS_MAX: usize = 8;

/// What to publish.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishApi {
    /// The path, one or more segments; slashes at its ends are dropped.
    pub path: String,
    /// The endpoint behind it.
    pub endpoint: Name,
    /// Whose tokens pass, how often, how large, with which headers.
    pub policy: Policy,
}

impl Gateway {
    /// Publishes an API, or replaces the one of the same path, in one transaction.
    pub async fn publish(&self, ask: PublishApi, by: &Actor) -> Result<Api, Fault> {
        self.publish_with(ask, &[], &Former::Whatever, by).await
    }

    /// The same, over what was judged; issuers that the policy names first are registered in the same transaction.
    async fn publish_with(
        &self,
        ask: PublishApi,
        issuers: &[TrustedIssuer],
        former: &Former,
        by: &Actor,
    ) -> Result<Api, Fault> {
        let path = check_path(&ask.path, &self.tenant)?;
        check::check_policy(&path, &ask.policy, self.bounds())?;
        crate::policy::check(&ask.policy).map_err(|why| Error::Rules(path.clone(), why))?;
        let api = Api { path, endpoint: ask.endpoint, policy: ask.policy, created: Timestamp::now() };
        self.store.publish_api(Publication { api: &api, issuers, former }, by, api.created).await?;
        self.refresh().await?;
        Ok(api)
    }

    fn bounds(&self) -> Bounds {
        Bounds { body_bytes: self.scoring.body_bytes, rows: self.scoring.limits.rows as u64 }
    }

    /// Takes an API off the gateway, if it is the one that was judged.
    pub async fn unpublish(&self, path: &str, former: Option<&Api>, by: &Actor) -> Result<(), Fault> {
        let path = path.trim_matches('/');
        self.store.delete_api(path, &Former::of(former), by, Timestamp::now()).await?;
        self.refresh().await
    }

    /// The API published at a path, if there is one.
    pub async fn api(&self, path: &str) -> Result<Option<Api>, Fault> {
        let path = path.trim_matches('/');
        Ok(self.store.apis().await?.into_iter().find(|api| api.path == path))
    }

    /// The published APIs, by path.
    pub async fn apis(&self) -> Result<Vec<Api>, Fault> {
        Ok(self.store.apis().await?)
    }
}

/// Whether a first segment belongs to the server itself, so that no API has it.
pub(crate) fn is_reserved(first: &str, tenant: &str) -> bool {
    RESERVED.iter().any(|r| r.eq_ignore_ascii_case(first)) || first.eq_ignore_ascii_case(tenant)
}

/// A path of plain segments that collides with nothing of the server's own.
fn check_path(text: &str, tenant: &str) -> Result<String> {
    let path = text.strip_prefix('/').unwrap_or(text);
    let path = path.strip_suffix('/').unwrap_or(path);
    let wrong = |why| Error::Path { path: text.chars().take(80).collect(), why };
    let segments: Vec<&str> = path.split('/').collect();
    if path.len() > PATH_MAX || segments.len() > SEGMENTS_MAX {
        return Err(wrong("it is longer than 256 bytes or 8 segments"));
    }
    let plain = |s: &&str| {
        s.bytes().next().is_some_and(|c| c.is_ascii_alphanumeric())
            && s.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-~".contains(&c))
    };
    if !segments.iter().all(plain) {
        let why = "each segment starts with a letter or digit, then letters, digits, '.', '_', '-' or '~'";
        return Err(wrong(why));
    }
    if is_reserved(segments[0], tenant) {
        return Err(wrong("its first segment is reserved for the server itself"));
    }
    // `a/score` would shadow the operation of the API `a`.
    if segments[1..].iter().any(|s| OPERATIONS.contains(s)) {
        return Err(wrong("a later segment is the name of an operation"));
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_plain_and_free() {
        for (text, path) in
            [("a", "a"), ("/credit/v1/", "credit/v1"), ("A.b_c-d~e", "A.b_c-d~e"), ("score", "score")]
        {
            assert_eq!(check_path(text, "t").unwrap(), path);
        }
        for bad in [
            "",
            "/",
            "//a",
            "a//b",
            "a/../b",
            ".well-known",
            "..",
            "a/.",
            "a b",
            "a%2fb",
            "a?b",
            "ü",
            "api",
            "API/x",
            "v2/x",
            "t",
            "T",
            "health",
            "docs/x",
            "a/score",
            "a/docs/b",
            "a/b/c/d/e/f/g/h/i",
            "-a",
        ] {
            assert!(check_path(bad, "t").is_err(), "{bad}");
        }
        assert!(check_path(&"a".repeat(257), "t").is_err());
    }
}
