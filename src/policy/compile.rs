use std::collections::{BTreeMap, BTreeSet};

use super::{
    CompiledReplay, CompiledRule, CompiledSignal, MAX_NAME, Policy, PolicyError, ResourceMatcher, digest,
    environment::Environments, reach, replay,
};
use crate::{
    api::{NamedExpression, PolicySpec},
    cel::{self, Environment, Program, Type},
    signal::{Declaration, DeclarationError},
};

/// Compiles a policy called `name`.
///
/// # Errors
/// Everything that is wrong with it, in the order of the fields.
pub fn compile(name: &str, spec: &PolicySpec) -> Result<Policy, Vec<PolicyError>> {
    let mut compiler = Compiler::default();
    compiler.names(name, spec);
    let matchers = compiler.matchers(spec);
    let params = compiler.params(spec);
    let mut environments = Environments::new(spec.params.iter().map(|param| (param.name.as_str(), param.value_type)));
    let conditions = compiler.conditions(spec, &environments);
    let variables = compiler.variables(spec, &mut environments);
    let signals = compiler.signals(spec, &mut environments);
    let rules = compiler.rules(spec, &environments);
    let notes = reach::notes(&rules);
    let replay = compiler.replay(spec, &matchers, &signals, &variables);
    if !compiler.errors.is_empty() {
        return Err(compiler.errors);
    }
    let programs = (conditions.iter().chain(&variables).map(|(_, program)| program))
        .chain(signals.iter().map(|signal| &signal.program))
        .chain(rules.iter().flat_map(|rule| rule.when.iter().chain(&rule.message_expression)));
    let worst_case_cost = programs.fold(0_u64, |sum, program| sum.saturating_add(program.worst_case_cost()));
    Ok(Policy {
        id: spec.id.clone(),
        version: spec.version.clone(),
        digest: digest(spec),
        // Without room to grow: a policy is kept for long, and there may be many.
        matchers: matchers.into(),
        conditions: conditions.into(),
        params,
        variables: variables.into(),
        signals: signals.into(),
        rules: rules.into(),
        replay,
        worst_case_cost,
        notes,
    })
}

#[derive(Default)]
struct Compiler {
    errors: Vec<PolicyError>,
}

impl Compiler {
    fn fail(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.errors.push(PolicyError { path: path.into(), position: None, message: message.into() });
    }

    fn names(&mut self, name: &str, spec: &PolicySpec) {
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let shape = |text: &str, dots: bool| {
            text.len() <= MAX_NAME
                && edge(text.bytes().next())
                && edge(text.bytes().last())
                && text.bytes().all(|byte| edge(Some(byte)) || byte == b'-' || dots && byte == b'.')
        };
        if !shape(&spec.id, false) {
            self.fail(
                "spec.id",
                format!("is a DNS label of at most {MAX_NAME} characters: lower-case letters, digits and `-`"),
            );
        }
        if !shape(&spec.version, true) {
            self.fail(
                "spec.version",
                format!("has at most {MAX_NAME} lower-case letters, digits, `-` and `.`, as in `v3` or `1.4.0`"),
            );
        }
        if name != format!("{}.{}", spec.id, spec.version) {
            self.fail(
                "metadata.name",
                format!("must be `{}.{}`, after spec.id and spec.version", spec.id, spec.version),
            );
        }
    }

