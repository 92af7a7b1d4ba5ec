use std::fmt;

use crate::{
    admission::{Operation, Request},
    api::{ResourceRule, RuleOperation},
};

/// A resource as rules write it: `deployments`, `deployments/scale`, `*`, `*/*`, `pods/*`, `*/scale`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourcePattern {
    resource: Option<String>,
    subresource: Subresource,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Subresource {
    Main,
    Named(String),
    Any,
}

impl ResourcePattern {
    /// Reads a resource of a rule, with the meaning that webhook configurations give it: `*` is every resource without
    /// subresources, `*/*` every resource with them, `pods/*` every subresource of pods (and not pods).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (resource, subresource) = match text.split_once('/') {
            None => (text, Subresource::Main),
            Some((resource, "*")) => (resource, Subresource::Any),
            Some((resource, name)) => (resource, Subresource::Named(name.to_owned())),
        };
        let is_name = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
        };
        if resource != "*" && !is_name(resource) {
            return Err(
                "a resource is written in lower case and plural, as in `deployments` or `deployments/scale`, or `*`",
            );
        }
        if let Subresource::Named(name) = &subresource
            && !is_name(name)
        {
            return Err("a subresource is written in lower case, as in `deployments/scale`, or `*`");
        }
        Ok(Self { resource: (resource != "*").then(|| resource.to_owned()), subresource })
    }

    /// The resource without its subresource; `None` is every one.
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        self.resource.as_deref()
    }

    /// Whether the pattern can match a subresource.
    #[must_use]
    pub fn has_subresources(&self) -> bool {
        self.subresource != Subresource::Main
    }

    /// Whether the pattern matches a resource and its subresource; an empty subresource is the main resource.
    #[must_use]
    pub fn matches(&self, resource: &str, subresource: &str) -> bool {
        if self.resource.as_deref().is_some_and(|own| own != resource) {
            return false;
        }
        match &self.subresource {
            Subresource::Main => subresource.is_empty(),
            Subresource::Named(name) => name == subresource,
            // `*/*` takes main resources too, `pods/*` only what is below pods.
            Subresource::Any => self.resource.is_none() || !subresource.is_empty(),
        }
    }
}

impl fmt::Display for ResourcePattern {
    /// As rules write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.resource.as_deref().unwrap_or("*"))?;
        match &self.subresource {
            Subresource::Main => Ok(()),
            Subresource::Named(name) => write!(f, "/{name}"),
            Subresource::Any => f.write_str("/*"),
        }
    }
}

/// One compiled rule of `matchConstraints.resourceRules`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceMatcher {
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<ResourcePattern>,
    operations: Vec<RuleOperation>,
}

impl ResourceMatcher {
    /// Compiles a rule.
    ///
    /// # Errors
    /// (field path within the rule, what is wrong).
    pub fn compile(rule: &ResourceRule) -> Result<Self, Vec<(String, String)>> {
        let mut errors = Vec::new();
        for (field, items) in
            [("apiGroups", &rule.api_groups), ("apiVersions", &rule.api_versions), ("resources", &rule.resources)]
        {
            if items.is_empty() {
                errors.push((field.to_owned(), "at least one is needed; `*` is all of them".to_owned()));
            }
            if items.len() > 1 && items.iter().any(|item| item == "*") {
                errors.push((field.to_owned(), "`*` stands alone".to_owned()));
            }
        }
        if rule.operations.is_empty() || rule.operations.len() > 1 && rule.operations.contains(&RuleOperation::All) {
            errors.push(("operations".to_owned(), "name CREATE, UPDATE, DELETE or CONNECT, or `*` alone".to_owned()));
        }
        let mut resources = Vec::new();
        for (index, text) in rule.resources.iter().enumerate() {
            match ResourcePattern::parse(text) {
                Ok(pattern) => resources.push(pattern),
                Err(message) => errors.push((format!("resources[{index}]"), message.to_owned())),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            groups: rule.api_groups.clone(),
            versions: rule.api_versions.clone(),
            resources,
            operations: rule.operations.clone(),
        })
    }

    /// Whether the rule matches a request that does `operation`, by the resource that the webhook was called for.
    #[must_use]
    pub fn matches(&self, request: &Request<'_>, operation: Operation) -> bool {
        let has = |items: &[String], item: &str| items.iter().any(|own| own == "*" || own == item);
        has(&self.groups, &request.resource.group)
            && has(&self.versions, &request.resource.version)
            && self.matches_operation(operation)
            && self.resources.iter().any(|pattern| pattern.matches(&request.resource.resource, &request.sub_resource))
    }

    /// Whether the rule has an operation.
    #[must_use]
    pub fn matches_operation(&self, operation: Operation) -> bool {
        self.operations.iter().any(|own| match own {
            RuleOperation::All => true,
            RuleOperation::Create => operation == Operation::Create,
            RuleOperation::Update => operation == Operation::Update,
            RuleOperation::Delete => operation == Operation::Delete,
            RuleOperation::Connect => operation == Operation::Connect,
        })
    }

    /// Operations.
    #[must_use]
    pub fn operations(&self) -> &[RuleOperation] {
        &self.operations
    }

    /// API groups; `*` is all.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// API versions; `*` is all.
    #[must_use]
    pub fn versions(&self) -> &[String] {
        &self.versions
    }

    /// Resources.
    #[must_use]
    pub fn resources(&self) -> &[ResourcePattern] {
        &self.resources
    }
}
