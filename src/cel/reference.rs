//! The reference of the language, made of what declares it: the functions of the libraries and the macros.

use std::fmt::Write as _;

use super::{
    library::{Cost, Function, Overload, libraries},
    syntax::DOCUMENTED,
    types::Type,
};

/// Characters of the names of type parameters.
const PARAMETERS: [&str; 4] = ["A", "B", "C", "D"];

/// Every macro and every function in Markdown, with signatures, costs and examples.
///
#[must_use]
pub fn reference() -> String {
    let mut out = String::new();
    // INVARIANT: writing to a string does not fail.
    let _ = write_reference(&mut out);
    out
}

fn write_reference(out: &mut String) -> std::fmt::Result {
    writeln!(out, "## Macros\n")?;
    writeln!(
        out,
        "`e` is an expression; `x`, `i`, `k` and `v` are names; `p` is a predicate, `t` what an element becomes. A \
         macro costs what its parts cost, each as often as it is evaluated, and a little for each step.\n"
    )?;
    writeln!(out, "| macro | what it does | example | is |\n|---|---|---|---|")?;
    for (form, about, example, equal_to) in DOCUMENTED {
        writeln!(out, "| {} | {about} | {} | {} |", code(form), code(example), code(equal_to))?;
    }
    for (title, functions) in libraries() {
        writeln!(out, "\n## {title}")?;
        for function in functions.into_iter().filter(|function| can_be_named(function)) {
            describe(out, function)?;
        }
    }
    Ok(())
}

fn can_be_named(function: &Function) -> bool {
    !function.name.starts_with('@') || function.name == "@in"
}

fn describe(out: &mut String, function: &Function) -> std::fmt::Result {
    writeln!(out, "\n### `{}`\n\n{}\n", shown(function.name), function.about)?;
    writeln!(out, "| signature | cost |\n|---|---|")?;
    for overload in &function.overloads {
        writeln!(out, "| {} | {} |", code(&signature(function.name, overload)), cost(overload))?;
    }
    writeln!(out, "\n```cel")?;
    for (expression, equal_to) in &function.examples {
        writeln!(out, "{expression}  // {equal_to}")?;
    }
    writeln!(out, "```")
}

/// A span of code in a cell of a table.
fn code(text: &str) -> String {
    let text = text.replace('|', "\\|");
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

/// A function's name as an expression spells it.
fn shown(name: &str) -> String {
    match name {
        "@in" => "in".to_owned(),
        "_?_:_" => "? :".to_owned(),
        other if is_operator(other) => other.replace('_', ""),
        other => other.to_owned(),
    }
}

fn is_operator(name: &str) -> bool {
    name == "@in" || (name.contains('_') && !name.chars().any(char::is_alphanumeric))
}

fn signature(name: &str, overload: &Overload) -> String {
    let types: Vec<String> = overload.parameters.iter().map(spelled).collect();
    let result = spelled(&overload.result);
    let call = match (types.as_slice(), overload.member) {
        ([target, rest @ ..], true) => format!("{target}.{name}({})", rest.join(", ")),
        (operands, _) if is_operator(name) => operation(name, operands),
        (all, _) => format!("{name}({})", all.join(", ")),
    };
    format!("{call} → {result}")
}

/// An operator between its operands: each `_` of its name stands for one.
fn operation(name: &str, operands: &[String]) -> String {
    if name == "@in" {
        return operands.join(" in ");
    }
    let mut operands = operands.iter();
    let (mut out, mut characters) = (String::new(), name.chars().peekable());
    let spaced = !name.contains('[') && name.starts_with('_');
    while let Some(character) = characters.next() {
        if character == '_' {
            out.push_str(operands.next().map_or("", String::as_str));
            if spaced && characters.peek().is_some() {
                out.push(' ');
            }
        } else {
            out.push(character);
            if spaced && characters.peek() == Some(&'_') {
                out.push(' ');
            }
        }
    }
    out
}

/// A type with its parameters as letters.
fn spelled(of: &Type) -> String {
    match of {
        Type::Parameter(id) => PARAMETERS.get(*id as usize).map_or("dyn", |name| name).to_owned(),
        Type::List(element) => format!("list({})", spelled(element)),
        Type::Map(key, value) => format!("map({}, {})", spelled(key), spelled(value)),
        Type::Optional(value) => format!("optional_type({})", spelled(value)),
        Type::Type(inner) => format!("type({})", spelled(inner)),
        other => other.to_string(),
    }
}

/// What a call costs, in words. A size is the characters of a string, the bytes of bytes, the elements of a list.
fn cost(overload: &Overload) -> String {
    let name = |index: usize| match (index, overload.member) {
        (0, true) => "the target".to_owned(),
        (index, true) => format!("argument {index}"),
        (index, false) => format!("argument {}", index + 1),
    };
    match overload.cost {
        Cost::Unit => "1".to_owned(),
        Cost::Scan(index) => format!("0.1 × size of {}", name(index)),
        Cost::Copy(index) => format!("0.2 × size of {}", name(index)),
        Cost::Concatenate => "0.1 × both sizes".to_owned(),
        Cost::Compare => "0.1 × the smaller size".to_owned(),
        Cost::Contains => "(0.1 × size) × (0.1 × size) of both".to_owned(),
        Cost::Validate => "0.1 × (size of the text + 1) × 0.25 × size of the format's pattern".to_owned(),
        Cost::Match => "0.1 × (size of the text + 1) × 0.25 × size of the pattern".to_owned(),
        Cost::InList => "size of the list".to_owned(),
        Cost::Traverse => format!("1 for each scalar in {0}, 0.1 for each byte of text in {0}", name(0)),
        Cost::Join => "0.2 × size of the result".to_owned(),
        Cost::NewList => "11 + size of the result".to_owned(),
        Cost::Flatten => "11 + size of the target × depth".to_owned(),
        Cost::CrossCompare(1) => "1 + the product of both sizes".to_owned(),
        Cost::CrossCompare(times) => format!("1 + {times} × the product of both sizes"),
        Cost::Within { masked, parsed } => {
            let mask = if masked { "1 + 0.3" } else { "0.2" };
            let text = if parsed { " + 0.1 × size of the text" } else { "" };
            format!("{mask} × bytes of the range's address{text}")
        }
        Cost::SelfCompare(index) => format!("11 + 2 × size² of {}; 2.1 × for text", name(index)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cel::{Bindings, Environment, Fuel, Value, compile};

    #[test]
    fn operators_read_as_they_are_written() {
        for (name, operands, wanted) in [
            ("_+_", vec!["int", "int"], "int + int"),
            ("_?_:_", vec!["bool", "A", "A"], "bool ? A : A"),
            ("!_", vec!["bool"], "!bool"),
            ("_[_]", vec!["list(A)", "int"], "list(A)[int]"),
            ("_[?_]", vec!["list(A)", "int"], "list(A)[?int]"),
            ("@in", vec!["A", "list(A)"], "A in list(A)"),
        ] {
            let operands: Vec<String> = operands.into_iter().map(str::to_owned).collect();
            assert_eq!(operation(name, &operands), wanted);
        }
    }

    #[test]
    fn examples_of_macros_are_true() {
        for (form, _, example, equal_to) in DOCUMENTED {
            let program = compile(&format!("({example}) == ({equal_to})"), &Environment::new(), None)
                .unwrap_or_else(|error| panic!("{form}: {error}"));
            let value = program.evaluate(&Bindings::new(), &mut Fuel::new(1_000));
            assert!(matches!(value, Ok(Value::Bool(true))), "{form}: {example} is {value:?}");
        }
    }
}
