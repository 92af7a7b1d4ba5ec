use std::{collections::BTreeMap, time::Instant};

use super::{
    Call, DecisionLine, Refusal, Runtime, SETTLING, SKEW,
    attestation::{self, text_at},
    evidence::{BindingLine, RequestLine},
    gather::{Case, Gathered},
    judge::{Judged, judge},
};
use crate::{
    admission::{Answer, Operation},
    api::{GROUP, Mode, Reason},
    attest::{ExecutionId, Statement},
    canonical,
    digest::Digest,
    policy::CompiledReplay,
    projection::{Projection, ProjectionId},
    replay,
    verify::{Verified, Verifier, VerifyError, check_binding, check_object},
};

/// What lets a request through.
struct Passed {
    warnings: Vec<String>,
    execution_id: ExecutionId,
    claims: Vec<Digest>,
    subject: Option<Digest>,
}

impl Passed {
    fn plainly(call: &Call<'_>) -> Self {
        Self { warnings: Vec::new(), execution_id: call.execution_id, claims: Vec::new(), subject: None }
    }
}

impl Runtime {
    pub(super) async fn validate_call(&self, call: &Call<'_>) -> Answer {
        if self.is_exempt_place(call.request) {
            return allowed(Vec::new(), BTreeMap::new());
        }
        if call.request.resource.group == GROUP {
            return match self.world.admit_own(call.request).await {
                Ok(warnings) => allowed(warnings, BTreeMap::new()),
                Err(refusal) => refused(call, refusal),
            };
        }
        let Some(snapshot) = self.world.snapshot() else {
            let message = "the policies have not been read yet: try again in a moment";
            return refused(call, Refusal::new(Reason::NotReady, message));
        };
        match self.gather(call, &snapshot).await {
            Ok(Gathered::NotOurs) => allowed(Vec::new(), BTreeMap::new()),
            Ok(Gathered::NoOp(case)) => match untouched(&case) {
                Ok(()) => allowed(Vec::new(), BTreeMap::new()),
                Err(refusal) => refused(call, refusal),
            },
            Ok(Gathered::Case(case)) => self.decide(&case).await,
            Err(refusal) => self.refuse_unread(call, &snapshot, refusal).await,
        }
    }

    /// Records a refusal of a request that could not be read far enough to be decided.
    async fn refuse_unread(&self, call: &Call<'_>, snapshot: &super::Snapshot, refusal: Refusal) -> Answer {
        let line = DecisionLine {
            api_version: DecisionLine::API_VERSION,
            kind: DecisionLine::KIND,
            time: call.now,
            execution_id: call.execution_id.to_string(),
            outcome: "Deny",
            reason: refusal.word(),
            message: &refusal.message,
            request: RequestLine::of(call, &call.request.name, "", None),
            decisions: Vec::new(),
            claims: Vec::new(),
            subject: None,
            caller_authenticated: call.authenticated,
            runtime: self.identity.digest(snapshot.set.digest()),
            replica: &self.identity.replica,
            cluster_id: &self.cluster_id,
        };
        // A denial stands whether or not it can be recorded.
        let _ = self.evidence.write(&line, call.deadline).await;
        refused(call, refusal)
    }

    async fn decide(&self, case: &Case<'_>) -> Answer {
        // First the attestation, only for the time at which the case is decided again; what it is worth comes after.
        let verified = if case.carries_attestation() && !case.enforce.is_empty() {
            case.attestation().map(|text| self.verify(case, text))
        } else {
            None
        };
        let time = match &verified {
            Some(Ok(statement)) => statement.predicate.issued_at,
            _ => case.call.now,
        };
        let judged = judge(case, &case.enforce, time);
        let shadow = judge(case, &case.shadow, time);
        let verdict = self.pass(case, &judged, verified).await;
        self.conclude(case, &judged, &shadow, verdict).await
    }

    fn verify(&self, case: &Case<'_>, text: &str) -> Result<Verified<Statement>, VerifyError> {
        Verifier::at(&self.keyring, case.call.now, SKEW).verify_compact(text)
    }

