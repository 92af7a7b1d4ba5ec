//! The mutations: each turns off or turns round one check on the way to an allowed request.

/// One change of one expression or statement.
pub(crate) struct Mutation {
    /// The file, below `src`.
    pub(crate) file: &'static str,
    /// What stands there exactly once. Where it holds `«…»`, only that part is replaced and the rest is context.
    pub(crate) text: &'static str,
    /// What stands there instead.
    pub(crate) instead: &'static str,
    /// The test of the library that must fail.
    pub(crate) test: &'static str,
}

const fn m(file: &'static str, text: &'static str, instead: &'static str, test: &'static str) -> Mutation {
    Mutation { file, text, instead, test }
}

const RUNTIME: &str = "runtime.rs";
const GATHER: &str = "runtime/gather.rs";
const VALIDATE: &str = "runtime/validate.rs";
const ATTESTED: &str = "runtime/attested.rs";
const CLAIMS: &str = "runtime/claims.rs";
const CONCLUDE: &str = "runtime/conclude.rs";
const DECIDE: &str = "decide.rs";
const VERIFY: &str = "verify.rs";
const BINDING: &str = "verify/binding.rs";

const EXEMPT: &str = "runtime::tests::ungoverned::places_that_are_exempt_by_fixed_rule";
const OURS: &str = "runtime::tests::ungoverned::our_annotation_is_ours_where_nothing_is_decided";
const WENT: &str = "runtime::tests::ungoverned::a_binding_that_just_went_is_no_forgery";
const OWN_KINDS: &str = "runtime::tests::ungoverned::changes_of_our_own_kinds_have_their_own_rule";
const UNREAD: &str = "runtime::tests::ungoverned::what_cannot_be_read_is_denied";
const MALFORMED: &str = "runtime::tests::ungoverned::malformed_objects_are_denied_and_recorded";
const PASSES: &str = "runtime::tests::attested::a_permitted_change_passes";
const DENIAL: &str = "runtime::tests::attested::a_denial_gives_the_reason_of_the_rule";
const SEVERAL: &str = "runtime::tests::attested::one_denial_of_several_denies";
const MISSING: &str = "runtime::tests::attested::without_an_attestation_nothing_is_stored";
const SIGNED: &str = "runtime::tests::attested::a_signature_has_to_hold_in_time";
const BOUND: &str = "runtime::tests::attested::an_attestation_is_for_one_request";
const LATER: &str = "runtime::tests::attested::an_attestation_of_a_later_version_is_named";
const CHANGED: &str = "runtime::tests::attested::what_another_webhook_changed_is_named";
const SAME: &str = "runtime::tests::attested::the_attested_decision_is_the_one_that_is_made";
const SET: &str = "runtime::tests::attested::a_policy_set_that_changed_between_the_calls_is_no_denial";
const DECISION: &str = "runtime::tests::attested::a_decision_that_changed_between_the_calls_is_denied";
const TIME: &str = "runtime::tests::attested::the_time_of_a_decision_is_the_attested_one";
const REVIEWED: &str = "runtime::tests::attested::a_reviewed_version_has_to_be_the_one_in_force";
const ONCE: &str = "runtime::tests::once::an_authority_acts_once";
const TRANSITION: &str = "runtime::tests::once::a_claim_is_for_one_transition";
const FINAL: &str = "runtime::tests::once::a_deletion_is_final";
const NAMED: &str = "runtime::tests::once::once_wants_one_named_object";
const NAMED_FIRST: &str = "runtime::tests::once::once_wants_one_named_object_first_of_all";
const CALLERS: &str = "runtime::tests::once::once_wants_authenticated_callers";
const HISTORY: &str = "runtime::tests::once::once_wants_a_history";
const UNSURE: &str = "runtime::tests::once::a_claim_that_is_not_sure_denies";
const DRY: &str = "runtime::tests::once::a_dry_run_claims_nothing";
const LATE_CLAIM: &str = "runtime::tests::once::a_claim_that_came_too_late_denies";
const RECORDED: &str = "runtime::tests::recorded::what_cannot_be_recorded_is_not_allowed";
const LATE: &str = "runtime::tests::recorded::an_answer_that_comes_too_late_denies";
const LINE: &str = "runtime::tests::recorded::a_line_says_what_was_decided";
const WHAT: &str = "decide::tests::what_a_change_is";
const NOTHING: &str = "decide::tests::an_update_of_the_object_itself_may_change_nothing";
const CONCERNED: &str = "decide::tests::who_is_concerned";
const WORD: &str = "decide::tests::a_reviewed_version_counts_only_where_it_was_written_for_this_object";
const V_TIME: &str = "verify::tests::time_is_checked_at_admission_and_only_there";
const V_KEYS: &str = "verify::tests::only_active_keys_of_the_keyring_count";
const V_OTHER: &str = "verify::tests::a_signature_by_another_key_does_not_count";
const V_MORE: &str = "verify::tests::further_signatures_must_hold_where_the_key_is_known";
const V_BITS: &str = "verify::tests::every_bit_flip_of_an_envelope_is_refused";
const V_BOUND: &str = "verify::tests::each_binding_has_its_reason";
const V_NAMES: &str = "verify::tests::generated_names_are_bound_by_what_they_are_made_from";
const V_CHANGED: &str = "verify::tests::what_changed_is_named";

