//! Every extractor against every role.

use super::*;
use axum::Router;
use axum::routing::get;
use std::sync::Mutex;
use tower::ServiceExt;

/// A caller with one role on one thing.
#[derive(Default)]
struct One {
    held: Option<(Role, Scope)>,
    refusals: Mutex<Vec<String>>,
}

impl Rights for One {
    fn may(&self, role: Role, scope: &Scope) -> bool {
        let Some((held, on)) = &self.held else { return false };
        held.includes(role) && (*on == Scope::Workspace || on == scope)
    }
    fn endpoints(&self) -> Option<Vec<Name>> {
        Some(Vec::new())
    }
    fn somewhere(&self, role: Role) -> bool {
        self.held.as_ref().is_some_and(|(held, _)| held.includes(role))
    }
    fn refused(&self, refusal: &Refusal<'_>) {
        let line = format!("{} {} {}", refusal.role.as_str(), refusal.scope, refusal.route);
        self.refusals.lock().unwrap().push(line);
    }
}

fn routes() -> Router {
    Router::new()
        .route("/reader", get(|_: Reader| async {}))
        .route("/contributor", get(|_: Contributor| async {}))
        .route("/owner", get(|_: Owner| async {}))
        .route("/visible", get(|_: Visible| async {}))
        .route("/endpoints/{name}", get(|_: On<OfEndpoint, Contributor>| async {}))
        .route("/models/{name}", get(|_: On<OfModel, Reader>| async {}))
        .route("/roles/{scope}", get(|_: On<OfScope, Owner>| async {}))
        .route(
            "/within",
            get(|who: Within<OfEndpoint, Owner>| async move {
                who.on(&"endpoint:a".parse().unwrap()).map(|_| ())
            }),
        )
}

async fn statuses(rights: Arc<One>, paths: &[&str]) -> Vec<u16> {
    let mut seen = Vec::new();
    for path in paths {
        let mut request = http::Request::get(*path).body(axum::body::Body::empty()).unwrap();
        request.extensions_mut().insert(Caller { actor: Actor("x".into()), role: None, job: None });
        request.extensions_mut().insert(Judge(rights.clone()));
        seen.push(routes().oneshot(request).await.unwrap().status().as_u16());
    }
    seen
}

#[tokio::test]
async fn every_level_against_every_role() {
    const PATHS: [&str; 4] = ["/reader", "/contributor", "/owner", "/visible"];
    let roles = [None, Some(Role::Scorer), Some(Role::Reader), Some(Role::Contributor), Some(Role::Owner)];
    let mut seen = Vec::new();
    for role in roles {
        let held = role.map(|role| (role, Scope::Workspace));
        seen.push(statuses(Arc::new(One { held, ..One::default() }), &PATHS).await);
    }
    let wanted: [[u16; 4]; 5] = [
        [403, 403, 403, 403],
        [403, 403, 403, 403],
        [200, 403, 403, 200],
        [200, 200, 403, 200],
        [200, 200, 200, 200],
    ];
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn a_role_on_one_thing_opens_that_thing_only() {
    let rights = Arc::new(One { held: Some((Role::Owner, "endpoint:a".parse().unwrap())), ..One::default() });
    let opened = ["/endpoints/a", "/roles/endpoint:a", "/within", "/visible"];
    assert_eq!(statuses(rights.clone(), &opened).await, [200; 4]);
    let shut = ["/endpoints/b", "/models/a", "/roles/endpoint:b", "/roles/workspace", "/owner"];
    assert_eq!(statuses(rights.clone(), &shut).await, [403; 5]);
    assert_eq!(statuses(rights.clone(), &["/roles/nonsense", "/endpoints/..%2Fa"]).await, [400; 2]);
    let told = rights.refusals.lock().unwrap().clone();
    assert_eq!(told[..2], ["contributor endpoint:b /endpoints/{name}", "reader model:a /models/{name}"]);
    assert_eq!(told.len(), shut.len());
}

#[tokio::test]
async fn nobody_gets_in_unknown() {
    for path in ["/reader", "/visible", "/endpoints/a", "/within"] {
        let request = http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        assert_eq!(routes().oneshot(request).await.unwrap().status(), 401, "{path}");
    }
}

#[test]
fn needs_add_up() {
    let needs = <Both<On<OfEndpoint, Contributor>, Within<OfModel, Reader>>>::needs();
    assert_eq!(
        serde_json::json!(needs),
        serde_json::json!([{"role": "contributor", "on": "endpoint"}, {"role": "reader", "on": "model"}])
    );
    assert_eq!(Open::needs(), []);
}
