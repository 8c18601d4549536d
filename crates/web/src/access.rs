//! What a handler needs stands in its signature: the first argument is an [`Access`] extractor, and [`guarded!`] refuses to
//! build a route whose handler has none.
//!
//! [`Reader`], [`Contributor`] and [`Owner`] ask for a role on the workspace, [`On`] for one on the endpoint or model that the path
//! names. Where only the body or the store tells what is concerned, [`Within`] hides who calls until the handler has asked.
//! [`Visible`] lets in whoever may read something, for lists that show no more than that.

use crate::problem::Problem;
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams};
use domain::{Actor, ErrorCode, ModelName, Name, Role, RunId, Scope};
use http::request::Parts;
use serde::Serialize;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// Who calls the control plane, as the authentication layer found out. It stands in the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name the ledger will carry.
    pub actor: Actor,
    /// Its role on the workspace, if it has one.
    pub role: Option<Role>,
    /// The running job that it is, when the token is a job's own.
    pub job: Option<RunId>,
}

/// What a caller may do; the gate decides. It stands in the request's extensions beside the [`Caller`].
pub trait Rights: Send + Sync {
    /// Whether the caller may do on `scope` what `role` stands for.
    fn may(&self, role: Role, scope: &Scope) -> bool;
    /// The endpoints the caller may read; none when it may read all.
    fn endpoints(&self) -> Option<Vec<Name>>;
    /// Whether there is anything at all on which the caller may do what `role` stands for.
    fn somewhere(&self, role: Role) -> bool;
    /// Told of every refusal, with the route as it is written in the router.
    fn refused(&self, refusal: &Refusal<'_>);
}

/// A request that was refused for want of a role.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// The role that would have been needed.
    pub role: Role,
    /// On what.
    pub scope: &'a Scope,
    /// The request's method.
    pub method: &'a http::Method,
    /// The route, as `/api/v1/endpoints/{name}/keys`.
    pub route: &'a str,
}

/// The [`Rights`] of a request's caller, as an extension.
#[derive(Clone)]
pub struct Judge(pub Arc<dyn Rights>);

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judge")
    }
}

/// A role on a kind of thing, as the description of the control plane shows it under `x-portcullis-needs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Need {
    /// The least role.
    pub role: Role,
    /// On what.
    pub on: &'static str,
}

mod sealed {
    pub trait Sealed {}
}

/// An extractor that decides who gets in. Sealed: the kinds are those of this file.
pub trait Access: sealed::Sealed {
    /// What a caller must have; all of it. Empty for open routes.
    fn needs() -> Vec<Need>;
}

/// A role as a type.
pub trait Level: sealed::Sealed + Send + Sync {
    /// The role.
    const ROLE: Role;
}

/// What a request is about, as a type.
pub trait Target: sealed::Sealed + Send + Sync {
    /// Its kind, for the description.
    const KIND: &'static str;
}

/// A [`Target`] that the path names.
pub trait InPath: Target {
    /// Reads it from the path's parameters.
    fn scope(parameters: &RawPathParams) -> Result<Scope, Problem>;
}

/// Who asks, what it may do, and what it asked for: all that a decision and its record need.
#[derive(Clone)]
struct Asking {
    caller: Caller,
    rights: Arc<dyn Rights>,
    method: http::Method,
    route: String,
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking")
            .field("caller", &self.caller)
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}

impl Asking {
    fn of(parts: &Parts) -> Result<Self, Problem> {
        let known = parts.extensions.get::<Caller>().zip(parts.extensions.get::<Judge>());
        let (caller, judge) = known.ok_or_else(|| {
            Problem::new(
                ErrorCode::Unauthenticated,
                "no credentials: send the admin token or a token of the token service as Authorization: Bearer",
            )
        })?;
        let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        Ok(Self {
            caller: caller.clone(),
            rights: judge.0.clone(),
            method: parts.method.clone(),
            route: route.to_owned(),
        })
    }

    fn demand(&self, role: Role, scope: &Scope) -> Result<(), Problem> {
        if self.rights.may(role, scope) { Ok(()) } else { Err(self.refuse(role, scope)) }
    }

    fn note(&self, role: Role, scope: &Scope) {
        self.rights.refused(&Refusal { role, scope, method: &self.method, route: &self.route });
    }

