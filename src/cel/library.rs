//! The functions of the language, one file for each library.
//!
//! A library is one declaration table: names, types, cost and implementation stand side by side, and adding a library
//! is adding a file to [`LIBRARIES`]. Overloads stand in the order of cel-go, because the checker tries them in turn.

mod address;
mod authorizer;
mod cidr;
mod collections;
mod conversions;
mod cost;
mod format;
mod formatting;
mod go_quote;
mod ip;
mod lists;
mod operators;
mod optional;
mod quantity;
mod regex;
mod semver;
mod sets;
mod strings;
mod text;
mod time;
mod url;

use std::{collections::BTreeMap, sync::LazyLock};

use super::{error::EvaluationErrorKind, fuel::Fuel, types::Type, value::Value};

pub(in crate::cel) use authorizer::is_of_authorizer;
pub(in crate::cel) use conversions::CONVERSIONS;
pub(in crate::cel) use cost::{Cost, cross_cost, equality_cost, fifth, match_cost, tenth, within_cost};
pub(in crate::cel) use format::LARGEST_PATTERN;
pub(in crate::cel) use formatting::{Clause, Piece, Pieces, Verb, WIDEST_PADDING};
pub use quantity::Quantity;
pub(in crate::cel) use regex::{Pattern, RegexFunction};

type Declare = fn(&mut Declarations);

/// Every library by its title; each adds the overloads of its functions.
const LIBRARIES: &[(&str, Declare)] = &[
    ("Operators", operators::declare),
    ("Sizes", collections::declare),
    ("Conversions", conversions::declare),
    ("Text", text::declare),
    ("Times", time::declare),
    ("Optionals", optional::declare),
    ("Strings", strings::declare),
    ("Lists", lists::declare),
    ("Regular expressions", regex::declare),
    ("URLs", url::declare),
    ("Sets", sets::declare),
    ("IP addresses", ip::declare),
    ("IP ranges", cidr::declare),
    ("Quantities", quantity::declare),
    ("Named formats", format::declare),
    ("Versions", semver::declare),
    ("Formatted strings", formatting::declare),
];

static REGISTRY: LazyLock<BTreeMap<&'static str, Function>> = LazyLock::new(|| {
    let mut declarations = Declarations::default();
    for (title, declare) in LIBRARIES {
        declarations.library = title;
        declare(&mut declarations);
    }
    declarations.functions
});

/// Every library with its functions, each under the library that declares it first.
pub(in crate::cel) fn libraries() -> impl Iterator<Item = (&'static str, Vec<&'static Function>)> {
    let functions = |title: &'static str| REGISTRY.values().filter(move |function| function.library == title);
    LIBRARIES.iter().map(move |(title, _)| (*title, functions(title).collect()))
}

/// The names that an expression may call, as methods or else as functions.
pub(in crate::cel) fn names(member: bool) -> impl Iterator<Item = &'static str> {
    let fits = move |function: &&Function| function.overloads.iter().any(|overload| overload.member == member);
    let can_be_named = |name: &&str| name.starts_with(|first: char| first.is_ascii_alphabetic());
    REGISTRY.values().filter(fits).map(|function| function.name).filter(can_be_named)
}

/// The function called `name`.
pub(in crate::cel) fn function(name: &str) -> Option<&'static Function> {
    REGISTRY.get(name)
}

/// Every function, in the order of their names.
#[cfg(test)]
pub(in crate::cel) fn functions() -> impl Iterator<Item = &'static Function> {
    REGISTRY.values()
}

/// Computes a result from arguments whose types may still be wrong, where the checker could not know them.
pub(in crate::cel) type Apply = for<'a> fn(&mut Fuel, &[Value<'a>]) -> Result<Value<'a>, EvaluationErrorKind>;

/// A function with all its overloads.
#[derive(Debug)]
pub(in crate::cel) struct Function {
    pub(in crate::cel) name: &'static str,
    /// The title of the library that declares it first.
    pub(in crate::cel) library: &'static str,
    pub(in crate::cel) overloads: Vec<Overload>,
    /// The cost where more than one overload remains after the type check. Kubernetes counts by function name and
    /// keeps the cost of the function, cel-go counts by overload and charges 1.
    pub(in crate::cel) undecided: Cost,
    pub(in crate::cel) size: Size,
    /// Whether cel-go has one implementation for all overloads, which evaluates both operands whatever the first is.
    pub(in crate::cel) singleton: bool,
    /// Whether cel-go calls it with a list of arguments, which it evaluates up to the first error.
    pub(in crate::cel) variadic: bool,
    /// Whether the types of the arguments are compared with the overload's before it is called.
    pub(in crate::cel) guarded: bool,
    /// What it does, in one sentence; `docs/language.md` is made of this.
    pub(in crate::cel) about: &'static str,
    /// Expressions with what each is equal to.
    pub(in crate::cel) examples: Vec<(&'static str, &'static str)>,
}

