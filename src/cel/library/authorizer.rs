//! What the authorizer library of Kubernetes declares (`pkg/cel/library/authz.go`), so that an expression that needs
//! it is told why it is not there: it would ask the cluster who may do what, and policies do no I/O.

/// The functions that no other library declares.
const FUNCTIONS: [&str; 14] = [
    "allowed",
    "check",
    "error",
    "errored",
    "fieldSelector",
    "group",
    "labelSelector",
    "name",
    "namespace",
    "path",
    "reason",
    "resource",
    "serviceAccount",
    "subresource",
];

/// Whether `function` could only be a function of the authorizer.
pub(in crate::cel) fn is_of_authorizer(function: &str) -> bool {
    FUNCTIONS.contains(&function)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cel::{CompileErrorKind, Environment, Type, compile, library::function};

    fn refusals(source: &str) -> Vec<CompileErrorKind> {
        let env = Environment::new().variable("object", Type::Dyn);
        let errors = compile(source, &env, None).map(|_| ()).unwrap_err();
        errors.issues().iter().map(|issue| issue.kind.clone()).collect()
    }

    #[test]
    fn no_other_library_has_its_functions() {
        for name in FUNCTIONS {
            assert!(function(name).is_none(), "{name}");
        }
    }

    #[test]
    fn what_needs_the_authorizer_is_told_so_once() {
        let refused = |name: &str| vec![CompileErrorKind::NoAuthorizer(name.to_owned())];
        for source in [
            "authorizer",
            "authorizer.allowed",
            "authorizer.group('').resource('pods').check('list').allowed()",
            "authorizer.serviceAccount('default', 'robot').path('/healthz').check('get').allowed()",
            "authorizer.requestResource.check('get').reason() == ''",
        ] {
            assert_eq!(refusals(source), refused("authorizer"), "{source}");
        }
        for name in FUNCTIONS {
            assert_eq!(refusals(&format!("object.{name}('x')")), refused(name));
        }
        assert!(
            matches!(refusals("path('x')").as_slice(), [CompileErrorKind::UndeclaredFunction { name, .. }] if name == "path")
        );
        let text = refusals("authorizer").first().unwrap().to_string();
        assert!(text.contains("no I/O") && text.contains("request.userInfo"), "{text}");
    }

    #[test]
    fn a_variable_of_that_name_is_a_variable() {
        let env = Environment::new().variable("authorizer", Type::String);
        assert!(compile("authorizer == 'x'", &env, None).is_ok());
        assert!(compile("[1].all(authorizer, authorizer == 1)", &Environment::new(), None).is_ok());
    }
}