    fn matchers(&mut self, spec: &PolicySpec) -> Vec<ResourceMatcher> {
        let rules = &spec.match_constraints.resource_rules;
        if rules.is_empty() {
            self.fail("spec.matchConstraints.resourceRules", "at least one is needed: a policy is about something");
        }
        let mut matchers = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            match ResourceMatcher::compile(rule) {
                Ok(matcher) => matchers.push(matcher),
                Err(errors) => {
                    for (field, message) in errors {
                        self.fail(format!("spec.matchConstraints.resourceRules[{index}].{field}"), message);
                    }
                }
            }
        }
        matchers
    }

    fn params(&mut self, spec: &PolicySpec) -> BTreeMap<String, Declaration> {
        let mut params = BTreeMap::new();
        for (index, parameter) in spec.params.iter().enumerate() {
            let path = format!("spec.params[{index}]");
            self.identifier(&path, &parameter.name);
            let declaration = self.declaration(&path, Declaration::of_parameter(parameter));
            if let Some(declaration) = declaration
                && params.insert(parameter.name.clone(), declaration).is_some()
            {
                self.fail(format!("{path}.name"), format!("`{}` is declared twice", parameter.name));
            }
        }
        params
    }

    fn declaration(&mut self, path: &str, read: Result<Declaration, DeclarationError>) -> Option<Declaration> {
        read.map_err(|error| self.fail(format!("{path}.{}", error.field), error.message)).ok()
    }

    fn identifier(&mut self, path: &str, name: &str) {
        let shape = !name.is_empty()
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !shape {
            self.fail(
                format!("{path}.name"),
                "is a CEL identifier: letters, digits and `_`, not starting with a digit",
            );
        } else if cel::compile(name, &Environment::new().variable(name, Type::Dyn), None).is_err() {
            self.fail(format!("{path}.name"), format!("`{name}` is a reserved word of CEL: choose another name"));
        }
    }

    fn program(
        &mut self,
        path: String,
        source: &str,
        environment: &Environment,
        expected: Option<Type>,
    ) -> Option<Program> {
        match cel::compile(source, environment, expected) {
            Ok(program) => Some(program),
            Err(errors) => {
                self.errors.extend(errors.issues().iter().map(|issue| PolicyError {
                    path: path.clone(),
                    position: Some(issue.position),
                    message: issue.kind.to_string(),
                }));
                None
            }
        }
    }

    fn conditions(&mut self, spec: &PolicySpec, environments: &Environments) -> Vec<(String, Program)> {
        let mut names = BTreeSet::new();
        let mut conditions = Vec::new();
        for (index, condition) in spec.match_conditions.iter().enumerate() {
            let path = format!("spec.matchConditions[{index}]");
            self.named(&path, condition, &mut names);
            let environment = environments.condition();
            if let Some(program) =
                self.program(format!("{path}.expression"), &condition.expression, environment, Some(Type::Bool))
            {
                conditions.push((condition.name.clone(), program));
            }
        }
        conditions
    }

    fn named(&mut self, path: &str, named: &NamedExpression, names: &mut BTreeSet<String>) {
        self.identifier(path, &named.name);
        if !names.insert(named.name.clone()) {
            self.fail(format!("{path}.name"), format!("`{}` is declared twice", named.name));
        }
    }

    fn variables(&mut self, spec: &PolicySpec, environments: &mut Environments) -> Vec<(String, Program)> {
        let mut names = BTreeSet::new();
        let mut variables = Vec::new();
        for (index, variable) in spec.variables.iter().enumerate() {
            let path = format!("spec.variables[{index}]");
            self.named(&path, variable, &mut names);
            let program =
                self.program(format!("{path}.expression"), &variable.expression, environments.request(), None);
            // A variable that does not compile is declared all the same: one error is enough.
            environments.declare_variable(
                &variable.name,
                program.as_ref().map_or(Type::Dyn, |program| program.output().clone()),
            );
            variables.extend(program.map(|program| (variable.name.clone(), program)));
        }
        variables
    }

    fn signals(&mut self, spec: &PolicySpec, environments: &mut Environments) -> Vec<CompiledSignal> {
        let mut names = BTreeSet::new();
        let mut signals = Vec::new();
        for (index, signal) in spec.signals.iter().enumerate() {
            let path = format!("spec.signals[{index}]");
            self.identifier(&path, &signal.name);
            if !names.insert(signal.name.clone()) {
                self.fail(format!("{path}.name"), format!("`{}` is declared twice", signal.name));
            }
            let declaration = self.declaration(&path, Declaration::of_signal(signal));
            let program = self.program(format!("{path}.expression"), &signal.expression, environments.request(), None);
            environments.declare_signal(&signal.name, signal.value_type);
            let Some((declaration, program)) = declaration.zip(program) else { continue };
            if !environments.yields(&program, signal.value_type) {
                let message = format!(
                    "yields {}, but the signal is declared as {}",
                    program.output(),
                    signal.value_type.as_str()
                );
                self.fail(format!("{path}.expression"), message);
                continue;
            }
            signals.push(CompiledSignal { name: signal.name.clone(), declaration, program });
        }
        signals
    }

    fn rules(&mut self, spec: &PolicySpec, environments: &Environments) -> Vec<CompiledRule> {
        if spec.rules.is_empty() {
            self.fail("spec.rules", "at least one is needed: nothing is allowed by default");
        }
        let (rule_environment, message_environment) = (environments.rule(), environments.message());
        let mut names = BTreeSet::new();
        let mut rules = Vec::new();
        let mut always: Option<&str> = None;
        for (index, rule) in spec.rules.iter().enumerate() {
            let path = format!("spec.rules[{index}]");
            if !names.insert(rule.name.as_str()) {
                self.fail(format!("{path}.name"), format!("`{}` is declared twice", rule.name));
            }
            if rule.name.is_empty() {
                self.fail(format!("{path}.name"), "is needed: it stands in every decision that the rule makes");
            }
            if !rule.reason.starts_with(|first: char| first.is_ascii_uppercase())
                || !rule.reason.bytes().all(|byte| byte.is_ascii_alphanumeric())
            {
                self.fail(format!("{path}.reason"), "is one CamelCase word, as in `TicketMissing`");
            }
            if let Some(earlier) = always {
                self.fail(&path, format!("is never reached: rule `{earlier}` before it always matches"));
            }
            let when = rule
                .when
                .as_ref()
                .and_then(|when| self.program(format!("{path}.when"), when, &rule_environment, Some(Type::Bool)));
            if rule.when.is_none() || rule.when.as_deref().is_some_and(|when| when.trim() == "true") {
                always = always.or(Some(&rule.name));
            }
            let message_expression = rule.message_expression.as_ref().and_then(|source| {
                self.program(format!("{path}.messageExpression"), source, &message_environment, Some(Type::String))
            });
            rules.push(CompiledRule {
                name: rule.name.clone(),
                when,
                outcome: rule.outcome,
                reason: rule.reason.clone(),
                message: rule.message.clone(),
                message_expression,
            });
        }
        rules
    }

    fn replay(
        &mut self,
        spec: &PolicySpec,
        matchers: &[ResourceMatcher],
        signals: &[CompiledSignal],
        variables: &[(String, Program)],
    ) -> CompiledReplay {
        match replay::compile(spec, matchers, signals, variables) {
            Ok(replay) => replay,
            Err(errors) => {
                self.errors.extend(errors);
                CompiledReplay::Repeatable
            }
        }
    }
}