    fn refuse(&self, role: Role, scope: &Scope) -> Problem {
        self.note(role, scope);
        let (actor, role) = (&self.caller.actor, role.as_str());
        if let Some(run) = &self.caller.job {
            return Problem::new(
                ErrorCode::Forbidden,
                format!(
                    "the token of job {run} does not reach this: it writes to the job's own run and to what the job makes, and reads data, \
                     models, experiments and runs; use the token of a principal that has the role {role} on {scope}"
                ),
            );
        }
        Problem::new(
            ErrorCode::Forbidden,
            format!(
                "'{actor}' has not the role {role} on {scope}: an owner gives it with \
                 `portcullis role assign {actor} {role} --on {scope}`"
            ),
        )
    }
}

macro_rules! level {
    ($(#[$doc:meta])* $name:ident, $role:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(Asking);

        impl $name {
            /// Who calls, for the ledger.
            pub fn actor(&self) -> &Actor {
                &self.0.caller.actor
            }
        }

        impl sealed::Sealed for $name {}

        impl Level for $name {
            const ROLE: Role = $role;
        }

        impl Access for $name {
            fn needs() -> Vec<Need> {
                vec![Need { role: $role, on: "workspace" }]
            }
        }

        impl<S: Send + Sync> FromRequestParts<S> for $name {
            type Rejection = Problem;
            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
                let asking = Asking::of(parts)?;
                asking.demand($role, &Scope::Workspace)?;
                Ok(Self(asking))
            }
        }
    };
}

level!(
    /// Lets readers, contributors and owners of the workspace in.
    Reader,
    Role::Reader
);
level!(
    /// Lets contributors and owners of the workspace in.
    Contributor,
    Role::Contributor
);
level!(
    /// Lets owners of the workspace in.
    Owner,
    Role::Owner
);

/// An endpoint; in paths the parameter `name`.
#[derive(Debug)]
pub struct OfEndpoint;

/// A model; in paths the parameter `name`.
#[derive(Debug)]
pub struct OfModel;

/// What a role is held on; in paths the parameter `scope`.
#[derive(Debug)]
pub struct OfScope;

impl sealed::Sealed for OfEndpoint {}
impl sealed::Sealed for OfModel {}
impl sealed::Sealed for OfScope {}

impl Target for OfEndpoint {
    const KIND: &'static str = "endpoint";
}
impl Target for OfModel {
    const KIND: &'static str = "model";
}
impl Target for OfScope {
    const KIND: &'static str = "scope";
}

impl InPath for OfEndpoint {
    fn scope(parameters: &RawPathParams) -> Result<Scope, Problem> {
        Ok(Scope::Endpoint(Name::new(parameter(parameters, "name"))?))
    }
}
impl InPath for OfModel {
    fn scope(parameters: &RawPathParams) -> Result<Scope, Problem> {
        Ok(Scope::Model(ModelName::new(parameter(parameters, "name"))?))
    }
}
impl InPath for OfScope {
    fn scope(parameters: &RawPathParams) -> Result<Scope, Problem> {
        let text = parameter(parameters, "scope");
        text.parse().map_err(|e: String| Problem::new(ErrorCode::InvalidInput, e))
    }
}

fn parameter<'a>(parameters: &'a RawPathParams, name: &str) -> &'a str {
    parameters.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
}

/// Lets in whoever has the role on what the path names, or on the workspace. What does not exist is judged as the workspace:
/// only those who may see everything learn that it is not there.
#[derive(Debug, Clone)]
pub struct On<T, L>(Asking, PhantomData<(T, L)>);

impl<T, L> On<T, L> {
    /// Who calls, for the ledger.
    pub fn actor(&self) -> &Actor {
        &self.0.caller.actor
    }

    /// Whether the caller may also do this on something else, for what an answer shows.
    pub fn may(&self, role: Role, scope: &Scope) -> bool {
        self.0.rights.may(role, scope)
    }
}

impl<T, L> sealed::Sealed for On<T, L> {}

impl<T: InPath, L: Level> Access for On<T, L> {
    fn needs() -> Vec<Need> {
        vec![Need { role: L::ROLE, on: T::KIND }]
    }
}

