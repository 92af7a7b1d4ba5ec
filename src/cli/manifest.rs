//! Manifests: YAML or JSON, one document or many, read strictly into the canonical value.
//!
//! YAML is read as kubectl reads it (YAML 1.1 booleans and octal numbers, merge keys), within limits. What has two
//! meanings is refused instead of guessed: duplicate keys, keys that are no text, numbers beyond 64 bits.

mod place;
mod typed;
mod yaml;

use std::path::Path;

pub(crate) use typed::{TypedError, typed};

use super::{
    failure::Failure,
    input::{self, Inputs},
};
use crate::canonical::{self, ParseErrorKind, Value};

/// One document of a file.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// The file's name, or `standard input`.
    pub(crate) file: String,
    /// Which document of the file, from 0; items of a `List` share one.
    index: usize,
    /// The item of a `List`.
    item: Option<usize>,
    /// What it says.
    pub(crate) value: Value<'static>,
    text: std::rc::Rc<str>,
}

impl Document {
    /// `apiVersion` and `kind`, where the document has them.
    pub(crate) fn kind(&self) -> (&str, &str) {
        let text = |key| self.value.member(key).and_then(Value::as_str).unwrap_or_default();
        (text("apiVersion"), text("kind"))
    }

    /// `metadata.name`, where the document has one.
    pub(crate) fn name(&self) -> &str {
        self.value.at(&["metadata", "name"]).and_then(Value::as_str).unwrap_or_default()
    }

    /// Where the field at `path` (`spec.rules[1].when`) stands: `file:line:column`, or the next place above it that
    /// the text has.
    pub(crate) fn place(&self, path: &str) -> String {
        let inner = self
            .item
            .map(|item| if path.is_empty() { format!("items[{item}]") } else { format!("items[{item}].{path}") });
        match place::find(&self.text, self.index, inner.as_deref().unwrap_or(path)) {
            Some((line, column)) => format!("{}:{line}:{column}", self.file),
            None => self.file.clone(),
        }
    }

    /// Reads the document as a type.
    ///
    /// # Errors
    /// The first field that does not fit, with its place.
    pub(crate) fn typed<T: serde::de::DeserializeOwned>(&self) -> Result<T, Failure> {
        typed(&self.value).map_err(|TypedError { path, message }| {
            let at = if path.is_empty() { String::new() } else { format!("{path}: ") };
            Failure::new(format!("{}: {at}{message}", self.place(&path)))
        })
    }
}

/// All documents of a file or of standard input. Items of a `List` stand for themselves; empty documents are nothing.
///
/// # Errors
/// The input cannot be read, or is not acceptable YAML or JSON.
pub(crate) fn read(inputs: &mut Inputs, path: &Path) -> Result<Vec<Document>, Failure> {
    let text = inputs.text(path)?;
    parse(&input::name(path), &text)
}

/// All documents of a text; `file` names it in messages.
///
/// # Errors
/// It is not acceptable YAML or JSON.
pub(crate) fn parse(file: &str, text: &str) -> Result<Vec<Document>, Failure> {
    let values = match json_stream(text) {
        Ok(values) => values,
        Err(None) => yaml::parse(text).map_err(|(place, message)| fault(file, place, &message))?,
        Err(Some((offset, message))) => return Err(fault(file, Some(line_column(text, offset)), &message)),
    };
    let shared: std::rc::Rc<str> = text.into();
    let mut documents = Vec::new();
    for (index, value) in values.into_iter().enumerate().filter(|(_, value)| *value != Value::Null) {
        let document = |item, value| Document { file: file.to_owned(), index, item, value, text: shared.clone() };
        match items(&value) {
            Some(items) => {
                documents.extend(items.iter().enumerate().map(|(item, value)| document(Some(item), value.clone())));
            }
            None => documents.push(document(None, value)),
        }
    }
    Ok(documents)
}

fn fault(file: &str, place: Option<(u64, u64)>, message: &str) -> Failure {
    let place = place.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default();
    Failure::new(format!("{file}{place}: {message}"))
}

/// The items of a `List` of the core group, as `kubectl get -o yaml` prints several objects.
fn items<'v>(value: &'v Value<'static>) -> Option<&'v [Value<'static>]> {
    let is_list = value.member("kind").and_then(Value::as_str) == Some("List")
        && value.member("apiVersion").and_then(Value::as_str) == Some("v1");
    if is_list { value.member("items")?.as_array() } else { None }
}

/// JSON values one after another. `Err(None)`: this is no JSON, but may be YAML.
fn json_stream(text: &str) -> Result<Vec<Value<'static>>, Option<(usize, String)>> {
    let mut values = Vec::new();
    let mut start = 0;
    loop {
        let rest = text.get(start..).unwrap_or_default();
        let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        start += blank;
        let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) else { break };
        if !rest.starts_with(['{', '[']) {
            return Err(if values.is_empty() { None } else { Some((start, "unexpected text after JSON".to_owned())) });
        }
        match canonical::parse(rest.as_bytes()) {
            Ok(value) => {
                values.push(value.into_owned());
                break;
            }
            Err(error) if error.kind == ParseErrorKind::TrailingCharacters => {
                let (one, _) = rest.split_at_checked(error.offset).unwrap_or((rest, ""));
                let value = canonical::parse(one.as_bytes()).map_err(|error| Some((start, error.kind.to_string())))?;
                values.push(value.into_owned());
                start += error.offset;
            }
            // A flow mapping of YAML may begin like JSON.
            Err(error) if error.kind == ParseErrorKind::UnexpectedCharacter && values.is_empty() => return Err(None),
            Err(error) => return Err(Some((start + error.offset, error.kind.to_string()))),
        }
    }
    if values.is_empty() { Err(None) } else { Ok(values) }
}

fn line_column(text: &str, offset: usize) -> (u64, u64) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() as u64 + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() as u64 + 1;
    (line, column)
}

#[cfg(test)]
mod tests;