/// One signature of a function.
#[derive(Debug)]
pub(in crate::cel) struct Overload {
    pub(in crate::cel) member: bool,
    pub(in crate::cel) parameters: Vec<Type>,
    pub(in crate::cel) result: Type,
    pub(in crate::cel) cost: Cost,
    pub(in crate::cel) apply: Apply,
}

/// How large a result may be, for estimates of worst costs. Arguments are numbered as in [`Cost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) enum Size {
    /// What the type says: a scalar has size 1, a text is at most four times as long as the longest argument.
    Typed,
    /// As the target, element by element.
    Target,
    /// As an element of the target.
    Element,
    /// Both arguments one after the other.
    Sum,
    /// One character.
    Character,
    /// The target with the third argument around every character.
    Replaced,
    /// All elements with the second argument between them.
    Joined,
    /// The characters of the target.
    Split,
    /// The elements of the elements.
    Flattened,
    /// As many integers as `lists.range` makes at most.
    Range,
    /// The target with each element of the second argument written in.
    Formatted,
    /// The complaints of a named format about the second argument.
    Complaints,
    /// What the text of the target says, and no less than a library's value.
    Parsed,
    /// The target with every byte escaped.
    Escaped,
    /// The parameters that the target may have.
    Query,
}

impl Overload {
    /// Whether values of these types may be passed. As in cel-go a list is known by its first element, and a map by
    /// its first entry.
    pub(in crate::cel) fn accepts(&self, arguments: &[Value<'_>]) -> bool {
        self.parameters.len() == arguments.len()
            && self.parameters.iter().zip(arguments).all(|(wanted, value)| is_of(wanted, value))
    }
}

fn is_of(wanted: &Type, value: &Value<'_>) -> bool {
    match wanted {
        Type::Dyn | Type::Parameter(_) => true,
        Type::Null => matches!(value, Value::Null),
        Type::Bool => matches!(value, Value::Bool(_)),
        Type::Int => matches!(value, Value::Int(_)),
        Type::Uint => matches!(value, Value::Uint(_)),
        Type::Double => matches!(value, Value::Double(_)),
        Type::String => matches!(value, Value::String(_)),
        Type::Bytes => matches!(value, Value::Bytes(_)),
        Type::Timestamp => matches!(value, Value::Timestamp(_)),
        Type::Duration => matches!(value, Value::Duration(_)),
        Type::Opaque(name) => matches!(value, Value::Opaque(value) if value.type_name() == *name),
        Type::List(element) => match value {
            Value::List(list) => list.element(0).is_none_or(|first| is_of(element, &first)),
            _ => false,
        },
        Type::Map(key, of) => match value {
            Value::Map(map) => map.entry(0).is_none_or(|(first, value)| is_of(key, &first) && is_of(of, &value)),
            _ => false,
        },
        Type::Object(_) => matches!(value, Value::Map(_)),
        Type::Optional(_) => matches!(value, Value::Optional(_)),
        Type::Type(_) => matches!(value, Value::Type(_)),
    }
}

/// Whether `value` is of type `wanted` through and through.
///
/// # Errors
/// [`EvaluationErrorKind::WorkExceeded`]
pub(in crate::cel) fn conforms(fuel: &mut Fuel, wanted: &Type, value: &Value<'_>) -> Result<bool, EvaluationErrorKind> {
    fuel.toil(1)?;
    match (wanted, value) {
        (Type::List(element), Value::List(list)) => {
            for item in list.iter() {
                if !conforms(fuel, element, &item)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Type::Map(key, of), Value::Map(map)) => {
            for (name, item) in map.iter() {
                if !conforms(fuel, key, &name)? || !conforms(fuel, of, &item)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Type::Optional(of), Value::Optional(Some(present))) => conforms(fuel, of, present.value()),
        _ => Ok(is_of(wanted, value)),
    }
}

/// Collects the declarations of all libraries.
#[derive(Default)]
pub(in crate::cel) struct Declarations {
    functions: BTreeMap<&'static str, Function>,
    library: &'static str,
}

impl Declarations {
    /// The function called `name`, to add overloads to.
    fn function(&mut self, name: &'static str) -> &mut Function {
        let library = self.library;
        self.functions.entry(name).or_insert_with(|| Function {
            name,
            library,
            overloads: Vec::new(),
            undecided: Cost::Unit,
            size: Size::Typed,
            singleton: false,
            variadic: false,
            guarded: true,
            about: "",
            examples: Vec::new(),
        })
    }
}

impl Function {
    /// Adds an overload that is called as `name(…)`.
    fn global<const N: usize>(&mut self, parameters: [Type; N], result: Type, cost: Cost, apply: Apply) -> &mut Self {
        let overload = Overload { member: false, parameters: parameters.into(), result, cost, apply };
        self.overloads.push(overload);
        self
    }

    /// Adds an overload that is called as `target.name(…)`; the first parameter is the target.
    fn method<const N: usize>(&mut self, parameters: [Type; N], result: Type, cost: Cost, apply: Apply) -> &mut Self {
        let overload = Overload { member: true, parameters: parameters.into(), result, cost, apply };
        self.overloads.push(overload);
        self
    }

    /// Says what the function does.
    fn about(&mut self, about: &'static str) -> &mut Self {
        self.about = about;
        self
    }

    /// Adds an expression, and one that it is equal to.
    fn example(&mut self, expression: &'static str, equal_to: &'static str) -> &mut Self {
        self.examples.push((expression, equal_to));
        self
    }

    /// Says how large results may be, where their type does not.
    fn sized(&mut self, size: Size) -> &mut Self {
        self.size = size;
        self
    }

    fn singleton(&mut self) -> &mut Self {
        self.singleton = true;
        self.unguarded()
    }

    fn variadic(&mut self) -> &mut Self {
        self.variadic = true;
        self
    }

    fn unguarded(&mut self) -> &mut Self {
        self.guarded = false;
        self
    }

    fn undecided(&mut self, cost: Cost) -> &mut Self {
        self.undecided = cost;
        self
    }
}

/// The error for arguments that no overload takes.
pub(in crate::cel) fn no_such_overload(function: &'static str, arguments: &[Value<'_>]) -> EvaluationErrorKind {
    let types: Vec<&str> = arguments.iter().map(Value::type_name).collect();
    EvaluationErrorKind::NoSuchOverload { function, arguments: types.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cel::Environment;

    /// The arguments that a cost looks at.
    fn looks_at(cost: Cost) -> usize {
        match cost {
            Cost::Unit | Cost::Join | Cost::NewList => 0,
            Cost::Scan(index) | Cost::Copy(index) | Cost::SelfCompare(index) => index + 1,
            Cost::Concatenate | Cost::Compare | Cost::Contains | Cost::Match | Cost::InList | Cost::Validate => 2,
            Cost::CrossCompare(_) | Cost::Within { .. } => 2,
            Cost::Traverse | Cost::Flatten => 1,
        }
    }

    #[test]
    fn the_table_is_consistent() {
        for (name, function) in REGISTRY.iter() {
            assert_eq!(*name, function.name);
            assert!(!function.overloads.is_empty(), "{name}");
            // Where types are not compared any overload is called.
            let shared = |overload: &Overload| {
                function.overloads.first().is_some_and(|first| std::ptr::fn_addr_eq(first.apply, overload.apply))
            };
            assert!(function.guarded || function.overloads.iter().all(shared), "{name}");
            for overload in &function.overloads {
                let arity = overload.parameters.len();
                assert!(looks_at(overload.cost) <= arity, "{name}");
                assert!(!overload.member || arity > 0, "{name} is a method without a target");
                // Two overloads that take the same types would make every call of them undecided.
                let twins = function
                    .overloads
                    .iter()
                    .filter(|other| other.member == overload.member && other.parameters == overload.parameters);
                assert_eq!(twins.count(), 1, "{name}({:?})", overload.parameters);
            }
        }
        assert!(REGISTRY.len() > 70, "only {} functions are declared", REGISTRY.len());
    }

    #[test]
    fn every_function_says_what_it_does_with_examples_that_are_true() {
        let mut wrong = Vec::new();
        for (name, function) in REGISTRY.iter() {
            if function.about.is_empty() || function.examples.is_empty() {
                wrong.push(format!("{name}: say what it does, with an example"));
            }
            for (expression, equal_to) in &function.examples {
                let source = format!("({expression}) == ({equal_to})");
                let outcome = crate::cel::compile(&source, &Environment::new(), None)
                    .map_err(|error| error.to_string())
                    .map(|program| {
                        let mut fuel = Fuel::new(Fuel::PER_EXPRESSION);
                        format!("{:?}", program.evaluate(&crate::cel::Bindings::new(), &mut fuel))
                    });
                if outcome.as_deref() != Ok("Ok(Bool(true))") {
                    wrong.push(format!("{name}: {source} is {outcome:?}"));
                }
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
    }

    #[test]
    fn no_expression_can_name_what_macros_call() {
        assert!(function("@sortByAssociatedKeys").is_some());
        assert!(function("charIn").is_none(), "a function that no library has");
    }
}
