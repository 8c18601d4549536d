//! The server under attack: one published API with its endpoint, a second API of another audience, clients of every role.
//! Built once and shared by the groups that run at the same time.

use super::forge::Rsa;
use crate::support::{Road, Server};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, Weak};

/// The score route of the published API.
pub const FRONT: &str = "/team/small/score";
/// The score route of the direct door.
pub const DIRECT: &str = "/endpoints/small/score";
/// A route of the control plane that a reader may see.
pub const CONTROL: &str = "/api/v1/server";
/// The audience of the control plane.
pub const CONTROL_AUDIENCE: &str = "urn:portcullis:control";

static SHARED: Mutex<Weak<World>> = Mutex::new(Weak::new());

/// A whole workspace to attack.
pub struct World {
    /// The server with its road.
    pub road: Road,
    /// The private key of the server's token service, as nobody but its owner has it.
    pub key: Rsa,
    /// The tenant.
    pub tenant: String,
    /// A scorer for `api://small`.
    pub scorer: Value,
    /// A reader of the control plane.
    pub reader: Value,
    /// A scorer whose tokens are for another API.
    pub other: Value,
    /// A client that is revoked.
    pub revoked: Value,
    /// The keys of another endpoint.
    pub other_keys: Value,
}

impl World {
    /// The shared one; made when none lives.
    pub fn get() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(world) = shared.upgrade() {
            return world;
        }
        let world = Arc::new(Self::make());
        *shared = Arc::downgrade(&world);
        world
    }

    fn make() -> Self {
        let key = Rsa::new();
        let road = Road::walk_over(&[], |dir| key.leave(dir));
        let server = &road.server;
        server.cli(&["endpoint", "create", "other"]);
        server.cli(&["deployment", "create", "--endpoint", "other", "--model", "small:1"]);
        for (path, audience, require) in [
            ("team/other", "api://other", None),
            ("owners", "api://small", Some("roles=owner")),
            ("twice", "api://small", Some("ver=2.0")),
        ] {
            let mut words =
                vec!["api", "publish", "--endpoint", "small", "--path", path, "--audience", audience];
            words.extend(require.iter().flat_map(|claim| ["--require", claim]));
            server.cli(&words);
        }
        let make = |name: &str, role: &str, audience: &str| {
            server.cli(&["principal", "create", name, "--role", role, "--audience", audience])
        };
        let reader = make("looker", "reader", CONTROL_AUDIENCE);
        let other = make("stranger", "scorer", "api://other");
        let revoked = make("former", "scorer", "api://small");
        server.cli(&["principal", "revoke", "former"]);
        let tenant = road.principal["tenant"].as_str().unwrap().to_owned();
        let other_keys = server.cli(&["endpoint", "keys", "other"]);
        let scorer = road.principal.clone();
        Self { key, tenant, scorer, reader, other, revoked, other_keys, road }
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.road.server
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.road.server.url
    }

    /// A good body of one row.
    pub fn row() -> String {
        json!({ "data": [Road::row()] }).to_string()
    }

    /// The claims of a good v1 token of a client for an audience, issued now.
    pub fn claims(&self, client: &Value, audience: &str) -> Value {
        let now = now();
        let id = &client["client_id"];
        json!({
            "iss": format!("{}/{}/", self.url(), self.tenant),
            "aud": audience,
            "sub": id,
            "client_id": id,
            "appid": id,
            "tid": self.tenant,
            "iat": now,
            "nbf": now,
            "exp": now + 3599,
            "jti": unique(),
            "roles": ["scorer"],
            "ver": "1.0",
        })
    }

    /// A good header.
    pub fn header(&self) -> Value {
        json!({ "typ": "JWT", "alg": "RS256", "kid": self.key.kid })
    }

    /// A good token.
    pub fn token(&self, client: &Value, audience: &str) -> String {
        self.key.sign(&self.header().to_string(), self.claims(client, audience).to_string())
    }

    /// A good token of the scorer for the published API.
    pub fn good(&self) -> String {
        self.token(&self.scorer, "api://small")
    }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    domain::Timestamp::now().seconds()
}

/// A text no other call gives.
pub fn unique() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("forged-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
