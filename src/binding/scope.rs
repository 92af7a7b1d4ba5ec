use std::collections::BTreeMap;

use super::NAME_LABEL;
use crate::{
    admission::UserInfo,
    api::{LabelSelector, SelectorOperator, ServiceAccount, Subjects},
};

/// A namespace by its name and labels. The name label always counts as the name, whatever the labels say.
#[derive(Clone, Copy, Debug)]
pub struct NamespaceLabels<'l> {
    /// The namespace's name.
    pub name: &'l str,
    /// Its labels; only read where a selector names another key than the name label.
    pub labels: &'l BTreeMap<String, String>,
}

impl NamespaceLabels<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        if key == NAME_LABEL { Some(self.name) } else { self.labels.get(key).map(String::as_str) }
    }
}

#[derive(Clone, Debug)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    DoesNotExist(String),
}

/// A compiled selector over namespaces.
#[derive(Clone, Debug)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

impl Selector {
    /// Compiles a selector whose keys are the name label or among `guarded`.
    ///
    /// # Errors
    /// (field path, what is wrong).
    pub fn compile(selector: &LabelSelector, guarded: &[String]) -> Result<Self, Vec<(String, String)>> {
        let mut errors = Vec::new();
        let mut check_key = |path: String, key: &str| {
            if key != NAME_LABEL && !guarded.iter().any(|own| own == key) {
                let known: Vec<&str> = std::iter::once(NAME_LABEL).chain(guarded.iter().map(String::as_str)).collect();
                errors.push((path, format!("label `{key}` is not guarded, so whoever edits a namespace could leave the policy: use one of {}", known.join(", "))));
            }
        };
        let mut requirements = Vec::new();
        for (key, value) in &selector.match_labels {
            check_key("matchLabels".to_owned(), key);
            requirements.push(Requirement::In(key.clone(), vec![value.clone()]));
        }
        let mut wrong_values = Vec::new();
        for (index, expression) in selector.match_expressions.iter().enumerate() {
            let path = format!("matchExpressions[{index}]");
            check_key(format!("{path}.key"), &expression.key);
            let (key, values) = (expression.key.clone(), expression.values.clone());
            let needs_values = matches!(expression.operator, SelectorOperator::In | SelectorOperator::NotIn);
            if needs_values == values.is_empty() {
                let message =
                    if needs_values { "In and NotIn need values" } else { "Exists and DoesNotExist take no values" };
                wrong_values.push((format!("{path}.values"), message.to_owned()));
            }
            requirements.push(match expression.operator {
                SelectorOperator::In => Requirement::In(key, values),
                SelectorOperator::NotIn => Requirement::NotIn(key, values),
                SelectorOperator::Exists => Requirement::Exists(key),
                SelectorOperator::DoesNotExist => Requirement::DoesNotExist(key),
            });
        }
        errors.extend(wrong_values);
        if errors.is_empty() { Ok(Self { requirements }) } else { Err(errors) }
    }

    /// Whether all requirements hold, with the meaning of Kubernetes' own selectors.
    #[must_use]
    pub fn matches(&self, namespace: &NamespaceLabels<'_>) -> bool {
        self.requirements.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => {
                namespace.label(key).is_some_and(|label| values.iter().any(|own| own == label))
            }
            Requirement::NotIn(key, values) => {
                !namespace.label(key).is_some_and(|label| values.iter().any(|own| own == label))
            }
            Requirement::Exists(key) => namespace.label(key).is_some(),
            Requirement::DoesNotExist(key) => namespace.label(key).is_none(),
        })
    }

    /// Whether a key other than the name label is read.
    #[must_use]
    pub fn reads_labels(&self) -> bool {
        self.requirements.iter().any(|requirement| {
            let (Requirement::In(key, _)
            | Requirement::NotIn(key, _)
            | Requirement::Exists(key)
            | Requirement::DoesNotExist(key)) = requirement;
            key != NAME_LABEL
        })
    }

    /// The names that a requirement on the name label allows.
    #[must_use]
    pub fn names(&self) -> Option<&[String]> {
        self.requirements.iter().find_map(|requirement| match requirement {
            Requirement::In(key, values) if key == NAME_LABEL => Some(values.as_slice()),
            _ => None,
        })
    }
}

/// People and programs by the names under which the API server authenticates them.
#[derive(Clone, Debug, Default)]
pub struct Principals {
    users: Vec<String>,
    groups: Vec<String>,
}

impl Principals {
    /// The subjects of a binding.
    #[must_use]
    pub fn of_subjects(subjects: &Subjects) -> Self {
        Self::of_parts(&subjects.users, &subjects.groups, &subjects.service_accounts)
    }

    /// Users, groups and service accounts.
    #[must_use]
    pub fn of_parts(users: &[String], groups: &[String], service_accounts: &[ServiceAccount]) -> Self {
        let accounts = service_accounts
            .iter()
            .map(|account| format!("system:serviceaccount:{}:{}", account.namespace, account.name));
        Self { users: users.iter().cloned().chain(accounts).collect(), groups: groups.to_vec() }
    }

    /// Whether nobody is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }

    /// Whether the requester is named, directly or by a group.
    #[must_use]
    pub fn contains(&self, user: &UserInfo) -> bool {
        self.users.contains(&user.username) || self.groups.iter().any(|group| user.groups.contains(group))
    }
}