/// In the order in which a request meets the checks.
pub(crate) const MUTATIONS: &[Mutation] = &[
    // Who is not asked at all.
    m(RUNTIME, r#"&*request.namespace == "kube-node-lease""#, "true", EXEMPT),
    m(RUNTIME, r#"request.resource.resource == "leases""#, "true", EXEMPT),
    m(RUNTIME, "«node_lease» || self", "false", EXEMPT),
    m(RUNTIME, "*namespace == request.namespace", "true", EXEMPT),
    m(RUNTIME, "*namespace == request.namespace", "false", EXEMPT),
    m(VALIDATE, "self.is_exempt_place(call.request)", "true", EXEMPT),
    m(VALIDATE, "self.is_exempt_place(call.request)", "false", EXEMPT),
    m(VALIDATE, "call.request.resource.group == GROUP", "true", MISSING),
    m(VALIDATE, "call.request.resource.group == GROUP", "false", OWN_KINDS),
    m(VALIDATE, "self.world.admit_own(call.request).await", "Ok::<Vec<String>, Refusal>(Vec::new())", OWN_KINDS),
    m(
        VALIDATE,
        "return refused(call, Refusal::new(Reason::NotReady, message));",
        "return allowed(vec![message.to_owned()], BTreeMap::new());",
        UNREAD,
    ),
    // What the request is.
    m(GATHER, "«concerned.is_empty()» && !names", "false", MALFORMED),
    m(GATHER, "!names_our_annotation(request)", "true", MALFORMED),
    m(GATHER, "if «no_op» {", "false", OURS),
    m(GATHER, "bound.binding.mode == Mode::Enforce", "true", DENIAL),
    m(GATHER, "bound.binding.mode == Mode::Enforce", "false", DENIAL),
    m(DECIDE, "is_plain_update(request) && lets_go()", "false", WHAT),
    m(DECIDE, "«is_plain_update(request)» && lets_go()", "true", WHAT),
    m(DECIDE, "change.operation == change.request.operation", "true", CONCERNED),
    m(DECIDE, "self.direct.is_empty() && «self.deleting.is_empty()»", "true", CONCERNED),
    m(DECIDE, "«self.request.sub_resource.is_empty()» && self.writes()", "true", WHAT),
    m(DECIDE, "self.request.sub_resource.is_empty() && «self.writes()»", "true", WHAT),
    m(DECIDE, "is_plain_update(self.request)", "true", NOTHING),
    m(DECIDE, "plan.is_same(object, old)", "true", NOTHING),
    m(DECIDE, "«self.operation == Operation::Create» && (self.request", "true", WHAT),
    m(DECIDE, "(«self.request.name.is_empty()» || !prefix", "false", WHAT),
    m(DECIDE, "!prefix.is_empty()", "false", WHAT),
    m(DECIDE, "self.writes() && !self.request.sub_resource.is_empty()", "false", WHAT),
    m(DECIDE, "!(«self.name().is_empty()» || generated || part)", "false", WHAT),
    // The word of the request about the version that it was reviewed under.
    m(DECIDE, "word != policy.version()", "false", REVIEWED),
    m(DECIDE, "word != policy.version()", "true", WORD),
    m(DECIDE, "!self.carries_attestation()", "false", WORD),
    m(DECIDE, r#"owner.member("controller").and_then(Value::as_bool) == Some(true)"#, "false", WORD),
    // Where nothing is decided, the annotation stays as it is.
    m(VALIDATE, "untouched(&case)", "Ok::<(), Refusal>(())", OURS),
    m(
        VALIDATE,
        "untouched(case).map_err(|refusal| self.or_settling(case, refusal))?;",
        "let _ = untouched(case);",
        OURS,
    ),
    m(VALIDATE, "untouched(case).map_err(|refusal| self.or_settling(case, refusal))?;", "untouched(case)?;", WENT),
    m(VALIDATE, "case.operation == Operation::Delete", "false", OURS),
    m(VALIDATE, "case.operation == Operation::Delete", "true", OURS),
    m(VALIDATE, "case.attestation() == case.old_attestation()", "true", OURS),
    m(
        VALIDATE,
        "self.refuse_unread(call, &snapshot, refusal).await",
        "allowed(Vec::new(), BTreeMap::new())",
        MALFORMED,
    ),
    // The gate.
    m(VALIDATE, "judge(case, &case.enforce, time)", "Vec::new()", DENIAL),
    m(VALIDATE, "«statement.predicate.issued_at»,\n            _ => case.call.now", "case.call.now", TIME),
    m(
        VALIDATE,
        "Verifier::at(&self.keyring, case.call.now, SKEW).verify_compact(text)",
        "Verifier::offline(&self.keyring).verify_compact(text)",
        SIGNED,
    ),
    m(VALIDATE, "judged.is_empty()", "true", DENIAL),
    m(VALIDATE, "judged.is_empty()", "false", OURS),
    m(VALIDATE, "!self.world.is_current(call.now)", "false", UNREAD),
    m(VALIDATE, "denial(judged)", "None::<Refusal>", DENIAL),
    m("runtime/told.rs", "judged.iter().filter(|judged| «!judged.allows()»)", "false", SEVERAL),
    m(VALIDATE, "judged.iter().any(Judged::is_once)", "false", NAMED_FIRST),
    m(VALIDATE, "judged.iter().any(Judged::is_once)", "true", PASSES),
    m(VALIDATE, "target(case)?;", "let _ = target(case);", NAMED_FIRST),
    m(VALIDATE, "if «case.carries_attestation()» {", "false", MISSING),
    m(VALIDATE, "if «case.carries_attestation()» {", "true", PASSES),
    m(VALIDATE, "self.or_settling(case, missing())", "missing()", MISSING),
    m(VALIDATE, "self.check(case, judged, &statement)?;", "let _ = self.check(case, judged, &statement);", BOUND),
    m(VALIDATE, "passed.execution_id = statement.predicate.execution_id;", "", LINE),
    m(VALIDATE, "passed.subject = Some(statement.subject);", "", LINE),
    m(VALIDATE, "passed.claims = self.claim(case, judged, passed.execution_id).await?;", "", ONCE),
    m(
        VALIDATE,
        "passed.claims = self.claim(case, judged, passed.execution_id).await?;",
        "let _ = self.claim(case, judged, passed.execution_id).await;",
        UNSURE,
    ),
    m(VALIDATE, "Instant::now() >= case.call.deadline", "false", LATE_CLAIM),
    m(VALIDATE, "case.call.now.since(case.snapshot.changed_at) > SETTLING", "true", MISSING),
    m(VALIDATE, "case.call.now.since(case.snapshot.changed_at) > SETTLING", "false", OURS),
    m(
        VALIDATE,
        "case.call.now.since(case.snapshot.changed_at) > SETTLING",
        "case.call.now.since(case.snapshot.changed_at) >= SETTLING",
        WENT,
    ),
    // The attestation is about this request, object and decision.
    m(
        ATTESTED,
        "statement.predicate.projection.parse().map_err(unknown)?",
        "statement.predicate.projection.parse().unwrap_or(case.plan.id())",
        LATER,
    ),
    m(
        ATTESTED,
        "check_binding(statement, &attestation::expected(self, case, id)).map_err(not_this_request)?;",
        "",
        BOUND,
    ),
    m(
        ATTESTED,
        "check_object(statement, &projection.digest, &attestation::tags(&projection))\n            .map_err(|changed| self.object_changed(case, statement, &projection, &changed.to_string()))?;",
        "",
        CHANGED,
    ),
    m(ATTESTED, "self.same_decision(case, judged, statement)", "Ok(())", SAME),
    m(ATTESTED, "attested.len() == now.len()", "true", SAME),
    m(ATTESTED, "a.binding == b.binding", "true", SAME),
    m(ATTESTED, "a.policy == b.policy", "true", SAME),
    m(ATTESTED, "a.params == b.params", "true", SAME),
    m(ATTESTED, "!same_set", "false", SET),
    m(ATTESTED, "a.rule == b.rule", "true", SAME),
    m(ATTESTED, "a.outcome == b.outcome", "true", SAME),
    m(ATTESTED, "a.reason == b.reason", "true", SAME),
    m(ATTESTED, "a.replay == b.replay", "true", SAME),
    m(
        ATTESTED,
        "self.or_settling(case, Refusal::new(Reason::DecisionChanged, message))",
        "Refusal::new(Reason::DecisionChanged, message)",
        DECISION,
    ),
    // Claims.
    m(CLAIMS, "authorities.is_empty()", "true", ONCE),
    m(CLAIMS, "authorities.is_empty()", "false", CALLERS),
    m(CLAIMS, "!case.call.authenticated", "false", CALLERS),
    m(CLAIMS, "!self.accept_unauthenticated_once", "true", CALLERS),
    m(CLAIMS, "!kind.watchable", "false", HISTORY),
    m(CLAIMS, "!kind.watchable && «matches!(case.operation, Operation::Create | Operation::Update)»", "true", HISTORY),
    m(CLAIMS, "object_resource_version: if «case.operation == Operation::Create» {", "false", UNSURE),
    m(CLAIMS, "conversion_webhook: «kind.conversion_webhook»,", "false", TRANSITION),
    m(CLAIMS, "execution_id: «execution_id.to_string()»,", "case.call.execution_id.to_string()", ONCE),
    m(CLAIMS, "dry_run: «case.call.request.dry_run»,", "false", DRY),
    m(CLAIMS, "Err(Refusal::new(Reason::of_word(other.reason()), other.message()))", "Ok(held)", UNSURE),
    m(CLAIMS, "!case.change().names_one_object()", "false", NAMED),
    m(CLAIMS, "(«case.operation == Operation::Update»).then(|| replay", "false", TRANSITION),
    m(CLAIMS, "subresource: if «case.operation == Operation::Connect» {", "false", TRANSITION),
    m(CLAIMS, "uid: («case.operation == Operation::Delete»).then", "false", FINAL),
    // Recorded before it is answered.
    m(CONCLUDE, "«!judged.is_empty()» || !shadow", "false", RECORDED),
    m(CONCLUDE, "|| «!shadow.is_empty()» ||", "false", RECORDED),
    m(
        CONCLUDE,
        "let governed = !judged.is_empty() || !shadow.is_empty() || «!case.exempt.is_empty()»;",
        "false",
        RECORDED,
    ),
    m(CONCLUDE, "governed || verdict.is_err()", "true", RECORDED),
    m(CONCLUDE, "governed || «verdict.is_err()»", "false", LINE),
    m(CONCLUDE, "Instant::now() >= call.deadline", "false", LATE),
    m(
        CONCLUDE,
        "Refusal::new(Reason::EvidenceUnavailable, message).into_answer(call.request, &id, audit, warnings)",
        "{ let _ = message; allowed(warnings, audit) }",
        RECORDED,
    ),
    m(
        CONCLUDE,
        "(Err(refusal), _) => «refusal.into_answer(call.request, &id, audit, warnings)»",
        "{ let _ = refusal; allowed(warnings, audit) }",
        DENIAL,
    ),
    m(CONCLUDE, "Ok(passed) if «judged.is_empty() && !case.exempt.is_empty()» =>", "false", LINE),
    m(CONCLUDE, "judged.bound.binding.mode == Mode::Warn", "true", DENIAL),
    m(CONCLUDE, "let _ = self.evidence.write(&line, call.deadline).await;", "", MALFORMED),
    // The signature, its key and its time.
    m(VERIFY, "!signatures.iter().any(|signature| signature.key_id == signer)", "false", V_OTHER),
    m(VERIFY, "!entry.key.verifies(&message, &signature.bytes)", "false", V_MORE),
    m(VERIFY, "return Err(VerifyError::SignatureInvalid(signature.key_id));", "", V_BITS),
    m(VERIFY, "check_key_window(entry, predicate.issued_at)?;", "", V_KEYS),
    m(VERIFY, "entry.is_active_at(at)", "true", V_KEYS),
    m(VERIFY, "self.check_time(predicate.issued_at, predicate.admit_before)", "Ok(SigningTime::Checked)", V_TIME),
    m(VERIFY, "issued_at > now.plus(skew)", "false", V_TIME),
    m(VERIFY, "issued_at > now.plus(skew)", "issued_at >= now.plus(skew)", V_TIME),
    m(VERIFY, "issued_at > now.plus(skew)", "issued_at > now", V_TIME),
    m(VERIFY, "now >= admit_before", "false", V_TIME),
    m(VERIFY, "now >= admit_before", "now > admit_before", V_TIME),
    m(
        VERIFY,
        "let envelope = compact.expand(entry.key.id())?;\n        let signing_time = «self.check(&envelope)?»;",
        "SigningTime::Checked",
        V_TIME,
    ),
    m(
        VERIFY,
        "(&self, envelope: Envelope) -> Result<Verified<Statement>, VerifyError> {\n        let signing_time = «self.check(&envelope)?»;",
        "SigningTime::Checked",
        V_OTHER,
    ),
    m("keyring.rs", "self.not_before.is_none_or(|first| first <= time)", "true", V_KEYS),
    m("keyring.rs", "self.not_after.is_none_or(|last| time <= last)", "true", V_KEYS),
    // What a statement binds.
    m(
        BINDING,
        "CHECKS.iter().find(|(holds, _)| !holds(&statement.predicate, expected))",
        "None::<&(Check, Mismatch)>",
        V_BOUND,
    ),
    m(BINDING, "attested.cluster_id == expected.cluster_id", "true", V_BOUND),
    m(BINDING, "attested.store_id == expected.store_id", "true", V_BOUND),
    m(BINDING, "attested.user == expected.user", "true", V_BOUND),
    m(BINDING, "attested.operation == expected.operation", "true", V_BOUND),
    m(BINDING, "attested.resource == expected.resource", "true", V_BOUND),
    m(BINDING, "attested.request_resource == expected.request_resource", "true", V_BOUND),
    m(BINDING, "attested.kind == expected.kind", "true", V_BOUND),
    m(BINDING, "attested.sub_resource == expected.sub_resource", "true", V_BOUND),
    m(BINDING, "attested.namespace == expected.namespace", "true", V_BOUND),
    m(BINDING, "attested.old_object == expected.old_object", "true", V_BOUND),
    m(BINDING, "attested.dry_run == expected.dry_run", "true", V_BOUND),
    m(BINDING, "attested.projection == expected.projection", "true", V_BOUND),
    m(BINDING, "*name == expected.name", "true", V_BOUND),
    m(BINDING, "expected.operation == Operation::Create", "true", V_NAMES),
    m(BINDING, "*prefix == expected.generate_name", "true", V_NAMES),
    m(BINDING, "suffix.is_some_and(|suffix| suffix.len() == GENERATED_SUFFIX)", "true", V_NAMES),
    m(BINDING, "suffix.len() == GENERATED_SUFFIX", "true", V_NAMES),
    m(BINDING, "prefix_bytes.get(..GENERATED_BASE).unwrap_or(prefix_bytes)", "prefix_bytes", V_NAMES),
    m("verify/object.rs", "statement.subject == *projection", "true", V_CHANGED),
];
