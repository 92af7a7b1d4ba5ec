//! `writ reference`: the documentation that is made from the program itself.
//!
//! `docs/cli.md` is the help of every command, `docs/language.md` every function of the language, `docs/schema` the JSON Schemas of answers and test cases. A test
//! compares both with the files in the repository.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::{Arg, ArgAction, Command};
use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde_json::{Value, json};

use super::{
    Exit, Failure, Io, canonical, cel, claims, console::Answer, convert, definition, evaluate, keygen, status, test,
    verify,
};
use crate::api::API_VERSION;

/// Print the command reference, or write it and the JSON Schemas into a folder.
#[derive(Debug, clap::Args)]
pub(super) struct ReferenceCommand {
    /// Write `cli.md`, `language.md` and `schema/*.json` into this folder instead of printing.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl ReferenceCommand {
    pub(super) fn run(&self, io: &mut Io) -> Result<Exit, Failure> {
        let Some(dir) = &self.dir else {
            io.console.raw(markdown().as_bytes());
            return Ok(Exit::Yes);
        };
        write_all(dir)?;
        Ok(Exit::Yes)
    }
}

fn write_all(dir: &std::path::Path) -> anyhow::Result<()> {
    let folder = dir.join("schema");
    fs::create_dir_all(&folder).with_context(|| format!("making `{}`", folder.display()))?;
    let write =
        |path: PathBuf, text: String| fs::write(&path, text).with_context(|| format!("writing `{}`", path.display()));
    write(dir.join("cli.md"), markdown())?;
    write(dir.join("language.md"), language())?;
    for (name, schema) in schemas() {
        write(folder.join(format!("{name}.json")), serde_json::to_string_pretty(&schema)? + "\n")?;
    }
    Ok(())
}

/// All schemas by the name of their file.
fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("canonical-result", answer::<canonical::CanonicalResult>()),
        ("cel-result", answer::<cel::CelResult>()),
        ("claims-result", answer::<claims::ClaimsResult>()),
        ("convert-result", answer::<convert::ConvertResult>()),
        ("evaluate-result", answer::<evaluate::EvaluateResult>()),
        ("keygen-result", answer::<keygen::KeygenResult>()),
        ("status-result", answer::<status::StatusResult>()),
        ("test-cases", plain::<test::PolicyTests>("Test cases of policies, read by `writ test`.")),
        ("test-result", answer::<test::TestResult>()),
        ("verify-result", answer::<verify::VerifyResult>()),
    ]
}

fn schema<T: JsonSchema>(settings: SchemaSettings) -> Value {
    let schema: Schema = settings.into_generator().into_root_schema_for::<T>();
    schema.to_value()
}

/// The schema of an input.
fn plain<T: JsonSchema>(title: &str) -> Value {
    let mut schema = schema::<T>(SchemaSettings::draft2020_12());
    if let Value::Object(members) = &mut schema {
        members.insert("title".to_owned(), json!(title));
    }
    schema
}

/// The schema of an answer: its own fields, after `apiVersion` and `kind`.
fn answer<T: JsonSchema + Answer>() -> Value {
    let mut schema = schema::<T>(SchemaSettings::draft2020_12().for_serialize());
    let head = [("apiVersion", json!({"const": API_VERSION})), ("kind", json!({"const": T::KIND}))];
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.extend(head.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())));
    }
    if let Value::Object(members) = &mut schema {
        let required = members.entry("required").or_insert_with(|| json!([]));
        if let Value::Array(names) = required {
            names.splice(0..0, head.iter().map(|(name, _)| json!(name)));
        }
        members.insert("title".to_owned(), json!(T::KIND));
    }
    schema
}

/// The reference of the language.
fn language() -> String {
    let head = "<!-- Made by `writ reference --dir docs`; change src/cel/library instead. -->

# Functions of the language

Every macro and function that an expression may use, with its cost in the API server's units. Each example is run by a
test. What the language is, its limits and where it differs from the API server's: [The language](cel.md). In a cost, a
size is the characters of a string, the bytes of bytes, the elements of a list or the entries of a map; a part of a
unit counts as a whole one.

";
    format!("{head}{}", crate::cel::reference())
}

