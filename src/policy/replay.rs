use std::collections::BTreeSet;

use super::{CompiledReplay, CompiledSignal, MAX_WINDOW, PolicyError, ResourceMatcher};
use crate::{
    admission::Operation,
    api::{PolicySpec, ReplayMode, SignalType},
    cel::Program,
    time::parse_duration,
};

/// What the server sets: a key that reads it would be another one for every attempt, or be chosen by nobody.
const SERVER_SET: &[&[&str]] = &[
    &["request", "time"],
    &["object", "status"],
    &["object", "metadata", "uid"],
    &["object", "metadata", "resourceVersion"],
    &["object", "metadata", "generation"],
    &["object", "metadata", "creationTimestamp"],
    &["object", "metadata", "deletionTimestamp"],
    &["object", "metadata", "deletionGracePeriodSeconds"],
    &["object", "metadata", "managedFields"],
    &["object", "metadata", "selfLink"],
];

pub(super) fn compile(
    spec: &PolicySpec,
    matchers: &[ResourceMatcher],
    signals: &[CompiledSignal],
    variables: &[(String, Program)],
) -> Result<CompiledReplay, Vec<PolicyError>> {
    let mut errors = Vec::new();
    let mut fail = |path: String, message: String| errors.push(PolicyError { path, position: None, message });
    let replay = &spec.replay;
    if replay.mode == ReplayMode::Repeatable {
        if !replay.key.is_empty() {
            fail(
                "spec.replay.key".to_owned(),
                "mode `Repeatable` has no key: remove it, or use mode `Once`".to_owned(),
            );
        }
        if replay.window.is_some() {
            fail(
                "spec.replay.window".to_owned(),
                "mode `Repeatable` has no window: remove it, or use mode `Once`".to_owned(),
            );
        }
        return if errors.is_empty() { Ok(CompiledReplay::Repeatable) } else { Err(errors) };
    }
    if replay.key.is_empty() {
        fail(
            "spec.replay.key".to_owned(),
            "mode `Once` needs the names of the signals that identify the authority".to_owned(),
        );
    }
    let mut key = BTreeSet::new();
    for (index, name) in replay.key.iter().enumerate() {
        let path = format!("spec.replay.key[{index}]");
        if !key.insert(name.clone()) {
            fail(path, format!("`{name}` is named twice"));
        } else if !spec.signals.iter().any(|signal| &signal.name == name) {
            fail(path, format!("no signal is called `{name}`"));
        } else if spec.signals.iter().any(|s| &s.name == name && s.value_type == SignalType::Quantity) {
            // One authority would have two fingerprints, and act twice.
            fail(
                path,
                format!("signal `{name}` is a Quantity, which has several texts: key by an Integer or a String"),
            );
        } else if let Some(signal) = signals.iter().find(|signal| &signal.name == name)
            && let Some(field) = server_set(&signal.program, variables)
        {
            fail(
                path,
                format!(
                    "signal `{name}` reads {field}, which the server sets: every attempt would be another authority"
                ),
            );
        }
    }
    let window = match replay.window.as_deref() {
        None => Err(format!(
            "mode `Once` needs a window, for example `720h`, at most {} days",
            MAX_WINDOW.as_secs() / 86_400
        )),
        Some(text) => parse_duration(text).map_err(|error| error.to_string()).and_then(|window| {
            if window > MAX_WINDOW {
                Err(format!("is longer than {} days", MAX_WINDOW.as_secs() / 86_400))
            } else {
                Ok(window)
            }
        }),
    };
    let window = window.map_err(|message| fail("spec.replay.window".to_owned(), message)).unwrap_or_default();
    for (index, matcher) in matchers.iter().enumerate() {
        let writes = matcher.matches_operation(Operation::Create) || matcher.matches_operation(Operation::Update);
        for (at, pattern) in matcher.resources().iter().enumerate() {
            if writes && pattern.has_subresources() {
                fail(
                    format!("spec.matchConstraints.resourceRules[{index}].resources[{at}]"),
                    "mode `Once` cannot bind a CREATE or UPDATE of a subresource to one object: match it with DELETE or CONNECT only, or in a `Repeatable` policy".to_owned(),
                );
            }
        }
    }
    if errors.is_empty() { Ok(CompiledReplay::Once { key: key.into_iter().collect(), window }) } else { Err(errors) }
}

/// The first server-set field that a program can read, itself or through a variable.
fn server_set(program: &Program, variables: &[(String, Program)]) -> Option<String> {
    let mut open = vec![program];
    let mut seen = BTreeSet::new();
    while let Some(next) = open.pop() {
        for path in next.references() {
            let steps: Vec<&str> = path.steps().collect();
            if let ["variables", rest @ ..] = steps.as_slice() {
                // Without a name every variable may be read.
                let read = variables.iter().filter(|(name, _)| rest.first().is_none_or(|own| own == name));
                open.extend(read.filter(|(name, _)| seen.insert(name.as_str())).map(|(_, program)| program));
                continue;
            }
            let steps =
                if let ["oldObject", rest @ ..] = steps.as_slice() { [&["object"], rest].concat() } else { steps };
            // A path that ends above a server-set field reads it too: the whole value is used.
            let reads = |field: &&&[&str]| field.starts_with(&steps) || steps.starts_with(field);
            if let Some(field) = SERVER_SET.iter().find(reads) {
                let field = field.join(".");
                let whole = path.to_string();
                return Some(if steps.len() < field.split('.').count() {
                    format!("`{whole}` as a whole, and in it `{field}`")
                } else {
                    format!("`{field}`")
                });
            }
        }
    }
    None
}
