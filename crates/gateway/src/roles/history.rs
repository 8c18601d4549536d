//! Who could call an endpoint, and what stood behind it, at any time: the ledger replayed.

use crate::gateway::{CONTROL_AUDIENCE, Gateway};
use crate::jwt::Claims;
use domain::{ErrorCode, Fault, Issuer, LedgerEntry, Name, Policy, Role, Scope, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};

/// What a fact is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FactKind {
    /// A setting of the endpoint, by its name.
    Setting,
    /// A key of the endpoint, by its slot.
    Key,
    /// A deployment, by its name.
    Deployment,
    /// How calls were spread over the deployments.
    Traffic,
    /// A published API, by its path.
    Api,
    /// A subscription whose keys passed an API over the endpoint, by its name.
    Subscription,
    /// A principal, by its name.
    Principal,
    /// A role on the workspace or on the endpoint, as `PRINCIPAL on SCOPE`.
    Role,
}

/// What held for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Fact {
    /// What it is about.
    pub kind: FactKind,
    /// Its name among its kind.
    pub name: String,
    /// What held.
    #[schema(value_type = Object)]
    pub value: Value,
    /// Since when.
    pub from: Timestamp,
    /// Until when; none when it still held at the end of the time asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Somebody whose tokens passed an API's policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PossibleCaller {
    /// The principal; for another issuer, the exact text of its `iss`.
    pub caller: String,
    /// Whether that is a principal, or all subjects of an issuer that meet the policy.
    pub is_issuer: bool,
    /// The API's path.
    pub api: String,
    /// The role that let it score, and on what; none for another issuer, whose claims decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Whether a token made for anybody passed: the API named no audience.
    pub any_audience: bool,
    /// Since when.
    pub from: Timestamp,
    /// Until when; none when it still could at the end of the time asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Who could call an endpoint in a time, and what could answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EndpointAccess {
    /// The endpoint.
    pub endpoint: Name,
    /// The beginning of the time asked about.
    pub from: Timestamp,
    /// Its end; the same for a moment.
    pub until: Timestamp,
    /// The ledger's last entry that was read.
    pub sequence: i64,
    /// Who could call, by token. Holders of a key stand among the facts: `key`, while `public_network_access` is enabled.
    pub callers: Vec<PossibleCaller>,
    /// What held, by kind and name.
    pub facts: Vec<Fact>,
}

impl EndpointAccess {
    /// What is left for a reader of the endpoint alone: nothing of who holds roles on the workspace.
    #[must_use]
    pub fn of_endpoint_only(mut self) -> Self {
        let on_workspace = |role: &str| role.ends_with(" on workspace");
        self.callers.retain(|caller| !caller.role.as_deref().is_some_and(on_workspace));
        self.facts.retain(|fact| fact.kind != Assigned || !on_workspace(&fact.name));
        let holds: HashSet<String> = self
            .facts
            .iter()
            .filter(|fact| fact.kind == Assigned)
            .filter_map(|fact| fact.name.split_once(" on ").map(|(who, _)| who.to_owned()))
            .collect();
        self.facts.retain(|fact| fact.kind != Principal || holds.contains(&fact.name));
        self
    }
}

impl Gateway {
    /// Replays the ledger: who could call the endpoint from `from` to `until`, and what could answer.
    pub async fn access(
        &self,
        endpoint: &Name,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<EndpointAccess, Fault> {
        let mut timeline = Timeline::new(endpoint);
        let mut last = 0;
        loop {
            let page = self.store.ledger(last, store::LEDGER_PAGE_MAX).await?;
            let Some(end) = page.last() else { break };
            last = end.sequence;
            for entry in page.iter().filter(|entry| entry.time <= until) {
                timeline.apply(entry);
            }
        }
        if !timeline.existed {
            let text = format!("the ledger knows no endpoint '{endpoint}' up to that time");
            return Err(Fault::new(ErrorCode::NotFound, text));
        }
        let facts = timeline.facts(from);
        let (endpoint, callers) = (endpoint.clone(), callers(&facts, &self.tenant));
        Ok(EndpointAccess { endpoint, from, until, sequence: last, callers, facts })
    }
}

/// The facts about one endpoint as the ledger's entries make and end them.
struct Timeline<'a> {
    endpoint: &'a str,
    scope: String,
    now: BTreeMap<(FactKind, String), (Value, Timestamp)>,
    past: Vec<Fact>,
    /// Whether the endpoint was made at all.
    existed: bool,
}

use FactKind::{Api, Deployment, Key, Principal, Role as Assigned, Setting, Subscription, Traffic};

