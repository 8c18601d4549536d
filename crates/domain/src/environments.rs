//! Environments: interpreter and packages of a job or deployment.

use crate::clock::Timestamp;
use crate::ids::{Digest, Name, Version};
use serde::{Deserialize, Serialize};

/// Interpreter and packages, as they are asked for. Nothing in it is a path: a client names what the server has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum EnvironmentSpec {
    /// This machine's interpreter with the packages it has.
    #[default]
    System,
    /// An interpreter or virtual environment that the server's settings name.
    Named {
        /// Its name in `environments.interpreters`.
        interpreter: Name,
    },
    /// A registered environment.
    Registered {
        /// Its name.
        name: Name,
        /// Its version; the newest when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
    },
    /// Packages that are installed into an environment of their own.
    Packages(PackageSpec),
}

/// Packages of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PackageSpec {
    /// The interpreter's version: `3.11`, `3.7.9`, `>=3.9,<3.12`; any when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// Packages in conda's words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conda: Vec<CondaRequirement>,
    /// Requirements as lines of a `requirements.txt`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pip: Vec<String>,
    /// A container image that was named beside them; recorded only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Whether pins that cannot be had give way to the nearest that can.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub relax_pins: bool,
}

/// A package in conda's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CondaRequirement {
    /// Its name.
    pub name: String,
    /// Its version: `1.2`, `>=1,<2`; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A registered environment: one immutable version of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EnvironmentVersion {
    /// Its name.
    pub name: Name,
    /// The number, from 1.
    pub version: Version,
    /// What it asks for.
    pub spec: EnvironmentSpec,
    /// SHA-256 of it.
    pub digest: Digest,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// When it was registered.
    pub created: Timestamp,
}

/// What came of an environment when it was made: kept with it, and with every run in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct EnvironmentRecord {
    /// The interpreter's version.
    pub python: String,
    /// Every package with its version, as `NAME==VERSION`; empty for an interpreter that is used as it is.
    pub packages: Vec<String>,
    /// What was asked for and came otherwise: pins that gave way, requirements that the shipped package replaces, names that differ.
    pub changes: Vec<String>,
}