    /// The gate: every step must hold.
    async fn pass(
        &self,
        case: &Case<'_>,
        judged: &[Judged<'_>],
        verified: Option<Result<Verified<Statement>, VerifyError>>,
    ) -> Result<Passed, Refusal> {
        let mut passed = Passed::plainly(case.call);
        if judged.is_empty() {
            untouched(case).map_err(|refusal| self.or_settling(case, refusal))?;
            return Ok(passed);
        }
        if !self.world.is_current(case.call.now) {
            let message = "this replica cannot show that its policies are current: try again in a moment";
            return Err(Refusal::new(Reason::PolicyStale, message));
        }
        if let Some(refusal) = denial(judged) {
            return Err(refusal);
        }
        if judged.iter().any(Judged::is_once) {
            // First, because a request that no claim can be made for is refused for that, whatever else differs.
            self.target(case)?;
        }
        if case.carries_attestation() {
            let statement = match verified {
                None => return Err(self.or_settling(case, missing())),
                Some(Err(error)) => return Err(Refusal::new(Reason::of_word(error.reason()), error.to_string())),
                Some(Ok(statement)) => statement,
            };
            self.check(case, judged, &statement)?;
            passed.execution_id = statement.predicate.execution_id;
            passed.subject = Some(statement.subject);
        }
        passed.claims = self.claim(case, judged, passed.execution_id).await?;
        if Instant::now() >= case.call.deadline {
            return Err(late());
        }
        Ok(passed)
    }

    /// Whether a verified statement is about this very request, object and decision.
    fn check(&self, case: &Case<'_>, judged: &[Judged<'_>], statement: &Verified<Statement>) -> Result<(), Refusal> {
        let unknown = |_| {
            Refusal::new(
                Reason::ProjectionMismatch,
                "the attestation was made by another version of writ: let the rollout finish and try again",
            )
        };
        let id: ProjectionId = statement.predicate.projection.parse().map_err(unknown)?;
        let object = case.object.as_ref().ok_or_else(missing)?;
        let projection = case.plan.project_as(object, id);
        check_binding(statement, &attestation::expected(self, case, id)).map_err(|mismatch| {
            let message = format!(
                "the attestation on the object is not for this request: {mismatch}; send the request again without it"
            );
            Refusal::new(Reason::of_word(mismatch.reason()), message)
        })?;
        check_object(statement, &projection.digest, &attestation::tags(&projection))
            .map_err(|changed| self.object_changed(case, statement, &projection, &changed.to_string()))?;
        self.same_decision(case, judged, statement)
    }

    /// Names what another webhook changed: exactly where the signed object is still at hand, else by subtree.
    fn object_changed(
        &self,
        case: &Case<'_>,
        statement: &Verified<Statement>,
        projection: &Projection,
        otherwise: &str,
    ) -> Refusal {
        let pointers = self.recent.find(statement.predicate.execution_id).and_then(|text| {
            let attested = canonical::parse(&text).ok()?;
            let pointers = case.plan.differences(&attested, case.object.as_ref()?, projection.id);
            (!pointers.is_empty()).then(|| pointers.join(", "))
        });
        let what = pointers.unwrap_or_else(|| otherwise.to_owned());
        let message = format!(
            "the object was changed after it was attested ({what}): another mutating webhook runs after writ; let it run before, or set reinvocationPolicy: IfNeeded"
        );
        Refusal::new(Reason::ObjectChanged, message)
    }