impl<'a> Timeline<'a> {
    fn new(endpoint: &'a Name) -> Self {
        let scope = Scope::Endpoint(endpoint.clone()).to_string();
        Self { endpoint: endpoint.as_str(), scope, now: BTreeMap::new(), past: Vec::new(), existed: false }
    }

    fn set(&mut self, kind: FactKind, name: &str, value: Value, at: Timestamp) {
        let key = (kind, name.to_owned());
        if self.now.get(&key).is_some_and(|(held, _)| *held == value) {
            return;
        }
        self.end(kind, name, at);
        self.now.insert(key, (value, at));
    }

    fn end(&mut self, kind: FactKind, name: &str, at: Timestamp) {
        if let Some((value, from)) = self.now.remove(&(kind, name.to_owned())) {
            self.past.push(Fact { kind, name: name.to_owned(), value, from, until: Some(at) });
        }
    }

    fn end_where(&mut self, at: Timestamp, which: impl Fn(FactKind, &str) -> bool) {
        let over: Vec<_> = self.now.keys().filter(|(kind, name)| which(*kind, name)).cloned().collect();
        for (kind, name) in over {
            self.end(kind, &name, at);
        }
    }

    fn apply(&mut self, entry: &LedgerEntry) {
        let (subject, detail, at) = (entry.subject.as_str(), &entry.detail, entry.time);
        self.existed |= entry.action == "create endpoint" && subject == self.endpoint;
        match entry.action.as_str() {
            "publish api" if detail["endpoint"] == self.endpoint => {
                self.set(Api, subject, detail["policy"].clone(), at);
            }
            "publish api" | "unpublish api" => self.end(Api, subject, at),
            "create subscription" => self.set(Subscription, subject, json!({"api": detail["api"]}), at),
            "revoke subscription" => self.end(Subscription, subject, at),
            "create principal" => {
                let value = json!({"client_id": detail["client_id"], "audience": detail["audience"]});
                self.set(Principal, subject, value, at);
                if detail["role"].is_string() {
                    let role = format!("{subject} on workspace");
                    self.set(Assigned, &role, json!({"role": detail["role"]}), at);
                }
            }
            "revoke principal" => {
                let roles = format!("{subject} on ");
                self.end(Principal, subject, at);
                self.end_where(at, |kind, name| kind == Assigned && name.starts_with(&roles));
            }
            "assign role" if self.concerns(&detail["on"]) => {
                let on = detail["on"].as_str().unwrap_or_default();
                self.set(Assigned, &format!("{subject} on {on}"), json!({"role": detail["role"]}), at);
            }
            "remove role" => {
                let on = detail["on"].as_str().unwrap_or_default();
                self.end(Assigned, &format!("{subject} on {on}"), at);
            }
            _ => match subject.strip_prefix(self.endpoint) {
                Some("") => self.own(entry),
                Some(rest) => {
                    if let Some(deployment) = rest.strip_prefix('/') {
                        self.deployment(entry, deployment);
                    }
                }
                None => {}
            },
        }
    }

    fn concerns(&self, on: &Value) -> bool {
        *on == "workspace" || *on == self.scope.as_str()
    }

    /// An entry on the endpoint itself.
    fn own(&mut self, entry: &LedgerEntry) {
        let (detail, at) = (&entry.detail, entry.time);
        match entry.action.as_str() {
            "create endpoint" => {
                for (place, slot) in ["primary", "secondary"].into_iter().enumerate() {
                    let generation = detail["key_generations"][place].as_u64().unwrap_or_default();
                    self.set(Key, slot, json!({"generation": generation}), at);
                }
            }
            "delete endpoint" => {
                let roles = format!(" on {}", self.scope);
                self.end_where(at, |kind, name| match kind {
                    Setting | Key | Deployment | Traffic => true,
                    Assigned => name.ends_with(&roles),
                    Api | Subscription | Principal => false,
                });
            }
            "regenerate key" => {
                let slot = detail["slot"].as_str().unwrap_or_default();
                self.set(Key, slot, json!({"generation": detail["generation"]}), at);
            }
            "set traffic" => self.set(Traffic, "traffic", detail.clone(), at),
            _ => {}
        }
        // Whatever changed them: a setting that the entry names holds from here on.
        for setting in ["public_network_access", "docs_public"] {
            if let Some(value) = detail.get(setting) {
                self.set(Setting, setting, json!({ "value": value }), at);
            }
        }
    }

    fn deployment(&mut self, entry: &LedgerEntry, name: &str) {
        let (detail, at) = (&entry.detail, entry.time);
        match entry.action.as_str() {
            "deploy model" => {
                let value = json!({"model": detail["model"], "version": detail["version"]});
                self.set(Deployment, name, value, at);
                if detail["all_traffic"] == true {
                    self.set(Traffic, "traffic", json!({ name: 100 }), at);
                }
            }
            "delete deployment" => self.end(Deployment, name, at),
            _ => {}
        }
    }

