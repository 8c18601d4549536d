//! [`guarded!`](crate::guarded): no route without an access extractor, and every route's need in the description.

use crate::access::{Access, Need};
use utoipa::openapi::extensions::Extensions;
use utoipa_axum::router::UtoipaMethodRouter;

/// The member of an operation that tells what a caller must have.
pub const NEEDS: &str = "x-portcullis-needs";

/// A handler whose first argument is an [`Access`] extractor.
#[diagnostic::on_unimplemented(
    message = "the handler's first argument is no access extractor",
    label = "start its arguments with `_: Reader`, `who: Contributor`, `who: Owner` or `who: On<OfEndpoint, Owner>`"
)]
pub trait Guarded<Arguments> {
    /// What a caller must have.
    fn needs() -> Vec<Need>;
}

macro_rules! guarded_arities {
    ($($rest:ident),*) => {
        impl<F, R, A: Access, $($rest),*> Guarded<(A, $($rest,)*)> for F where F: Fn(A, $($rest),*) -> R {
            fn needs() -> Vec<Need> {
                A::needs()
            }
        }
    };
}
guarded_arities!();
guarded_arities!(B);
guarded_arities!(B, C);
guarded_arities!(B, C, D);
guarded_arities!(B, C, D, E);
guarded_arities!(B, C, D, E, G);
guarded_arities!(B, C, D, E, G, H);

/// Compiles only for a [`Guarded`] handler; writes its needs into the description of its route.
pub fn described<Arguments, F: Guarded<Arguments> + Copy, S: Send + Sync + Clone + 'static>(
    _: F,
    mut route: UtoipaMethodRouter<S>,
) -> UtoipaMethodRouter<S> {
    let needs = serde_json::json!(F::needs());
    for item in route.1.paths.values_mut() {
        let operations =
            [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch, &mut item.head];
        for operation in operations.into_iter().flatten() {
            let told = Extensions::builder().add(NEEDS, needs.clone()).build();
            operation.extensions.get_or_insert_default().merge(told);
        }
    }
    route
}

/// `utoipa_axum::routes!` for one handler, refusing one that does not say who may call it.
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
    ($handler:path $(,)?) => {
        $crate::guard::described($handler, $crate::private::utoipa_axum::routes!($handler))
    };
}
