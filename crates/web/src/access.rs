//! What a handler needs stands in its signature: the first argument is an [`Access`] extractor, and [`guarded!`] refuses to
//! build a route whose handler has none.

use crate::problem::Problem;
use axum::extract::FromRequestParts;
use domain::{Actor, ErrorCode, Role};
use http::request::Parts;

/// Who calls the control plane, as the authentication layer found out. It stands in the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name the ledger will carry.
    pub actor: Actor,
    /// What the caller may do.
    pub role: Role,
}

mod sealed {
    pub trait Sealed {}
}

/// An extractor that decides who gets in. Sealed: the levels are those of this file.
pub trait Access: sealed::Sealed {
    /// The least role let in; none for open routes.
    const NEEDS: Option<Role>;
}

fn caller(parts: &Parts, needed: Role) -> Result<Caller, Problem> {
    let caller = parts.extensions.get::<Caller>().ok_or_else(|| {
        Problem::new(
            ErrorCode::Unauthenticated,
            "no credentials: send the admin token or a token of the token service as Authorization: Bearer",
        )
    })?;
    if caller.role.includes(needed) {
        return Ok(caller.clone());
    }
    let (has, needs) = (caller.role.as_str(), needed.as_str());
    Err(Problem::new(
        ErrorCode::Forbidden,
        format!("'{}' has the role {has}; this needs the role {needs}", caller.actor),
    ))
}

macro_rules! level {
    ($(#[$doc:meta])* $name:ident, $role:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(Caller);

        impl $name {
            /// Who calls, for the ledger.
            pub fn actor(&self) -> &Actor {
                &self.0.actor
            }
        }

        impl sealed::Sealed for $name {}

        impl Access for $name {
            const NEEDS: Option<Role> = Some($role);
        }

        impl<S: Send + Sync> FromRequestParts<S> for $name {
            type Rejection = Problem;
            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
                caller(parts, $role).map(Self)
            }
        }
    };
}

level!(
    /// Lets readers, contributors and owners in.
    Reader,
    Role::Reader
);
level!(
    /// Lets contributors and owners in.
    Contributor,
    Role::Contributor
);
level!(
    /// Lets owners in.
    Owner,
    Role::Owner
);

/// Lets everybody in whom the authentication layer let through: only of use on a path of its list of open paths.
#[derive(Debug, Clone, Copy)]
pub struct Open;

impl sealed::Sealed for Open {}

impl Access for Open {
    const NEEDS: Option<Role> = None;
}

impl<S: Send + Sync> FromRequestParts<S> for Open {
    type Rejection = std::convert::Infallible;
    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self)
    }
}

/// A handler whose first argument is an [`Access`] extractor.
#[diagnostic::on_unimplemented(
    message = "the handler's first argument is no access extractor",
    label = "start its arguments with `_: Reader`, `who: Contributor` or `who: Owner`"
)]
pub trait Guarded<Arguments> {}

macro_rules! guarded_arities {
    ($($rest:ident),*) => {
        impl<F, R, A: Access, $($rest),*> Guarded<(A, $($rest,)*)> for F where F: Fn(A, $($rest),*) -> R {}
    };
}
guarded_arities!();
guarded_arities!(B);
guarded_arities!(B, C);
guarded_arities!(B, C, D);
guarded_arities!(B, C, D, E);
guarded_arities!(B, C, D, E, G);
guarded_arities!(B, C, D, E, G, H);

/// Compiles only for a [`Guarded`] handler; does nothing.
pub const fn assert_guarded<Arguments, F: Guarded<Arguments> + Copy>(_: F) {}

/// `utoipa_axum::routes!`, refusing handlers that do not say who may call them.
///
/// ```
/// # use portcullis_web::{Reader, guarded};
/// #[utoipa::path(get, path = "/x", responses((status = 200)))]
/// async fn show(_: Reader) {}
/// let router: utoipa_axum::router::OpenApiRouter = utoipa_axum::router::OpenApiRouter::new().routes(guarded!(show));
/// ```
///
/// A handler without an access extractor first does not build:
///
/// ```compile_fail,E0277
/// # use portcullis_web::guarded;
/// #[utoipa::path(get, path = "/x", responses((status = 200)))]
/// async fn show(_: http::Method) {}
/// let router: utoipa_axum::router::OpenApiRouter = utoipa_axum::router::OpenApiRouter::new().routes(guarded!(show));
/// ```
#[macro_export]
macro_rules! guarded {
    ($($handler:path),+ $(,)?) => {{
        $( $crate::access::assert_guarded($handler); )+
        $crate::private::utoipa_axum::routes!($($handler),+)
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn enter<A: FromRequestParts<(), Rejection = Problem>>(role: Option<Role>) -> u16 {
        let mut request = http::Request::new(());
        if let Some(role) = role {
            request.extensions_mut().insert(Caller { actor: Actor("x".into()), role });
        }
        let (mut parts, ()) = request.into_parts();
        A::from_request_parts(&mut parts, &()).await.map_or_else(|p| p.status, |_| 200)
    }

    #[tokio::test]
    async fn every_level_against_every_role() {
        let roles =
            [None, Some(Role::Scorer), Some(Role::Reader), Some(Role::Contributor), Some(Role::Owner)];
        let mut seen = Vec::new();
        for role in roles {
            seen.push([
                enter::<Reader>(role).await,
                enter::<Contributor>(role).await,
                enter::<Owner>(role).await,
            ]);
        }
        let wanted = [[401, 401, 401], [403, 403, 403], [200, 403, 403], [200, 200, 403], [200, 200, 200]];
        assert_eq!(seen, wanted);
    }
}
