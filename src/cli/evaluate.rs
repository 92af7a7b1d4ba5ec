//! `writ evaluate`: the decision about a request, offline.

mod arguments;
mod explanation;
mod report;

use std::path::PathBuf;

pub(super) use report::{EvaluateResult, StandingReport};
use report::{RequestReport, show};

use super::{
    Exit, Failure, Io,
    case::{Case, from_review},
    console::{Format, OutputArguments},
    decide::{Judge, Overall, Standing, overall},
    input,
    manifest::{self, Document},
    policies::{self, Policies},
};
use crate::{
    api::Mode,
    canonical::{Object, Value, encode},
    clock::{Clock as _, SystemClock},
    policy::Policy,
    policy_set::{Bound, Force},
    time::Timestamp,
};
use arguments::RequestArguments;

const EXAMPLES: &str = "\
Examples:
  writ evaluate -f policies/ --object deployment.yaml --as ann --as-group developers
  writ evaluate -f policies/ --object new.yaml --old-object old.yaml      # an UPDATE
  writ evaluate -f policies/ --old-object pod.yaml                        # a DELETE
  writ evaluate -f policies/ --object scale.yaml --old-object old.yaml \\
      --resource apps/v1/deployments --subresource scale
  writ evaluate -f policies/ --object pod.yaml --explain       # why, part by part
  writ evaluate -f policies/ --review review.json -o json      # a recorded AdmissionReview
  kubectl get deployment web -o yaml | writ evaluate -f policies/ --object -
  writ evaluate -f policy.yaml --policy change-ticket.v1 --params params.yaml --object web.yaml

Exit codes: 0 allowed (or not governed), 1 denied, 2 could not be decided.

Only a running Writ knows whether an authority was used before, and which namespaces the
installation exempts: neither is asked here.";

/// Decide a request offline: matched rule, signals, reason, fingerprint, cost.
///
/// Every binding among the policies has its say, as in a cluster: each Enforce binding that governs the request must
/// allow it. With --policy one policy decides by itself, without a binding.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct EvaluateCommand {
    /// Policies and bindings: a file, or a folder with `.yaml`, `.yml` and `.json` files.
    #[arg(short = 'f', long = "filename", value_name = "POLICIES", required = true)]
    policies: Vec<PathBuf>,
    /// Let this policy decide by itself, without a binding.
    #[arg(long, value_name = "ID.VERSION")]
    policy: Option<String>,
    /// The parameters for --policy: a mapping in YAML or JSON.
    #[arg(long, value_name = "FILE", requires = "policy")]
    params: Option<PathBuf>,
    /// A label key of namespaces that the installation guards; without it bindings may select by any.
    #[arg(long = "guarded-label", value_name = "KEY")]
    guarded_labels: Vec<String>,
    /// Show what each part of the expressions came to, and what it costs. What is made of the data of a Secret is
    /// masked, apart from booleans and the signals.
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    output: OutputArguments,
    #[command(flatten)]
    request: RequestArguments,
}

impl EvaluateCommand {
    pub(super) fn run(&self, io: &mut Io) -> Result<Exit, Failure> {
        let policies = Policies::read(&mut io.inputs, &self.policies, &self.guarded_labels)?;
        let alone = self.alone(io, &policies)?;
        if alone.is_none() && policies.set.bounds().is_empty() {
            return Err(no_binding(&policies));
        }
        let time = match self.request.time {
            Some(time) => time,
            None => SystemClock.now().map_err(|error| Failure::new(error.to_string()))?,
        };
        let cases = self.cases(io, time)?;
        let requests =
            cases.iter().map(|case| self.decide(case, &policies, alone.as_ref())).collect::<Result<Vec<_>, _>>()?;
        let result = EvaluateResult::new(requests);
        match self.output.output {
            Format::Json => io.console.json(&result)?,
            Format::Text => show(&mut io.console, &result),
        }
        Ok(if result.is_denied() { Exit::No } else { Exit::Yes })
    }

    /// The policy of --policy with its parameters.
    fn alone(&self, io: &mut Io, policies: &Policies) -> Result<Option<Alone>, Failure> {
        let Some(name) = &self.policy else { return Ok(None) };
        let policy = policies.policy(name).map_err(Failure::new)?.clone();
        let given = match &self.params {
            Some(path) => mapping(&manifest::read(&mut io.inputs, path)?, &input::name(path))?,
            None => Object::default(),
        };
        let given = given.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
        let params = policies::read_params(&given, policy.params()).map_err(|errors| {
            let failure = Failure::all(errors).unwrap_or_else(|| Failure::new("the parameters do not fit"));
            failure.hint("give the parameters that the policy declares with --params FILE")
        })?;
        Ok(Some(Alone { policy, params }))
    }

