use crate::{
    admission::{Operation, Request},
    api::{Manifest, PolicySpec, Reason},
    policy::compile,
    runtime::Refusal,
};

/// Admits a change of Writ's own kinds: a policy must compile, by the very compiler that decides.
pub(super) fn admit(request: &Request<'_>) -> Result<Vec<String>, Refusal> {
    let changes = matches!(request.operation, Operation::Create | Operation::Update);
    if request.resource.resource != "policies" || !changes || !request.sub_resource.is_empty() {
        return Ok(Vec::new());
    }
    let invalid =
        |message: String, causes| Refusal { reason: Reason::InvalidPolicy, rule_reason: None, message, causes };
    let text = request.object_text().unwrap_or_default();
    let manifest: Manifest<PolicySpec> = serde_json::from_slice(text)
        .map_err(|error| invalid(format!("the policy cannot be read: {error}"), Vec::new()))?;
    match compile(&manifest.metadata.name, &manifest.spec) {
        Ok(policy) => Ok(policy.warnings()),
        Err(errors) => {
            let causes = errors.iter().map(|error| (error.path.clone(), error.message.clone())).collect();
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Err(invalid(format!("the policy does not compile: {}", lines.join("; ")), causes))
        }
    }
}
