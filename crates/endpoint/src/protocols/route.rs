//! Paths of the protocols below an endpoint, read once for routing and once for answering.

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `v2`: the server's name, version and extensions.
    Server,
    /// `v2/health/live`.
    Live,
    /// `v2/health/ready`.
    Ready,
    /// `v2/repository/index`.
    Index,
    /// `v2/models/{m}`: the model's inputs and outputs.
    Model,
    /// `v2/models/{m}/ready`.
    ModelReady,
    /// `v2/models/{m}/stats`.
    Stats,
    /// `v2/models/{m}/infer`.
    Infer,
    /// `v1/models/{m}`.
    V1Model,
    /// `v1/models/{m}:predict`.
    V1Predict,
    /// `invocations`, of MLflow and SageMaker.
    Invocations,
    /// `ping` and `health`, of the same.
    Ping,
    /// `version`, of MLflow.
    Version,
}

impl Operation {
    /// Whether rows are scored.
    pub fn scores(self) -> bool {
        matches!(self, Self::Infer | Self::V1Predict | Self::Invocations)
    }

    /// Whether it is of Open Inference or the V1 form: errors are `{"error": …}`.
    pub fn is_inference(self) -> bool {
        !matches!(self, Self::Invocations | Self::Ping | Self::Version)
    }

    /// Whether everybody may ask: it says no more than that the server runs.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Live | Self::Ready | Self::Ping)
    }

    /// Whether a method does.
    pub fn takes(self, method: &http::Method) -> bool {
        let posts = self.scores() || self == Self::Index;
        if posts {
            method == http::Method::POST
        } else {
            matches!(*method, http::Method::GET | http::Method::HEAD)
        }
    }

    /// The methods, for 405 and OPTIONS.
    pub fn allow(self) -> &'static str {
        if self.scores() || self == Self::Index { "POST, OPTIONS" } else { "GET, HEAD, OPTIONS" }
    }

    /// The word of the request log and of metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::V1Predict => "v1 predict",
            Self::Invocations => "invocations",
            _ => "describe",
        }
    }
}

/// A path of the protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route<'a> {
    /// What it asks for.
    pub operation: Operation,
    /// The model it names.
    pub model: Option<&'a str>,
    /// The version it names: a model version or a deployment.
    pub version: Option<&'a str>,
}

impl<'a> Route<'a> {
    /// Reads the path behind an endpoint or API, without its first slash; none for a path of other protocols.
    pub fn of(tail: &'a str) -> Option<Self> {
        let plain = |operation| Some(Self { operation, model: None, version: None });
        match tail {
            "invocations" => return plain(Operation::Invocations),
            "ping" | "health" => return plain(Operation::Ping),
            "version" => return plain(Operation::Version),
            "v2" | "v2/" => return plain(Operation::Server),
            "v2/health/live" => return plain(Operation::Live),
            "v2/health/ready" => return plain(Operation::Ready),
            "v2/repository/index" => return plain(Operation::Index),
            _ => {}
        }
        if let Some(rest) = tail.strip_prefix("v1/models/") {
            return Self::v1(rest);
        }
        let rest = tail.strip_prefix("v2/models/")?;
        let (model, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let (version, rest) = match rest.strip_prefix("versions/") {
            Some(rest) => {
                let (version, rest) = rest.split_once('/').unwrap_or((rest, ""));
                (Some(version), rest)
            }
            None => (None, rest),
        };
        let operation = match rest {
            "" => Operation::Model,
            "ready" => Operation::ModelReady,
            "infer" => Operation::Infer,
            "stats" => Operation::Stats,
            _ => return None,
        };
        let named = !model.is_empty() && version.is_none_or(|v| !v.is_empty());
        named.then_some(Self { operation, model: Some(model), version })
    }

    fn v1(rest: &'a str) -> Option<Self> {
        let (model, operation) = match rest.split_once(':') {
            Some((model, "predict")) => (model, Operation::V1Predict),
            Some(_) => return None,
            None => (rest, Operation::V1Model),
        };
        let named = !model.is_empty() && !model.contains('/');
        named.then_some(Self { operation, model: Some(model), version: None })
    }

    /// Whether a path may be one of these: cheap, for paths that are scored most.
    pub fn may_be(tail: &str) -> bool {
        !matches!(tail, "score" | "predict" | "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        let of = |tail| Route::of(tail).map(|r| (r.operation, r.model, r.version));
        assert_eq!(of("v2/models/m/infer"), Some((Operation::Infer, Some("m"), None)));
        assert_eq!(of("v2/models/m/versions/3/infer"), Some((Operation::Infer, Some("m"), Some("3"))));
        assert_eq!(of("v2/models/m/versions/blue"), Some((Operation::Model, Some("m"), Some("blue"))));
        assert_eq!(of("v2/models/m/versions/1/ready"), Some((Operation::ModelReady, Some("m"), Some("1"))));
        assert_eq!(of("v1/models/m:predict"), Some((Operation::V1Predict, Some("m"), None)));
        assert_eq!(of("v1/models/m"), Some((Operation::V1Model, Some("m"), None)));
        for none in [
            "",
            "score",
            "v2/x",
            "v2//models/m",
            "v2/models/",
            "v2/models//infer",
            "v2/models/m/infer/x",
            "v2/models/m/versions//infer",
            "v2/models/m/load",
            "v1/models/m:explain",
            "v1/models/a/b",
            "V2",
            "invocations/",
            "v2/models/m/versions/1/versions/2",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn only_what_scores_takes_a_body() {
        assert!(Operation::Infer.takes(&http::Method::POST) && !Operation::Infer.takes(&http::Method::GET));
        assert!(Operation::Model.takes(&http::Method::HEAD) && !Operation::Model.takes(&http::Method::POST));
    }
}
