//! The HTTP pieces every surface shares: the strict listener, problems, request ids, access, extractors, uploads.
//!
//! No route lives here. [`serve`] takes connections and checks them on the raw stream; a [`Service`] answers; handlers of
//! the control plane say what they need by their first argument ([`access`]) and fail with a [`Problem`].

pub mod access;
pub mod body;
pub mod config;
pub mod decode;
pub mod download;
pub mod error;
pub mod extract;
pub mod finish;
pub mod guard;
pub mod hosts;
pub mod listen;
pub mod mlflow;
pub mod peer;
pub mod problem;
pub mod routes;
pub mod swagger;
pub mod tls;
pub mod upload;

pub use access::{
    Access, Both, Caller, Contributor, Judge, OfEndpoint, OfModel, OfScope, On, Open, OrJob, Owner, Reader,
    Refusal, Rights, Visible, Within,
};
pub use body::{Body, BodyError, RequestBody, collect};
pub use config::HttpLimits;
pub use decode::{Coding, Inflate, InflateLimits};
pub use error::Error;
pub use extract::{BodyLimit, JsonBody, Page};
pub use finish::{ErrorForm, RequestId, finish};
pub use hosts::Hosts;
pub use listen::{Service, serve};
pub use mlflow::{MlflowCode, MlflowError, speaks_mlflow};
pub use peer::{Link, Peer, Ranges};
pub use problem::{FieldError, Problem};
pub use routes::{Route, Routes};
pub use swagger::SwaggerAssets;
pub use tls::{ClientCertificate, Tls, TlsConfig};

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use listen::fuzzing;

#[doc(hidden)]
pub mod private {
    pub use utoipa_axum;
}