    fn cases(&self, io: &mut Io, time: Timestamp) -> Result<Vec<Case>, Failure> {
        let request = &self.request;
        let namespace = request.namespace_object.as_ref().map(|path| one(manifest::read(&mut io.inputs, path)?, path));
        let namespace = namespace.transpose()?.map(|document| document.value);
        if let Some(path) = &request.review {
            let mut case = read_review(io, path, time)?;
            case.namespace = namespace;
            return Ok(vec![case]);
        }
        let old =
            request.old_object.as_ref().map(|path| one(manifest::read(&mut io.inputs, path)?, path)).transpose()?;
        let Some(path) = &request.object else {
            return Ok(vec![request.build(None, old, namespace, time)?]);
        };
        let objects = manifest::read(&mut io.inputs, path)?;
        if objects.is_empty() {
            return Err(Failure::new(format!("{}: there is no object in it", input::name(path))));
        }
        if old.is_some() {
            return Ok(vec![request.build(Some(one(objects, path)?), old, namespace, time)?]);
        }
        objects.into_iter().map(|object| request.build(Some(object), None, namespace.clone(), time)).collect()
    }

    fn decide(&self, case: &Case, policies: &Policies, alone: Option<&Alone>) -> Result<RequestReport, Failure> {
        let judge = Judge::new(case);
        let concerned = match alone {
            Some(Alone { policy, .. }) => judge.is_about(policy),
            None => judge.concerns(&policies.set),
        };
        if concerned && judge.is_no_op() {
            return Ok(RequestReport::new(case, Overall::NoOp, Vec::new()));
        }
        if let Some(Alone { policy, params }) = alone {
            let standing = judge.policy(policy, params);
            let overall = overall([(Mode::Enforce, &standing)]);
            let report = StandingReport::of_policy(policy, &standing);
            let report = self.explained(report, &judge, policy, params, &standing);
            return Ok(RequestReport::new(case, overall, vec![report]));
        }
        if let Some(binding) = judge.wants_namespace(&policies.set) {
            return Err(Failure::new(format!(
                "binding `{binding}` selects namespaces by label, and the labels are not known"
            ))
            .hint("give the Namespace with --namespace-object FILE"));
        }
        let standings = judge.bindings(&policies.set);
        let overall = overall(standings.iter().map(|(bound, standing)| (bound.binding.mode, standing)));
        let report = |(bound, standing): &(&Bound, Standing)| {
            let report = StandingReport::of_binding(bound, standing);
            match &bound.force {
                Force::InForce { policy, params, .. } => self.explained(report, &judge, policy, params, standing),
                Force::Unavailable { .. } => report,
            }
        };
        Ok(RequestReport::new(case, overall, standings.iter().map(report).collect()))
    }

    fn explained(
        &self,
        report: StandingReport,
        judge: &Judge<'_>,
        policy: &Policy,
        params: &Value<'_>,
        standing: &Standing,
    ) -> StandingReport {
        if self.explain { report.explained(judge.explain(policy, params, standing)) } else { report }
    }
}

/// One policy with its parameters, without a binding.
struct Alone {
    policy: std::sync::Arc<crate::policy::Policy>,
    params: Value<'static>,
}

/// A recorded review, in JSON as the API server sent it, byte by byte; or in YAML.
fn read_review(io: &mut Io, path: &std::path::Path, time: Timestamp) -> Result<Case, Failure> {
    let text = io.inputs.text(path)?;
    let json = if text.trim_start().starts_with('{') {
        text.into_bytes()
    } else {
        encode(&one(manifest::parse(&input::name(path), &text)?, path)?.value)
    };
    from_review(&json, time).map_err(|error| Failure::new(format!("{}: {error}", input::name(path))))
}

fn one(documents: Vec<Document>, path: &std::path::Path) -> Result<Document, Failure> {
    let count = documents.len();
    let mut documents = documents.into_iter();
    match (documents.next(), count) {
        (Some(document), 1) => Ok(document),
        _ => Err(Failure::new(format!("{}: one object is wanted, and {count} are in it", input::name(path)))),
    }
}

/// The one mapping of a file.
pub(super) fn mapping(documents: &[Document], file: &str) -> Result<Object<'static>, Failure> {
    let fault = |what: &str| Failure::new(format!("{file}: {what}"));
    match documents {
        [document] => document.value.as_object().cloned().ok_or_else(|| fault("this is no mapping of names to values")),
        [] => Err(fault("there is nothing in it: a mapping of names to values is wanted")),
        _ => Err(fault("one mapping is wanted, and several documents are in it")),
    }
}

fn no_binding(policies: &Policies) -> Failure {
    let names: Vec<&str> = policies.policies.keys().map(String::as_str).collect();
    if names.is_empty() {
        return Failure::new(
            "there is neither a Policy nor a PolicyBinding of writ.dev/v1alpha1 in the files given with -f",
        );
    }
    Failure::new(format!("there is no PolicyBinding among the files; of policies {}", policies::list_or_none(&names)))
        .hint("give a binding too, or let one policy decide with --policy ID.VERSION")
}
