use super::Policy;
use crate::{
    api::SignalType,
    cel::{Environment, Program, Quantity, Type},
};

/// The variables of signals, variables and match conditions.
pub const EVALUATION_ROOTS: &[&str] =
    &["object", "oldObject", "request", "namespaceObject", "params", "variables", "change"];

/// The fields of `request`, as in a `ValidatingAdmissionPolicy`, with `time` (the decision's time) and without `uid`
/// (another one for each call, so no decision may depend on it).
pub const REQUEST_FIELDS: &[&str] = &[
    "kind",
    "resource",
    "subResource",
    "requestKind",
    "requestResource",
    "requestSubResource",
    "name",
    "namespace",
    "operation",
    "userInfo",
    "dryRun",
    "options",
    "time",
];

/// Slots of match conditions, variables and signals, in the order of their declaration; `variables` follow.
pub mod slots {
    /// `object`
    pub const OBJECT: usize = 0;
    /// `oldObject`
    pub const OLD_OBJECT: usize = 1;
    /// `namespaceObject`
    pub const NAMESPACE_OBJECT: usize = 2;
    /// `request`
    pub const REQUEST: usize = 3;
    /// `params`
    pub const PARAMS: usize = 4;
    /// `change`
    pub const CHANGE: usize = 5;
    /// The first of `variables`.
    pub const VARIABLES: usize = 6;
}

/// Slots of `when` and `messageExpression`; `object` and `variables` only in the latter.
pub mod rule_slots {
    /// `signals`
    pub const SIGNALS: usize = 0;
    /// `params`
    pub const PARAMS: usize = 1;
    /// `object`
    pub const OBJECT: usize = 2;
    /// The first of `variables`.
    pub const VARIABLES: usize = 3;
}

/// The environments of a policy's expressions, growing as its declarations are compiled.
pub(crate) struct Environments {
    params: Type,
    variables: Vec<(String, Type)>,
    signals: Vec<(String, Type)>,
    condition: Environment,
    request: Environment,
}

pub(super) fn cel_type(declared: SignalType) -> Type {
    match declared {
        SignalType::Boolean => Type::Bool,
        SignalType::Integer => Type::Int,
        SignalType::String => Type::String,
        SignalType::StringList => Type::list(Type::String),
        SignalType::StringMap => Type::map(Type::String, Type::String),
        SignalType::Timestamp => Type::Timestamp,
        SignalType::Quantity => Quantity::TYPE,
    }
}

fn request_type() -> Type {
    let kind = || Type::object("GroupVersionKind", ["group", "version", "kind"].map(|field| (field, Type::String)));
    let resource =
        || Type::object("GroupVersionResource", ["group", "version", "resource"].map(|field| (field, Type::String)));
    let user = Type::object(
        "UserInfo",
        [
            ("username", Type::String),
            ("uid", Type::String),
            ("groups", Type::list(Type::String)),
            ("extra", Type::map(Type::String, Type::list(Type::String))),
        ],
    );
    Type::object(
        "Request",
        REQUEST_FIELDS.iter().map(|&field| {
            let of = match field {
                "kind" | "requestKind" => kind(),
                "resource" | "requestResource" => resource(),
                "userInfo" => user.clone(),
                "dryRun" => Type::Bool,
                "options" => Type::Dyn,
                "time" => Type::Timestamp,
                _ => Type::String,
            };
            (field, of)
        }),
    )
}

impl Environments {
    /// Those of a policy that takes these parameters.
    pub(super) fn new<'n>(params: impl IntoIterator<Item = (&'n str, SignalType)>) -> Self {
        let fields = params.into_iter().map(|(name, declared)| (name, cel_type(declared)));
        let params = Type::object("Params", fields);
        // The order is that of the slots.
        let condition = Environment::new()
            .variable("object", Type::Dyn)
            .variable("oldObject", Type::Dyn)
            .variable("namespaceObject", Type::Dyn)
            .variable("request", request_type())
            .variable("params", params.clone())
            .variable("change", Type::object("Change", [("deletes", Type::Bool)]));
        let request = condition.clone().group("variables", [] as [(&str, Type); 0]);
        Self { params, variables: Vec::new(), signals: Vec::new(), condition, request }
    }

    /// Those of a compiled policy.
    pub(crate) fn of(policy: &Policy) -> Self {
        let params = policy.params().iter().map(|(name, declaration)| (name.as_str(), declaration.value_type()));
        let mut environments = Self::new(params);
        for (name, program) in policy.variables() {
            environments.declare_variable(name, program.output().clone());
        }
        for signal in policy.signals() {
            environments.declare_signal(&signal.name, signal.declaration.value_type());
        }
        environments
    }

    pub(super) fn declare_variable(&mut self, name: &str, of: Type) {
        self.request = std::mem::take(&mut self.request).field("variables", name, of.clone());
        self.variables.push((name.to_owned(), of));
    }

    pub(super) fn declare_signal(&mut self, name: &str, declared: SignalType) {
        self.signals.push((name.to_owned(), cel_type(declared)));
    }

    /// Of match conditions: the request without variables.
    pub(crate) fn condition(&self) -> &Environment {
        &self.condition
    }

    /// Of variables and signals.
    pub(crate) fn request(&self) -> &Environment {
        &self.request
    }

    /// Of `when`.
    pub(crate) fn rule(&self) -> Environment {
        let signals = Type::object("Signals", self.signals.iter().map(|(name, of)| (name.as_str(), of.clone())));
        Environment::new().variable("signals", signals).variable("params", self.params.clone())
    }

    /// Of `messageExpression`.
    pub(super) fn message(&self) -> Environment {
        let variables = self.variables.iter().map(|(name, of)| (name, of.clone()));
        self.rule().variable("object", Type::Dyn).group("variables", variables)
    }

    /// Whether what a program yields can be a value of the declared type; an optional's content counts.
    #[expect(clippy::unused_self, reason = "the environments own what types mean here")]
    pub(super) fn yields(&self, program: &Program, declared: SignalType) -> bool {
        let output = match program.output() {
            Type::Optional(inner) => inner,
            other => other,
        };
        fits(output, &cel_type(declared))
    }
}

/// Whether a value of the static type may turn out to be of the wanted one.
fn fits(output: &Type, wanted: &Type) -> bool {
    match (output, wanted) {
        (Type::Dyn, _) => true,
        (Type::List(a), Type::List(b)) => fits(a, b),
        (Type::Map(a, b), Type::Map(c, d)) => fits(a, c) && fits(b, d),
        _ => output == wanted,
    }
}
