//! The built-in token service: client credentials (RFC 6749 §4.4) in the v1 and v2 shapes of Entra ID, discovery, keys,
//! introspection (RFC 7662), revocation (RFC 7009).

mod client;
mod failure;
mod form;
mod grant;
pub(crate) mod job;
mod lookup;

pub(crate) use client::note_use;

use crate::gateway::{CONTROL_AUDIENCE, Gateway};
use bytes::Bytes;
use failure::Failure;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use std::net::IpAddr;
use web::{Body, Problem, RequestBody};

/// The two generations of the service's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    /// Numbers as text, `resource`.
    V1,
    /// Numbers as numbers, `scope`.
    V2,
}

use Generation::{V1, V2};

/// Answers a request below `/{tenant}/`.
pub(crate) async fn serve(
    gateway: &Gateway,
    path: &str,
    request: Request<RequestBody>,
    from: IpAddr,
) -> Response<Body> {
    let get = matches!(*request.method(), Method::GET | Method::HEAD);
    let post = *request.method() == Method::POST;
    match path {
        ".well-known/openid-configuration" if get => document(&openid(gateway, V1)),
        "v2.0/.well-known/openid-configuration" if get => document(&openid(gateway, V2)),
        ".well-known/oauth-authorization-server" if get => document(&metadata(gateway, V1)),
        "v2.0/.well-known/oauth-authorization-server" if get => document(&metadata(gateway, V2)),
        "discovery/keys" | "discovery/v2.0/keys" if get => keys(gateway, &request),
        "oauth2/token" if post => reply(grant::token(gateway, request, from, V1).await),
        "oauth2/v2.0/token" if post => reply(grant::token(gateway, request, from, V2).await),
        "oauth2/v2.0/introspect" if post => reply(lookup::introspect(gateway, request, from).await),
        "oauth2/v2.0/revoke" if post => reply(lookup::revoke(gateway, request, from).await),
        ".well-known/openid-configuration"
        | "v2.0/.well-known/openid-configuration"
        | ".well-known/oauth-authorization-server"
        | "v2.0/.well-known/oauth-authorization-server"
        | "discovery/keys"
        | "discovery/v2.0/keys" => other_method("GET, HEAD"),
        "oauth2/token" | "oauth2/v2.0/token" | "oauth2/v2.0/introspect" | "oauth2/v2.0/revoke" => {
            other_method("POST")
        }
        _ => not_found(),
    }
}

/// Answers a request below `/.well-known/`: the metadata of both issuers where RFC 8414 §3.1 puts them, and who issues tokens for
/// this server (RFC 9728). None when there is no such document.
pub(crate) fn well_known(gateway: &Gateway, path: &str, method: &Method) -> Option<Response<Body>> {
    let of_issuer =
        path.strip_prefix("oauth-authorization-server/").and_then(|p| p.strip_prefix(&*gateway.tenant));
    let body = match (path, of_issuer) {
        ("oauth-protected-resource", _) => protected_resource(gateway),
        (_, Some("")) => metadata(gateway, V1),
        (_, Some("/v2.0")) => metadata(gateway, V2),
        _ => return None,
    };
    let get = matches!(*method, Method::GET | Method::HEAD);
    Some(if get { document(&body) } else { other_method("GET, HEAD") })
}

/// The key set; verifiers may keep it for as long as a next key is published before it signs.
fn keys(gateway: &Gateway, request: &Request<RequestBody>) -> Response<Body> {
    let (jwks, tag) = gateway.signing.jwks();
    let held = request.headers().get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    let fresh = held.flat_map(|list| list.split(',')).any(|t| t.trim().trim_start_matches("W/") == tag);
    let (status, body) =
        if fresh { (StatusCode::NOT_MODIFIED, Bytes::new()) } else { (StatusCode::OK, jwks) };
    let mut response = answer(status, "application/jwk-set+json", body, "no-cache");
    let headers = response.headers_mut();
    let keep = format!("public, max-age={}", gateway.signing_config.lead.0.as_secs());
    for (name, value) in [(header::CACHE_CONTROL, &keep), (header::ETAG, &tag)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    response
}

fn not_found() -> Response<Body> {
    let mut response = Problem::of_status(StatusCode::NOT_FOUND, None).to_response();
    web::finish::secure(response.headers_mut());
    response
}

fn other_method(allow: &'static str) -> Response<Body> {
    let mut response = Problem::of_status(StatusCode::METHOD_NOT_ALLOWED, None).to_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    web::finish::secure(response.headers_mut());
    response
}

/// Answers with tokens are never kept by anybody (RFC 6749 §5.1).
fn reply(result: Result<Value, Failure>) -> Response<Body> {
    match result {
        Ok(body) => {
            let mut response = answer(
                StatusCode::OK,
                "application/json; charset=utf-8",
                body.to_string().into(),
                "no-store",
            );
            response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
            response
        }
        Err(failure) => failure.response(),
    }
}

fn document(body: &Value) -> Response<Body> {
    answer(StatusCode::OK, "application/json; charset=utf-8", body.to_string().into(), "public, max-age=300")
}

fn answer(status: StatusCode, kind: &'static str, body: Bytes, cache: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    web::finish::secure(headers);
    response
}

/// The issuer's name of a generation.
pub(crate) fn issuer(gateway: &Gateway, generation: Generation) -> String {
    let base = format!("{}/{}", gateway.public_url, gateway.tenant);
    match generation {
        V1 => base + "/",
        V2 => base + "/v2.0",
    }
}

/// The authorization server's metadata (RFC 8414 §2).
fn metadata(gateway: &Gateway, generation: Generation) -> Value {
    let base = format!("{}/{}", gateway.public_url, gateway.tenant);
    let (token, keys) = match generation {
        V1 => ("oauth2/token", "discovery/keys"),
        V2 => ("oauth2/v2.0/token", "discovery/v2.0/keys"),
    };
    let methods = ["client_secret_post", "client_secret_basic"];
    json!({
        "issuer": issuer(gateway, generation),
        "token_endpoint": format!("{base}/{token}"),
        "jwks_uri": format!("{base}/{keys}"),
        "introspection_endpoint": format!("{base}/oauth2/v2.0/introspect"),
        "revocation_endpoint": format!("{base}/oauth2/v2.0/revoke"),
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": ["token"],
        "scopes_supported": [format!("{CONTROL_AUDIENCE}/.default")],
        "token_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
    })
}

/// The discovery document (OpenID Connect Discovery 1.0 §3): the metadata, and what it requires besides.
fn openid(gateway: &Gateway, generation: Generation) -> Value {
    let mut document = metadata(gateway, generation);
    let mut algorithms: Vec<_> = gateway.signing.algorithms().iter().map(|a| a.as_str()).collect();
    if !algorithms.contains(&"RS256") {
        // Every OpenID document names it.
        algorithms.push("RS256");
    }
    document["subject_types_supported"] = json!(["pairwise"]);
    document["id_token_signing_alg_values_supported"] = json!(algorithms);
    document
}

/// Where tokens for this server come from (RFC 9728 §2).
fn protected_resource(gateway: &Gateway) -> Value {
    json!({
        "resource": gateway.public_url,
        "authorization_servers": [issuer(gateway, V2), issuer(gateway, V1)],
        "bearer_methods_supported": ["header"],
    })
}