    /// The facts that held at `from` or later.
    fn facts(self, from: Timestamp) -> Vec<Fact> {
        let open = self.now.into_iter().map(|((kind, name), (value, from))| Fact {
            kind,
            name,
            value,
            from,
            until: None,
        });
        let mut facts: Vec<Fact> = self
            .past
            .into_iter()
            .filter(|fact| fact.until.is_none_or(|end| end > from))
            .chain(open)
            .collect();
        // Principals without a role here are none of this endpoint's business.
        let holds: HashSet<String> = facts
            .iter()
            .filter(|fact| fact.kind == Assigned)
            .filter_map(|fact| fact.name.split_once(" on ").map(|(who, _)| who.to_owned()))
            .collect();
        facts.retain(|fact| fact.kind != Principal || holds.contains(&fact.name));
        // Nor are subscriptions to other APIs; one to none in particular is one to all.
        let apis: HashSet<String> =
            facts.iter().filter(|fact| fact.kind == Api).map(|fact| fact.name.clone()).collect();
        facts.retain(|fact| {
            let to = fact.value["api"].as_str();
            fact.kind != Subscription || !apis.is_empty() && to.is_none_or(|api| apis.contains(api))
        });
        facts.sort_by(|a, b| (a.kind, &a.name, a.from).cmp(&(b.kind, &b.name, b.from)));
        facts
    }
}

/// Whose tokens passed which API.
fn callers(facts: &[Fact], tenant: &str) -> Vec<PossibleCaller> {
    let mut found = Vec::new();
    for fact in facts.iter().filter(|fact| fact.kind == Api) {
        let Ok(policy) = serde_json::from_value::<Policy>(fact.value.clone()) else { continue };
        for issuer in &policy.issuers {
            match issuer {
                Issuer::External(issuer) => found.push(PossibleCaller {
                    caller: issuer.clone(),
                    is_issuer: true,
                    api: fact.name.clone(),
                    role: None,
                    any_audience: policy.any_audience,
                    from: fact.from,
                    until: fact.until,
                }),
                Issuer::BuiltIn => found.extend(principals(facts, fact, &policy, tenant)),
            }
        }
    }
    found
}

/// The principals whose tokens passed an API over some of its time.
fn principals<'a>(
    facts: &'a [Fact],
    api: &'a Fact,
    policy: &'a Policy,
    tenant: &'a str,
) -> impl Iterator<Item = PossibleCaller> + 'a {
    let of = |kind| facts.iter().filter(move |fact| fact.kind == kind);
    of(Principal).flat_map(move |principal| {
        let own = format!("{} on ", principal.name);
        let own: Vec<&Fact> = of(Assigned).filter(|role| role.name.starts_with(&own)).collect();
        let passes = token_passes(principal, &own, policy, tenant);
        own.into_iter().filter(move |_| passes).filter_map(move |role| {
            let held =
                role.value["role"].as_str().and_then(Role::parse).filter(|role| *role != Role::Reader)?;
            let from = api.from.max(principal.from).max(role.from);
            let until = [api.until, principal.until, role.until].into_iter().flatten().min();
            let (caller, on) = role.name.split_once(" on ")?;
            until.is_none_or(|until| from < until).then(|| PossibleCaller {
                caller: caller.to_owned(),
                is_issuer: false,
                api: api.name.clone(),
                role: Some(format!("{} on {on}", held.as_str())),
                any_audience: policy.any_audience,
                from,
                until,
            })
        })
    })
}

/// Whether tokens of a principal, as the token service made them, met the policy's audiences and claims.
fn token_passes(principal: &Fact, roles: &[&Fact], policy: &Policy, tenant: &str) -> bool {
    let text = |member: &str| principal.value[member].as_str().unwrap_or_default().to_owned();
    let on_workspace: Vec<&Value> =
        roles.iter().filter(|r| r.name.ends_with(" on workspace")).map(|r| &r.value["role"]).collect();
    let id = text("client_id");
    let all = json!({"sub": id, "oid": id, "client_id": id, "appid": id, "azp": id, "tid": tenant, "roles": on_workspace});
    let Value::Object(all) = all else { return false };
    let claims = Claims {
        issuer: String::new(),
        audiences: vec![text("audience"), CONTROL_AUDIENCE.to_owned()],
        subject: Some(id.clone()),
        client_id: Some(id),
        id: None,
        expires: 0,
        issued: None,
        not_before: None,
        bound_to: None,
        all,
    };
    (policy.any_audience || claims.is_for(&policy.audiences)) && claims.fulfil(&policy.required_claims)
}

#[cfg(test)]
mod tests;
