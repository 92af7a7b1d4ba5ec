use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An object of this API as a file or the API server has it, its status apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest<S> {
    /// `writ.dev/v1alpha1`
    pub api_version: String,
    /// `Policy` or `PolicyBinding`
    pub kind: String,
    /// Name and what the server adds.
    pub metadata: Metadata,
    /// The spec.
    pub spec: S,
}

/// The part of `ObjectMeta` that Writ reads of its own objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The object's name.
    #[serde(default)]
    pub name: String,
    /// The object's uid; empty in a file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The object's generation; zero in a file.
    #[serde(default)]
    pub generation: i64,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// An object with its status, as the API server stores it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Stored<S, T> {
    /// Name and what the server adds.
    pub metadata: Metadata,
    /// The spec.
    pub spec: S,
    /// The status; absent until a controller wrote one.
    #[serde(default = "Option::default")]
    pub status: Option<T>,
}