/// The reference of all commands that are shown.
fn markdown() -> String {
    let mut program = definition(None);
    program.build();
    let mut text =
        "<!-- Made by `writ reference --dir docs`; change src/cli instead. -->\n\n# The command line\n".to_owned();
    describe(&mut text, &program, &[]);
    text
}

fn describe(text: &mut String, command: &Command, parents: &[&str]) {
    let path = [parents, &[command.get_name()]].concat();
    let mut paragraph = |words: &str| {
        text.push('\n');
        text.push_str(words.trim_end());
        text.push('\n');
    };
    if !parents.is_empty() {
        paragraph(&format!("{} `{}`", "#".repeat(path.len()), path.join(" ")));
    }
    let about = command.get_long_about().or_else(|| command.get_about());
    paragraph(&about.map(ToString::to_string).unwrap_or_default());
    paragraph(&format!("```\n{}\n```", usage(command, &path)));
    let arguments: Vec<String> = command.get_arguments().filter(|argument| is_shown(argument)).map(item).collect();
    if !arguments.is_empty() {
        paragraph(&arguments.concat());
    }
    if let Some(after) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        paragraph(&format!("```\n{after}\n```"));
    }
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        describe(text, inner, &path);
    }
}

fn usage(command: &Command, path: &[&str]) -> String {
    let positional = command.get_positionals().map(|argument| {
        let name =
            argument.get_value_names().and_then(<[_]>::first).map_or(argument.get_id().as_str(), |name| name.as_str());
        let many = if matches!(argument.get_action(), ArgAction::Append) { "…" } else { "" };
        if argument.is_required_set() { format!(" <{name}>{many}") } else { format!(" [{name}]{many}") }
    });
    let inner = if command.has_subcommands() { " <COMMAND>" } else { "" };
    let required = command.get_arguments().filter(|argument| argument.is_required_set() && !argument.is_positional());
    let required = required.map(|argument| {
        let value =
            argument.get_value_names().and_then(<[_]>::first).map(|value| format!(" <{value}>")).unwrap_or_default();
        format!(" --{}{value}", argument.get_long().unwrap_or_default())
    });
    let options = if command.get_opts().any(is_shown) { " [OPTIONS]" } else { "" };
    format!("{}{options}{}{}{inner}", path.join(" "), required.collect::<String>(), positional.collect::<String>())
}

fn is_shown(argument: &Arg) -> bool {
    !argument.is_hide_set()
        && !matches!(
            argument.get_action(),
            ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
        )
}

/// One argument as an item of a list.
fn item(argument: &Arg) -> String {
    let value = argument.get_value_names().filter(|_| argument.get_action().takes_values()).and_then(<[_]>::first);
    let value = value
        .map(|value| if argument.is_positional() { format!("{value}") } else { format!(" {value}") })
        .unwrap_or_default();
    let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let long = argument.get_long().map(|long| format!("--{long}")).unwrap_or_default();
    let help = argument.get_long_help().or_else(|| argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut more = String::new();
    let values: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !values.is_empty() && argument.get_action().takes_values() {
        more.push_str(&format!(" One of {}.", values.join(", ")));
    }
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| format!("`{}`", value.display())).collect();
    if !defaults.is_empty() && argument.get_action().takes_values() {
        more.push_str(&format!(" Default: {}.", defaults.join(", ")));
    }
    if let Some(variable) = argument.get_env() {
        more.push_str(&format!(" Environment: `{}`.", variable.display()));
    }
    let help = help.replace("\n\n", " ").replace('\n', " ");
    let help = help.trim_end().trim_end_matches('.');
    format!("- `{short}{long}{value}`: {help}.{more}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `writ reference --dir docs` was run after the last change.
    #[test]
    fn the_reference_is_current() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let read = |path: &str| fs::read_to_string(docs.join(path)).unwrap_or_default();
        assert_eq!(read("cli.md"), markdown(), "run `writ reference --dir docs`");
        assert_eq!(read("language.md"), language(), "run `writ reference --dir docs`");
        let mut files: Vec<_> = fs::read_dir(docs.join("schema"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let schemas = schemas();
        assert_eq!(files, schemas.iter().map(|(name, _)| format!("{name}.json")).collect::<Vec<_>>());
        for (name, schema) in schemas {
            let file: Value = serde_json::from_str(&read(&format!("schema/{name}.json"))).unwrap();
            assert_eq!(file, schema, "{name}: run `writ reference --dir docs`");
        }
    }
}
