use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    conditions::{self, ConditionCoverage, CoveredCondition},
    run::full_name,
};
use crate::{
    canonical::Value,
    cli::{
        console::{Console, Paint},
        decide::{Judge, Standing},
        policies::Policies,
    },
    policy::Policy,
    policy_set::{Bound, Force},
};

/// How often each rule of each policy decided.
#[derive(Debug, Default)]
pub(super) struct RuleCoverage {
    policies: BTreeMap<String, Vec<(String, u64)>>,
    conditions: ConditionCoverage,
}

/// Which rules of a policy decided some case.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct Coverage {
    /// The policy version, `<id>.<version>`.
    policy: String,
    /// Its rules in order.
    rules: Vec<CoveredRule>,
    /// The conditions in its expressions.
    conditions: Vec<CoveredCondition>,
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
            self.conditions.declare(name, &loaded.policy);
        }
    }

    pub(super) fn count_bound(&mut self, judge: &Judge<'_>, bound: &Bound, standing: &Standing) {
        if let Force::InForce { policy, params, .. } = &bound.force {
            self.count(judge, policy, params, standing);
        }
    }

    pub(super) fn count(&mut self, judge: &Judge<'_>, policy: &Policy, params: &Value<'_>, standing: &Standing) {
        let name = full_name(policy);
        self.conditions.count(&name, &judge.explain(policy, params, standing));
        let Standing::Decided(decision) = standing else { return };
        let rules = self.policies.get_mut(&name).into_iter().flatten();
        for (name, cases) in rules {
            if decision.rule() == Some(name) {
                *cases += 1;
            }
        }
    }

    /// The coverage of each policy, and of all rules in per cent.
    pub(super) fn report(mut self) -> (Vec<Coverage>, u64) {
        let all: u64 = self.policies.values().map(|rules| rules.len() as u64).sum();
        let covered = self.policies.values().flatten().filter(|(_, cases)| *cases > 0).count() as u64;
        let reports = self.policies.into_iter().map(|(policy, rules)| Coverage {
            conditions: self.conditions.of(&policy),
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
        conditions::show(console, &self.policy, &self.conditions);
    }
}
