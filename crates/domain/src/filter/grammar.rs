//! What may be compared and ordered by in each search.

use super::{Comparator, Entity, Identifier};

/// An attribute: its name, other names for it, and whether it is a number.
type Attribute = (&'static str, &'static [&'static str], bool);

/// What identifiers a search knows.
#[derive(Debug)]
pub struct Grammar {
    entities: &'static [Entity],
    attributes: &'static [Attribute],
    /// Attributes that are compared with lists.
    lists: &'static [&'static str],
    /// Attributes that only order.
    only_order: &'static [&'static str],
}

const DATASET_KEYS: [&str; 3] = ["name", "digest", "context"];

/// Runs: `runs/search`.
pub const RUNS: Grammar = Grammar {
    entities: &[Entity::Attribute, Entity::Metric, Entity::Param, Entity::Tag, Entity::Dataset],
    attributes: &[
        ("run_id", &[], false),
        ("run_name", &["run name", "Run name", "Run Name"], false),
        ("experiment_id", &[], false),
        ("user_id", &[], false),
        ("status", &[], false),
        ("artifact_uri", &[], false),
        ("start_time", &["created", "Created"], true),
        ("end_time", &[], true),
    ],
    lists: &["run_id"],
    only_order: &[],
};

/// Experiments: `experiments/search`.
pub const EXPERIMENTS: Grammar = Grammar {
    entities: &[Entity::Attribute, Entity::Tag],
    attributes: &[
        ("name", &[], false),
        ("experiment_id", &[], false),
        ("creation_time", &[], true),
        ("last_update_time", &[], true),
    ],
    lists: &["experiment_id"],
    only_order: &[],
};

/// Registered models: `registered-models/search`.
pub const REGISTERED_MODELS: Grammar = Grammar {
    entities: &[Entity::Attribute, Entity::Tag],
    attributes: &[
        ("name", &[], false),
        ("creation_timestamp", &["timestamp"], true),
        ("last_updated_timestamp", &[], true),
    ],
    lists: &["name"],
    only_order: &["creation_timestamp", "last_updated_timestamp"],
};

/// Model versions: `model-versions/search`.
pub const MODEL_VERSIONS: Grammar = Grammar {
    entities: &[Entity::Attribute, Entity::Tag],
    attributes: &[
        ("name", &[], false),
        ("version_number", &["version"], true),
        ("run_id", &[], false),
        ("source_path", &["source"], false),
        ("creation_timestamp", &["timestamp"], true),
        ("last_updated_timestamp", &[], true),
    ],
    lists: &["name", "run_id"],
    only_order: &["creation_timestamp", "last_updated_timestamp"],
};

/// Logged models: `logged-models/search`.
pub const LOGGED_MODELS: Grammar = Grammar {
    entities: &[Entity::Attribute, Entity::Metric, Entity::Param, Entity::Tag],
    attributes: &[
        ("name", &[], false),
        ("model_id", &[], false),
        ("model_type", &[], false),
        ("status", &[], false),
        ("source_run_id", &["run_id"], false),
        ("creation_timestamp", &["creation_time", "creation_timestamp_ms"], true),
        ("last_updated_timestamp", &["last_updated_time", "last_updated_timestamp_ms"], true),
    ],
    lists: &["name", "model_id", "model_type", "status", "source_run_id"],
    only_order: &[],
};

impl Grammar {
    /// The key as it is kept, when this search knows it.
    pub(super) fn key(&self, entity: Entity, key: &str) -> Result<String, String> {
        if !self.entities.contains(&entity) {
            return Err(format!("this search knows no {}", Identifier { entity, key: key.to_owned() }));
        }
        match entity {
            Entity::Attribute => self
                .attributes
                .iter()
                .find(|(name, others, _)| *name == key || others.contains(&key))
                .map(|(name, ..)| (*name).to_owned())
                .ok_or_else(|| format!("there is no attribute '{key}'; there are {}", self.known())),
            Entity::Dataset if !DATASET_KEYS.contains(&key) => {
                Err(format!("a dataset has no '{key}'; it has name, digest and context"))
            }
            _ if key.is_empty() => Err("the key is empty".to_owned()),
            _ => Ok(key.to_owned()),
        }
    }

    fn known(&self) -> String {
        let names = self.attributes.iter().map(|(name, ..)| *name);
        names.filter(|name| !self.only_order.contains(name)).collect::<Vec<_>>().join(", ")
    }

    /// What can be ordered by, for messages.
    pub(super) fn known_orders(&self) -> String {
        let names: Vec<&str> = self.attributes.iter().map(|(name, ..)| *name).collect();
        format!("attributes are {}", names.join(", "))
    }

    /// Whether it compares with numbers.
    pub(super) fn is_number(&self, identifier: &Identifier) -> bool {
        match identifier.entity {
            Entity::Metric => true,
            Entity::Attribute => {
                self.attributes.iter().any(|(name, _, number)| *number && *name == identifier.key)
            }
            _ => false,
        }
    }

    /// Whether it can be ordered by.
    pub(super) fn orders(&self, identifier: &Identifier) -> bool {
        identifier.entity != Entity::Dataset
    }

    /// Whether the identifier is compared this way.
    pub(super) fn compares(&self, identifier: &Identifier, comparator: Comparator) -> Result<(), String> {
        use Comparator::{Equal, Ilike, Like, NotEqual};
        let key = identifier.key.as_str();
        let attribute = identifier.entity == Entity::Attribute;
        if attribute && self.only_order.contains(&key) {
            return Err(format!("{identifier} only orders; compared are {}", self.known()));
        }
        let good = if self.is_number(identifier) {
            matches!(comparator, Equal | NotEqual) || comparator.is_ordering()
        } else if comparator.is_list() {
            identifier.entity == Entity::Dataset || attribute && self.lists.contains(&key)
        } else if comparator.is_null_test() {
            matches!(identifier.entity, Entity::Tag | Entity::Param)
        } else {
            matches!(comparator, Equal | NotEqual | Like | Ilike)
        };
        if good { Ok(()) } else { Err(format!("{identifier} is not compared by {}", comparator.as_str())) }
    }
}
