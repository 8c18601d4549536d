//! Telling: one POST of a form, for the token endpoint of a login provider.

use crate::body::Body;
use crate::client::{Client, Limits};
use crate::error::{Error, Result};
use crate::guard::shown;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use tokio::time::Instant;

impl Client {
    /// Posts a form (`application/x-www-form-urlencoded`) and gives the body of a 200 answer, not yet read. Everything else is an
    /// [`Error`]; no redirect is followed, since the form may hold a secret.
    pub async fn post_form(
        &self,
        url: &str,
        form: String,
        authorization: Option<&str>,
        limits: Limits,
    ) -> Result<Body> {
        let deadline = Instant::now() + limits.timeout;
        let url = self.guard.url(url)?;
        let mut request = self
            .client(&url)?
            .post(url.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(form);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = self.answer(&url, request, limits, deadline).await?;
        if response.status().as_u16() != 200 {
            return Err(Error::Status { url: shown(&url), status: response.status().as_u16() });
        }
        Body::new(&url, response, limits, deadline)
    }
}
