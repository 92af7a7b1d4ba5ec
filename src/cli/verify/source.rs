use std::path::Path;

use crate::{
    canonical::{Value, encode},
    cli::{
        Failure, Io, input,
        manifest::{self, Document},
    },
};

/// Something to verify.
#[derive(Debug)]
pub(super) struct Subject {
    /// Where it was read.
    pub(super) source: String,
    /// The object that the attestation must be about.
    pub(super) object: Option<Value<'static>>,
    /// The object's resource, where the cluster told it.
    pub(super) resource: Option<String>,
    /// The attestation; `None` for the one that the object carries.
    pub(super) form: Option<Form>,
}

/// An attestation by itself.
#[derive(Debug)]
pub(super) enum Form {
    /// The text of an annotation.
    Compact(String),
    /// A DSSE envelope in JSON.
    Envelope(Vec<u8>),
}

impl Subject {
    pub(super) fn object(source: String, object: Value<'static>) -> Self {
        Self { source, object: Some(object), resource: None, form: None }
    }
}

/// What stands in a file. Attestations by themselves must be about `object`, where one is given.
pub(super) fn read(io: &mut Io, path: &Path, object: Option<&Value<'static>>) -> Result<Vec<Subject>, Failure> {
    parse(&input::name(path), &io.inputs.text(path)?, object)
}

/// What stands in a text; `source` names it.
pub(super) fn parse(source: &str, text: &str, object: Option<&Value<'static>>) -> Result<Vec<Subject>, Failure> {
    let by_itself =
        |form| Subject { source: source.to_owned(), object: object.cloned(), resource: None, form: Some(form) };
    let word = text.trim();
    if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        return Ok(vec![by_itself(Form::Compact(word.to_owned()))]);
    }
    let documents = manifest::parse(source, text)?;
    let many = documents.len() > 1;
    documents
        .into_iter()
        .map(|document| {
            if document.value.member("payloadType").is_some() {
                return Ok(by_itself(Form::Envelope(encode(&document.value))));
            }
            check_object(&document)?;
            let source = if many { document.place("") } else { source.to_owned() };
            Ok(Subject::object(source, document.value))
        })
        .collect()
}

/// The one object of a file.
pub(super) fn one_object(io: &mut Io, path: &Path) -> Result<Value<'static>, Failure> {
    let documents = manifest::read(&mut io.inputs, path)?;
    let [document] = documents.as_slice() else {
        let count = documents.len();
        return Err(Failure::new(format!("{}: one object is wanted, and {count} are in it", input::name(path))));
    };
    check_object(document)?;
    Ok(document.value.clone())
}

fn check_object(document: &Document) -> Result<(), Failure> {
    let (api_version, kind) = document.kind();
    if api_version.is_empty() || kind.is_empty() {
        return Err(Failure::new(format!("{}: this is no object, no attestation and no envelope", document.place("")))
            .hint("give an object with `apiVersion` and `kind`, the text of the annotation, or a DSSE envelope"));
    }
    Ok(())
}
