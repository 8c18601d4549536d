//! How `automl run` validates and what it tries.

use crate::cli::automl::asset;
use crate::session::Session;
use clap::Args;
use domain::Fault;
use serde_json::{Value, json};

/// Flags of `automl run` beyond data, target and budget.
#[derive(Debug, Default, Args)]
pub struct How {
    /// Judge every trial by this data in place of folds: NAME, NAME:VERSION, or a file
    #[arg(long)]
    pub validation_data: Option<String>,
    /// Measure the finished model on this data: NAME, NAME:VERSION, or a file
    #[arg(long)]
    pub test_data: Option<String>,
    /// A column that is no feature; may be repeated
    #[arg(long, value_name = "COLUMN")]
    pub exclude: Vec<String>,
    /// The column with the weight of each row
    #[arg(long, value_name = "COLUMN")]
    pub weight_column: Option<String>,
    /// The column whose equal values stay together when rows are split
    #[arg(long, value_name = "COLUMN")]
    pub group_column: Option<String>,
    /// The column by which rows are ordered: later rows validate what was learned from earlier ones
    #[arg(long, value_name = "COLUMN")]
    pub time_column: Option<String>,
    /// A column that is a split: 1 = learned from, 0 = validated on; may be repeated
    #[arg(long = "cv-split-column", value_name = "COLUMN")]
    pub cv_split_columns: Vec<String>,
    /// Folds; by the size of the table when left out
    #[arg(long, value_name = "N")]
    pub n_cross_validations: Option<u32>,
    /// The share of the rows in one hold-out in place of folds
    #[arg(long, value_name = "SHARE")]
    pub validation_size: Option<f64>,
    /// Try only these algorithms, by Azure's names; may be repeated
    #[arg(long = "allow", value_name = "ALGORITHM", value_delimiter = ',')]
    pub allowed_learners: Vec<String>,
    /// Do not try these algorithms; may be repeated
    #[arg(long = "block", value_name = "ALGORITHM", value_delimiter = ',')]
    pub blocked_learners: Vec<String>,
    /// End when the primary metric is this good
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    pub exit_score: Option<f64>,
    /// Carry every configuration through all folds
    #[arg(long)]
    pub no_early_termination: bool,
    /// No weighted vote: a stack, or the best single configuration
    #[arg(long)]
    pub no_vote_ensemble: bool,
    /// No stack over the members of the vote
    #[arg(long)]
    pub no_stack_ensemble: bool,
}

impl How {
    /// Adds what is asked for to a submission; files are registered under their own names.
    pub async fn add_to(&self, ask: &mut Value, session: &Session) -> Result<(), Fault> {
        for (field, data) in [("validation_data", &self.validation_data), ("test_data", &self.test_data)] {
            if let Some(data) = data {
                let (name, version) = asset(session, data).await?;
                ask[field] = json!(name);
                let version: u32 =
                    version.parse().map_err(|_| Fault::internal("a version that is no number"))?;
                ask[format!("{field}_version")] = json!(version);
            }
        }
        let wished = [
            ("exclude", json!(self.exclude)),
            ("weight_column", json!(self.weight_column)),
            ("group_column", json!(self.group_column)),
            ("time_column", json!(self.time_column)),
            ("cv_split_columns", json!(self.cv_split_columns)),
            ("n_cross_validations", json!(self.n_cross_validations)),
            ("validation_size", json!(self.validation_size)),
            ("allowed_learners", json!(self.allowed_learners)),
            ("blocked_learners", json!(self.blocked_learners)),
            ("exit_score", json!(self.exit_score)),
            ("early_termination", json!(!self.no_early_termination)),
            ("vote_ensemble", json!(!self.no_vote_ensemble)),
            ("stack_ensemble", json!(!self.no_stack_ensemble)),
        ];
        let said = |value: &Value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty());
        for (field, value) in wished.into_iter().filter(|(_, value)| said(value) && *value != json!(true)) {
            ask[field] = value;
        }
        Ok(())
    }
}
