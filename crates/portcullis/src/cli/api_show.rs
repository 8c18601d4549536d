//! How a published API is shown: a line in lists, its whole policy by itself. Named values stay names.

use crate::show::{table, time};
use domain::{Api, ClaimRule, HeaderAction, HeaderRule, Policy, Span};
use std::fmt::Display;

/// The columns of a list.
pub const HEADER: [&str; 5] = ["path", "endpoint", "audiences", "required claims", "published"];

/// An API as a line of a list.
pub fn row(api: &Api) -> [String; 5] {
    let claims: Vec<String> = api.policy.required_claims.iter().map(claim).collect();
    [
        format!("/{}", api.path),
        api.endpoint.to_string(),
        audiences(&api.policy),
        claims.join(" "),
        time(api.created),
    ]
}

/// An API with everything its policy says.
pub fn whole(api: &Api) -> String {
    let head = [
        ["path".to_owned(), format!("/{}", api.path)],
        ["endpoint".to_owned(), api.endpoint.to_string()],
        ["published".to_owned(), time(api.created)],
    ];
    let rows = Rows(head.to_vec()).who(&api.policy).limits(&api.policy).changes(&api.policy);
    table(&["", "value"], rows.0)
}

fn audiences(policy: &Policy) -> String {
    if policy.any_audience { "ANY AUDIENCE".to_owned() } else { policy.audiences.join(" ") }
}

fn claim(rule: &ClaimRule) -> String {
    let between = if rule.all { "&" } else { "|" };
    format!("{}={}", rule.claim, rule.values.join(between))
}

fn header(rule: &HeaderRule) -> String {
    let action = match rule.action {
        HeaderAction::Override => "override",
        HeaderAction::Skip => "skip",
        HeaderAction::Append => "append",
        HeaderAction::Delete => return format!("{} delete", rule.name),
    };
    format!("{} {action} {}", rule.name, rule.values.join(", "))
}

/// Lines of name and value; what a policy does not say has none.
struct Rows(Vec<[String; 2]>);

impl Rows {
    fn one(mut self, name: &str, value: Option<impl Display>) -> Self {
        self.0.extend(value.map(|value| [name.to_owned(), value.to_string()]));
        self
    }

    fn many<T>(mut self, name: &str, values: &[T], text: impl Fn(&T) -> String) -> Self {
        self.0.extend(values.iter().map(|value| [name.to_owned(), text(value)]));
        self
    }

    fn who(self, policy: &Policy) -> Self {
        let yes = |it: bool| it.then_some("yes");
        self.many("issuer", &policy.issuers, ToString::to_string)
            .one("audience", Some(audiences(policy)))
            .many("required claim", &policy.required_claims, claim)
            .one("clock skew", policy.clock_skew.map(|seconds| format!("{seconds}s")))
            .one("refused with status", policy.refused_status)
            .one("refused with message", policy.refused_message.as_deref())
            .one("subscription key demanded", yes(policy.subscription_required))
            .one("client certificate demanded", yes(policy.client_certificate))
            .many("address allowed", &policy.addresses.allow, Clone::clone)
            .many("address forbidden", &policy.addresses.forbid, Clone::clone)
    }

    fn limits(self, policy: &Policy) -> Self {
        let span = |span: &Span| if span.0.is_zero() { "ever".to_owned() } else { span.to_string() };
        self.many("rate", &policy.rate_limits, |r| format!("{} calls a {} by {}", r.calls, r.per, r.by))
            .many("quota", &policy.quotas, |q| {
                let calls = q.calls.map(|calls| format!("{calls} calls "));
                let bytes = q.kilobytes.map(|kilobytes| format!("{kilobytes} kB "));
                let what = calls.into_iter().chain(bytes).collect::<String>();
                format!("{what}for {} by {}", span(&q.per), q.by)
            })
            .one("calls at once", policy.concurrency)
            .one("bytes of a body", policy.body_bytes)
            .one("rows of a request", policy.rows)
            .one("time of a call", policy.timeout)
    }

    fn changes(self, policy: &Policy) -> Self {
        let cors = policy.cors.as_ref();
        let forwarded: Vec<_> =
            policy.forward_claims.iter().map(|(h, claim)| format!("{claim} in {h}")).collect();
        let listed = |list: &Vec<String>| (!list.is_empty()).then(|| list.join(" "));
        self.one("cross-origin from", cors.map(|c| c.origins.join(" ")))
            .one("cross-origin methods", cors.and_then(|c| listed(&c.methods)))
            .one("cross-origin headers", cors.and_then(|c| listed(&c.headers)))
            .one("cross-origin exposes", cors.and_then(|c| listed(&c.expose)))
            .one("cross-origin credentials", cors.filter(|c| c.credentials).map(|_| "yes"))
            .one("cross-origin remembered", cors.and_then(|c| c.max_age).map(|age| format!("{age}s")))
            .many("request header", &policy.request_headers, header)
            .many("forwarded claim", &forwarded, Clone::clone)
            .many("answer header", &policy.response_headers, header)
    }
}
