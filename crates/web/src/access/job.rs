//! [`OrJob`]: routes that a running job may call with its own token.

use super::{Access, Asking, Contributor, Level, Need, On, Reader, Target, Visible, Within, sealed};
use crate::problem::Problem;
use axum::extract::FromRequestParts;
use domain::{Actor, ErrorCode, Role, RunId, Scope};
use http::request::Parts;

/// Lets in whoever `A` lets in, and running jobs. A job has no role at all: every other extractor refuses it, so a handler says with
/// this one that jobs may call it. What of it is the job's own, the handler must ask for itself, by [`job`](Self::job).
#[derive(Debug, Clone)]
pub struct OrJob<A>(Entered<A>);

#[derive(Debug, Clone)]
enum Entered<A> {
    Role(A),
    Job(Asking, RunId),
}

impl<A> OrJob<A> {
    /// The job that calls, when it is one.
    pub fn job(&self) -> Option<&RunId> {
        match &self.0 {
            Entered::Role(_) => None,
            Entered::Job(_, run) => Some(run),
        }
    }

    /// Why a job may not do this to what is not its own, and the record of it; `what` names it.
    pub fn foreign(&self, what: &str) -> Problem {
        let Entered::Job(asking, run) = &self.0 else {
            return Problem::new(ErrorCode::Forbidden, format!("{what} cannot be changed"));
        };
        asking.note(Role::Contributor, &Scope::Workspace);
        Problem::new(
            ErrorCode::Forbidden,
            format!(
                "the job {run} did not make {what}: its token changes its own run, what it made itself, and nothing else; change it \
                 with the token of a principal that has the role contributor"
            ),
        )
    }
}

impl OrJob<Reader> {
    /// Who calls, for the ledger.
    pub fn actor(&self) -> &Actor {
        match &self.0 {
            Entered::Role(who) => who.actor(),
            Entered::Job(asking, _) => &asking.caller.actor,
        }
    }
}

impl OrJob<Contributor> {
    /// Who calls, for the ledger.
    pub fn actor(&self) -> &Actor {
        match &self.0 {
            Entered::Role(who) => who.actor(),
            Entered::Job(asking, _) => &asking.caller.actor,
        }
    }
}

impl<T, L> OrJob<On<T, L>> {
    /// Who calls, for the ledger.
    pub fn actor(&self) -> &Actor {
        match &self.0 {
            Entered::Role(who) => who.actor(),
            Entered::Job(asking, _) => &asking.caller.actor,
        }
    }

    /// Whether the caller may also do this on something else; a job reads what no endpoint is.
    pub fn may(&self, role: Role, scope: &Scope) -> bool {
        match &self.0 {
            Entered::Role(who) => who.may(role, scope),
            Entered::Job(..) => reads(role, scope),
        }
    }
}

impl<T: Target, L: Level> OrJob<Within<T, L>> {
    /// Decides; gives who calls, for the ledger.
    pub fn on(&self, scope: &Scope) -> Result<&Actor, Problem> {
        match &self.0 {
            Entered::Role(who) => who.on(scope),
            Entered::Job(asking, _) => Ok(&asking.caller.actor),
        }
    }

    /// Whether the caller may also do this on something else; a job reads what no endpoint is.
    pub fn may(&self, role: Role, scope: &Scope) -> bool {
        match &self.0 {
            Entered::Role(who) => who.may(role, scope),
            Entered::Job(..) => reads(role, scope),
        }
    }
}

impl OrJob<Visible> {
    /// Whether the caller may read this.
    pub fn may_read(&self, scope: &Scope) -> bool {
        match &self.0 {
            Entered::Role(who) => who.may_read(scope),
            Entered::Job(..) => reads(Role::Reader, scope),
        }
    }
}

/// What jobs read besides their own.
fn reads(role: Role, scope: &Scope) -> bool {
    role == Role::Reader && !matches!(scope, Scope::Endpoint(_))
}

impl<A> sealed::Sealed for OrJob<A> {}

impl<A: Access> Access for OrJob<A> {
    fn needs() -> Vec<Need> {
        A::needs()
    }
}

impl<S, A> FromRequestParts<S> for OrJob<A>
where
    S: Send + Sync,
    A: FromRequestParts<S, Rejection = Problem> + Send,
{
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let asking = Asking::of(parts)?;
        match asking.caller.job.clone() {
            Some(run) => Ok(Self(Entered::Job(asking, run))),
            None => Ok(Self(Entered::Role(A::from_request_parts(parts, state).await?))),
        }
    }
}