impl<S: Send + Sync, T: InPath, L: Level> FromRequestParts<S> for On<T, L> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let asking = Asking::of(parts)?;
        let wrong = |e: axum::extract::rejection::RawPathParamsRejection| {
            Problem::new(ErrorCode::InvalidInput, e.to_string())
        };
        let parameters = RawPathParams::from_request_parts(parts, state).await.map_err(wrong)?;
        asking.demand(L::ROLE, &T::scope(&parameters)?)?;
        Ok(Self(asking, PhantomData))
    }
}

/// For requests whose body, or the store, tells what they are about: nobody learns who calls before [`Within::on`] has decided.
/// Whoever has the role on nothing at all does not get in.
#[derive(Debug, Clone)]
pub struct Within<T, L>(Asking, PhantomData<(T, L)>);

impl<T: Target, L: Level> Within<T, L> {
    /// Decides; gives who calls, for the ledger.
    pub fn on(&self, scope: &Scope) -> Result<&Actor, Problem> {
        self.0.demand(L::ROLE, scope)?;
        Ok(&self.0.caller.actor)
    }

    /// Whether the caller may also do this on something else.
    pub fn may(&self, role: Role, scope: &Scope) -> bool {
        self.0.rights.may(role, scope)
    }
}

impl<T, L> sealed::Sealed for Within<T, L> {}

impl<T: Target, L: Level> Access for Within<T, L> {
    fn needs() -> Vec<Need> {
        vec![Need { role: L::ROLE, on: T::KIND }]
    }
}

impl<S: Send + Sync, T: Target, L: Level> FromRequestParts<S> for Within<T, L> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let asking = Asking::of(parts)?;
        // Whoever has the role nowhere is told so before the body is read.
        if !asking.rights.somewhere(L::ROLE) {
            return Err(asking.refuse(L::ROLE, &Scope::Workspace));
        }
        Ok(Self(asking, PhantomData))
    }
}

/// Two needs at once.
#[derive(Debug, Clone)]
pub struct Both<A, B>(pub A, pub B);

impl<A, B> sealed::Sealed for Both<A, B> {}

impl<A: Access, B: Access> Access for Both<A, B> {
    fn needs() -> Vec<Need> {
        [A::needs(), B::needs()].concat()
    }
}

impl<S, A, B> FromRequestParts<S> for Both<A, B>
where
    S: Send + Sync,
    A: FromRequestParts<S, Rejection = Problem> + Send,
    B: FromRequestParts<S, Rejection = Problem> + Send,
{
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(A::from_request_parts(parts, state).await?, B::from_request_parts(parts, state).await?))
    }
}

/// Lets in whoever may read anything: a list then shows what [`Visible::may_read`] says, and no more.
#[derive(Debug, Clone)]
pub struct Visible(Asking);

impl Visible {
    /// Who calls.
    pub fn actor(&self) -> &Actor {
        &self.0.caller.actor
    }

    /// Whether the caller may read this.
    pub fn may_read(&self, scope: &Scope) -> bool {
        self.0.rights.may(Role::Reader, scope)
    }

    /// The endpoints the caller may read; none when it may read all.
    pub fn endpoints(&self) -> Option<Vec<Name>> {
        self.0.rights.endpoints()
    }

    /// Refuses when the caller may not read this.
    pub fn demand(&self, scope: &Scope) -> Result<(), Problem> {
        self.0.demand(Role::Reader, scope)
    }
}

impl sealed::Sealed for Visible {}

impl Access for Visible {
    fn needs() -> Vec<Need> {
        vec![Need { role: Role::Reader, on: "anything" }]
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visible {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let asking = Asking::of(parts)?;
        if asking.rights.somewhere(Role::Reader) {
            return Ok(Self(asking));
        }
        Err(asking.refuse(Role::Reader, &Scope::Workspace))
    }
}

/// Lets everybody in whom the authentication layer let through: only of use on a path of its list of open paths.
#[derive(Debug, Clone, Copy)]
pub struct Open;

impl sealed::Sealed for Open {}

impl Access for Open {
    fn needs() -> Vec<Need> {
        Vec::new()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Open {
    type Rejection = std::convert::Infallible;
    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self)
    }
}

mod job;
#[cfg(test)]
mod tests;

pub use job::OrJob;
