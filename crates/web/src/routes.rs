//! Routes of a protocol that is not ours: guarded like all others, with a list of their needs instead of a description.
//!
//! What others have described already (the MLflow protocol) does not stand in `openapi.json`. The list takes its place: whoever tests
//! that every route asks for a role walks it too.

use crate::access::Need;
use crate::guard::Guarded;
use axum::Router;
use axum::handler::Handler;
use axum::routing::MethodFilter;

/// A route with what its handler asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method, upper case.
    pub method: &'static str,
    /// The path, with `{name}` for parameters.
    pub path: String,
    /// What a caller must have; all of it.
    pub needs: Vec<Need>,
}

/// A router of guarded routes, each under all of its prefixes.
#[derive(Debug)]
pub struct Routes<S> {
    router: Router<S>,
    list: Vec<Route>,
    prefixes: &'static [&'static str],
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident, $filter:ident;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $name<H, T, A>(self, path: &str, handler: H) -> Self
            where
                H: Handler<T, S> + Guarded<A> + Copy,
                T: 'static,
            {
                self.add((MethodFilter::$filter, stringify!($filter)), path, handler)
            }
        )*
    };
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes yet; those to come stand under every one of the prefixes. `""` is the root.
    pub fn under(prefixes: &'static [&'static str]) -> Self {
        Self { router: Router::new(), list: Vec::new(), prefixes }
    }

    methods! {
        /// Adds a GET.
        get, GET;
        /// Adds a POST.
        post, POST;
        /// Adds a PUT.
        put, PUT;
        /// Adds a PATCH.
        patch, PATCH;
        /// Adds a DELETE.
        delete, DELETE;
    }

    fn add<H, T, A>(mut self, (filter, method): (MethodFilter, &'static str), path: &str, handler: H) -> Self
    where
        H: Handler<T, S> + Guarded<A> + Copy,
        T: 'static,
    {
        for prefix in self.prefixes {
            let path = format!("{prefix}{path}");
            self.router = self.router.route(&path, axum::routing::on(filter, handler));
            self.list.push(Route { method, path, needs: H::needs() });
        }
        self
    }

    /// Joins another set of routes.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.list.extend(other.list);
        self
    }

    /// The list of the routes.
    pub fn list(&self) -> &[Route] {
        &self.list
    }

    /// The router.
    pub fn into_router(self) -> Router<S> {
        self.router
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Contributor, Reader};

    async fn read(_: Reader) {}
    async fn write(_: Contributor, _: String) {}

    #[test]
    fn every_route_stands_under_every_prefix_with_its_need() {
        let routes: Routes<()> = Routes::under(&["/a", "/b"]).get("/x", read).post("/x", write);
        let routes = routes.merge(Routes::under(&[""]).get("/y", read));
        let told: Vec<String> = routes
            .list()
            .iter()
            .map(|r| format!("{} {} {}", r.method, r.path, r.needs[0].role.as_str()))
            .collect();
        let all = [
            "GET /a/x reader",
            "GET /b/x reader",
            "POST /a/x contributor",
            "POST /b/x contributor",
            "GET /y reader",
        ];
        assert_eq!(told, all);
    }
}