    fn same_decision(
        &self,
        case: &Case<'_>,
        judged: &[Judged<'_>],
        statement: &Verified<Statement>,
    ) -> Result<(), Refusal> {
        let attested = &statement.predicate.decisions;
        let now: Vec<_> = judged.iter().map(Judged::record).collect();
        let same_set = attested.len() == now.len()
            && attested
                .iter()
                .zip(&now)
                .all(|(a, b)| a.binding == b.binding && a.policy == b.policy && a.params == b.params);
        if !same_set {
            let message = "the policies changed while the request was decided: try again";
            return Err(Refusal::new(Reason::PolicySetChanged, message));
        }
        let same = attested
            .iter()
            .zip(&now)
            .all(|(a, b)| a.rule == b.rule && a.outcome == b.outcome && a.reason == b.reason && a.replay == b.replay);
        if same {
            return Ok(());
        }
        let message = "the final object gets another decision than the one that was attested: what the server or another webhook fills in decides; let the policy read only what the request says";
        Err(self.or_settling(case, Refusal::new(Reason::DecisionChanged, message)))
    }

    /// Right after a change of the policies, the two calls of one request may have seen different ones.
    fn or_settling(&self, case: &Case<'_>, refusal: Refusal) -> Refusal {
        if case.call.now.since(case.snapshot.changed_at) > SETTLING {
            return refusal;
        }
        let message = format!("the policies changed a moment ago: try again (else: {})", refusal.message);
        Refusal::new(Reason::PolicySetChanged, message)
    }

    /// Claims the authorities of all `Once` policies, or says why not.
    async fn claim(
        &self,
        case: &Case<'_>,
        judged: &[Judged<'_>],
        execution_id: ExecutionId,
    ) -> Result<Vec<Digest>, Refusal> {
        let mut authorities = Vec::new();
        for judged in judged {
            let Some((policy, CompiledReplay::Once { window, .. })) =
                judged.policy.map(|policy| (policy, policy.replay()))
            else {
                continue;
            };
            let Some(fingerprint) = judged.decision.fingerprint else {
                return Err(Refusal::new(Reason::InternalError, "an allowed authority has no identity"));
            };
            authorities.push(replay::Authority {
                fingerprint,
                policy: replay::record::PolicyVersion {
                    id: policy.id().to_owned(),
                    version: policy.version().to_owned(),
                    digest: policy.digest(),
                },
                window: *window,
            });
        }
        if authorities.is_empty() {
            return Ok(Vec::new());
        }
        if !case.call.authenticated && !self.accept_unauthenticated_once {
            let message = "a policy that acts once needs the API server to authenticate to writ, else anybody who reaches the port could use up authorities: configure caller authentication, or accept the risk (see the installation guide)";
            return Err(Refusal::new(Reason::CallerUnauthenticated, message));
        }
        let kind = self.world.kind(&case.call.request.resource);
        if !kind.watchable && matches!(case.operation, Operation::Create | Operation::Update) {
            let message = "objects of this kind cannot be watched, so a policy that acts once cannot know what became of a change: use a Repeatable policy";
            return Err(Refusal::new(Reason::NotWatchable, message));
        }
        let target = self.target(case)?;
        let held: Vec<Digest> = authorities.iter().map(|authority| authority.fingerprint).collect();
        let left = case.call.deadline.saturating_duration_since(Instant::now());
        let outcome = self.claims.claim(replay::ClaimRequest {
            authorities,
            target,
            request_uid: case.call.request.uid.to_string(),
            object_uid: text_at(case.object.as_ref().or(case.old.as_ref()), &["metadata", "uid"]).to_owned(),
            object_resource_version: if case.operation == Operation::Create {
                text_at(case.object.as_ref(), &["metadata", "resourceVersion"]).to_owned()
            } else {
                String::new()
            },
            conversion_webhook: kind.conversion_webhook,
            execution_id: execution_id.to_string(),
            user: case.call.request.user_info.username.clone(),
            dry_run: case.call.request.dry_run,
            deadline: self.clock.elapsed().saturating_add(left),
        });
        match outcome.await {
            replay::Outcome::Allowed(_) => Ok(held),
            other => Err(Refusal::new(Reason::of_word(other.reason()), other.message())),
        }
    }

    /// T: the one transition that a claim stands for.
    fn target(&self, case: &Case<'_>) -> Result<replay::record::Target, Refusal> {
        let request = case.call.request;
        let name = case.name();
        let writes = matches!(case.operation, Operation::Create | Operation::Update);
        // At validation a generated name is there, but the request may come again with another one.
        let prefix = text_at(case.object.as_ref(), &["metadata", "generateName"]);
        let generated = case.operation == Operation::Create && (request.name.is_empty() || !prefix.is_empty());
        if name.is_empty() || generated || writes && !request.sub_resource.is_empty() {
            let message =
                "a policy that acts once covers named objects only: give the object a name instead of generateName";
            return Err(Refusal::new(Reason::ReplayUnsupported, message));
        }
        let uid = text_at(case.old.as_ref(), &["metadata", "uid"]);
        let old = (case.operation == Operation::Update).then(|| replay::record::Version {
            uid: uid.to_owned(),
            resource_version: replay::record::ResourceVersion(
                text_at(case.old.as_ref(), &["metadata", "resourceVersion"]).to_owned(),
            ),
        });
        Ok(replay::record::Target {
            operation: match case.operation {
                Operation::Create => replay::record::Operation::Create,
                Operation::Update => replay::record::Operation::Update,
                Operation::Delete => replay::record::Operation::Delete,
                Operation::Connect => replay::record::Operation::Connect,
            },
            resource: replay::record::Resource {
                group: request.resource.group.clone(),
                version: request.resource.version.clone(),
                resource: request.resource.resource.clone(),
            },
            subresource: if case.operation == Operation::Connect {
                request.sub_resource.to_string()
            } else {
                String::new()
            },
            namespace: request.namespace.to_string(),
            name: name.to_owned(),
            old,
            uid: (case.operation == Operation::Delete).then(|| uid.to_owned()),
        })
    }

    /// Records the decision, and only then answers.
    async fn conclude(
        &self,
        case: &Case<'_>,
        judged: &[Judged<'_>],
        shadow: &[Judged<'_>],
        verdict: Result<Passed, Refusal>,
    ) -> Answer {
        let call = case.call;
        let governed = !judged.is_empty() || !shadow.is_empty() || !case.exempt.is_empty();
        let all: Vec<BindingLine<'_>> = judged
            .iter()
            .chain(shadow)
            .map(BindingLine::of)
            .chain(case.exempt.iter().map(|bound| BindingLine::exempt(bound)))
            .collect();
        let (outcome, execution_id) = match &verdict {
            Ok(passed) if judged.is_empty() && !case.exempt.is_empty() => ("Exempt", passed.execution_id),
            Ok(passed) => ("Allow", passed.execution_id),
            Err(_) => ("Deny", call.execution_id),
        };
        let (reason, message) = match &verdict {
            Ok(_) => (judged.first().map_or("", |judged| judged.decision.reason()), ""),
            Err(refusal) => (refusal.word(), refusal.message.as_str()),
        };
        let line = DecisionLine {
            api_version: DecisionLine::API_VERSION,
            kind: DecisionLine::KIND,
            time: call.now,
            execution_id: execution_id.to_string(),
            outcome,
            reason,
            message,
            request: RequestLine::of(
                call,
                case.name(),
                text_at(case.object.as_ref().or(case.old.as_ref()), &["metadata", "uid"]),
                case.namespace.as_deref(),
            ),
            decisions: all,
            claims: verdict.iter().flat_map(|passed| &passed.claims).map(Digest::to_hex).collect(),
            subject: verdict.as_ref().ok().and_then(|passed| passed.subject),
            caller_authenticated: call.authenticated,
            runtime: self.identity.digest(case.snapshot.set.digest()),
            replica: &self.identity.replica,
            cluster_id: &self.cluster_id,
        };
        let recorded =
            if governed || verdict.is_err() { self.evidence.write(&line, call.deadline).await } else { Ok(()) };
        let id = execution_id.to_string();
        let audit = audit(judged, &id, outcome, reason);
        let mut warnings: Vec<String> = shadow
            .iter()
            .filter(|judged| judged.bound.binding.mode == Mode::Warn && !judged.allows())
            .map(warning)
            .collect();
        match (verdict, recorded) {
            (Ok(_), Ok(())) if Instant::now() >= call.deadline => {
                late().into_answer(call.request, &id, audit, warnings)
            }
            (Ok(passed), Ok(())) => {
                warnings.extend(passed.warnings);
                allowed(warnings, audit)
            }
            (Ok(_), Err(error)) => {
                let message = format!("the decision could not be recorded ({error}): try again");
                Refusal::new(Reason::EvidenceUnavailable, message).into_answer(call.request, &id, audit, warnings)
            }
            (Err(refusal), _) => refusal.into_answer(call.request, &id, audit, warnings),
        }
    }
}

fn allowed(warnings: Vec<String>, audit_annotations: BTreeMap<&'static str, String>) -> Answer {
    Answer::Allow { patch: None, warnings, audit_annotations }
}

fn refused(call: &Call<'_>, refusal: Refusal) -> Answer {
    refusal.into_answer(call.request, &call.execution_id.to_string(), BTreeMap::new(), Vec::new())
}

fn late() -> Refusal {
    Refusal::new(Reason::DeadlineExceeded, "the decision took too long: try again")
}

fn missing() -> Refusal {
    Refusal::new(
        Reason::AttestationMissing,
        "the object carries no attestation: writ's mutating webhook did not see this request; see whether its configuration is installed",
    )
}

/// Where nothing is decided, our annotation is as it is stored.
fn untouched(case: &Case<'_>) -> Result<(), Refusal> {
    if case.object.is_none() || case.operation == Operation::Delete || case.attestation() == case.old_attestation() {
        return Ok(());
    }
    let message = format!("the annotation `{}` belongs to writ: leave it out of the request", case.key);
    Err(Refusal::new(Reason::ReservedForWrit, message))
}

/// The refusal of the first binding that denies, with the others as causes.
fn denial(judged: &[Judged<'_>]) -> Option<Refusal> {
    let mut denials = judged.iter().filter(|judged| !judged.allows());
    let first = denials.next()?;
    let own = match &first.decision.cause {
        crate::evaluate::Cause::Own(reason) => *reason,
        crate::evaluate::Cause::Rule { .. } => Reason::PolicyDenied,
    };
    let mut causes: Vec<(String, String)> = first
        .decision
        .also
        .iter()
        .map(|(rule, reason)| (reason.clone(), format!("rule `{rule}` also denies")))
        .collect();
    causes.extend(denials.map(|judged| (judged.decision.reason().to_owned(), describe(judged))));
    let rule_reason = first.decision.rule().map(|_| first.decision.reason().to_owned());
    Some(Refusal { reason: own, rule_reason, message: describe(first), causes })
}

/// Policy version, rule, reason, what to do, and the values behind it.
fn describe(judged: &Judged<'_>) -> String {
    use std::fmt::Write as _;
    let binding = &judged.bound.binding;
    let decision = &judged.decision;
    let version = judged.policy.map_or(binding.wanted_version.as_str(), |policy| policy.version());
    let mut text = format!("{}.{version}", binding.policy_id);
    if let Some(rule) = decision.rule() {
        let _ = write!(text, ", rule `{rule}`");
    }
    let _ = write!(text, " ({}): {}", decision.reason(), decision.message);
    for (rule, reason) in &decision.also {
        let _ = write!(text, "; also rule `{rule}` ({reason})");
    }
    if !decision.signals.is_empty() {
        let values = decision.signals.iter().map(|(name, value)| {
            let json = serde_json::to_string(&value.to_value()).unwrap_or_default();
            format!("{name}={}", super::clean(&json, 96))
        });
        let _ = write!(text, " [{}]", values.collect::<Vec<_>>().join(", "));
    }
    text
}

fn warning(judged: &Judged<'_>) -> String {
    let binding = &judged.bound.binding;
    let text = format!(
        "policy {} (binding {}) would deny ({}): {}",
        binding.policy_id,
        binding.name,
        judged.decision.reason(),
        judged.decision.message
    );
    super::clean(&text, 240)
}

fn audit(judged: &[Judged<'_>], id: &str, outcome: &str, reason: &str) -> BTreeMap<&'static str, String> {
    let mut annotations = BTreeMap::from([("decision", id.to_owned()), ("outcome", outcome.to_owned())]);
    if !reason.is_empty() {
        annotations.insert("reason", super::clean(reason, 128));
    }
    let decisive = judged.iter().find(|judged| !judged.allows()).or(judged.first());
    if let Some(judged) = decisive {
        let version = judged.policy.map_or(judged.bound.binding.wanted_version.as_str(), |policy| policy.version());
        annotations.insert("policy", format!("{}.{version}", judged.bound.binding.policy_id));
        if let Some(rule) = judged.decision.rule() {
            annotations.insert("rule", super::clean(rule, 128));
        }
    }
    annotations
}
