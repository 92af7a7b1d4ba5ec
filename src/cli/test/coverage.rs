use std::collections::BTreeMap;

use serde::Serialize;

use super::run::full_name;
use crate::{
    cli::{
        console::{Console, Paint},
        decide::Standing,
        policies::Policies,
    },
    policy::Policy,
    policy_set::{Bound, Force},
};

/// How often each rule of each policy decided.
#[derive(Debug, Default)]
pub(super) struct RuleCoverage {
    policies: BTreeMap<String, Vec<(String, u64)>>,
}

/// Which rules of a policy decided some case.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct Coverage {
    /// The policy version, `<id>.<version>`.
    policy: String,
    /// Its rules in order.
    rules: Vec<CoveredRule>,
}

/// How often a rule decided.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
struct CoveredRule {
    /// The rule's name.
    rule: String,
    /// The number of cases that it decided.
    cases: u64,
}

impl RuleCoverage {
    /// Makes policies known, so that one without any case counts too.
    pub(super) fn declare(&mut self, policies: &Policies) {
        for (name, loaded) in &policies.policies {
            let rules = || loaded.policy.rules().iter().map(|rule| (rule.name.clone(), 0)).collect();
            self.policies.entry(name.clone()).or_insert_with(rules);
        }
    }

    pub(super) fn count_bound(&mut self, bound: &Bound, standing: &Standing) {
        if let Force::InForce { policy, .. } = &bound.force {
            self.count(policy, standing);
        }
    }

    pub(super) fn count(&mut self, policy: &Policy, standing: &Standing) {
        let Standing::Decided(decision) = standing else { return };
        let rules = self.policies.get_mut(&full_name(policy)).into_iter().flatten();
        for (name, cases) in rules {
            if decision.rule() == Some(name) {
                *cases += 1;
            }
        }
    }

    /// The coverage of each policy, and of all rules in per cent.
    pub(super) fn report(self) -> (Vec<Coverage>, u64) {
        let all: u64 = self.policies.values().map(|rules| rules.len() as u64).sum();
        let covered = self.policies.values().flatten().filter(|(_, cases)| *cases > 0).count() as u64;
        let reports = self.policies.into_iter().map(|(policy, rules)| Coverage {
            policy,
            rules: rules.into_iter().map(|(rule, cases)| CoveredRule { rule, cases }).collect(),
        });
        (reports.collect(), (covered * 100).checked_div(all).unwrap_or(100))
    }
}

impl Coverage {
    pub(super) fn show(&self, console: &mut Console) {
        let missed: Vec<&str> =
            self.rules.iter().filter(|rule| rule.cases == 0).map(|rule| rule.rule.as_str()).collect();
        let count = format!("{} of {} rules", self.rules.len() - missed.len(), self.rules.len());
        console.put(Paint::Faint, "rules ").put(Paint::Plain, format!("{}: {count}", self.policy));
        if !missed.is_empty() {
            console.put(Paint::Warning, format!("; no case is decided by {}", missed.join(", ")));
        }
        console.end();
    }
}
