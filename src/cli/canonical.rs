//! `writ canonical`: the bytes behind every digest.

use std::path::PathBuf;

use serde::Serialize;

use super::{
    Exit, Failure, Io,
    case::kind_of,
    console::{Answer, Console, Format, OutputArguments},
    input, kinds,
    manifest::{self, Document},
};
use crate::{
    api::{API_VERSION, Manifest, PolicySpec},
    canonical::{Object, Value, encode},
    digest::Digest,
    policy,
    projection::{self, Plan, annotation_key},
};

const EXAMPLES: &str = "\
Examples:
  writ canonical deployment.yaml                      # the canonical bytes
  writ canonical deployment.yaml --digest             # their SHA-256
  writ canonical policy.yaml --of policy --digest     # the digest that a binding may pin
  writ canonical deployment.yaml --of projection      # what an attestation of it would cover

Several documents are written one a line.";

/// Print the canonical form of a document, or its digest.
///
/// The canonical form is RFC 8785 with exact 64-bit integers: two documents have the same bytes exactly when they say
/// the same. One document is written without a line end, so that its bytes can be hashed and compared.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CanonicalCommand {
    /// A manifest in YAML or JSON.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print the digest instead of the bytes.
    #[arg(long)]
    digest: bool,
    /// Of what: the document as it is, the normal form of each policy in it, or the projection of an object.
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    of: Form,
    /// The resource of the object for a projection, as in `apps/v1/deployments`, where its kind is not built in.
    #[arg(long, value_name = "RESOURCE")]
    resource: Option<String>,
    #[command(flatten)]
    output: OutputArguments,
}

/// What is made canonical.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// The document as it is; its digest is plain SHA-256.
    #[default]
    Raw,
    /// The normal form of a Policy: the digest that its status and its attestations name.
    Policy,
    /// The projection of an object that is attested now, as the digests of its parts: without what the server owns.
    Projection,
}

/// The answer of `writ canonical`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct CanonicalResult {
    /// One entry for each document.
    documents: Vec<CanonicalDocument>,
}

/// The canonical form of one document.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct CanonicalDocument {
    /// `metadata.name`; empty where there is none.
    name: String,
    /// The digest, `sha256:…`.
    #[cfg_attr(feature = "cluster", schemars(with = "String"))]
    digest: Digest,
    /// The canonical text.
    canonical: String,
}

impl Answer for CanonicalResult {
    const KIND: &'static str = "CanonicalResult";
}

impl CanonicalCommand {
    pub(super) fn run(&self, io: &mut Io) -> Result<Exit, Failure> {
        let documents = manifest::read(&mut io.inputs, &self.file)?;
        let forms: Vec<_> = match self.of {
            Form::Raw => documents.iter().map(raw).collect(),
            Form::Projection => documents.iter().map(|document| self.projection(document)).collect::<Result<_, _>>()?,
            Form::Policy => documents
                .iter()
                .filter(|document| document.kind() == (API_VERSION, "Policy"))
                .map(normal)
                .collect::<Result<_, _>>()?,
        };
        if forms.is_empty() {
            let what = if self.of == Form::Policy { "no Policy of writ.dev/v1alpha1" } else { "no document" };
            return Err(Failure::new(format!("{}: there is {what} in it", input::name(&self.file))));
        }
        match self.output.output {
            Format::Json => io.console.json(&CanonicalResult { documents: forms })?,
            Format::Text if self.digest => digests(&mut io.console, &forms),
            Format::Text => bytes(&mut io.console, &forms),
        }
        Ok(Exit::Yes)
    }
}

impl CanonicalCommand {
    fn projection(&self, document: &Document) -> Result<CanonicalDocument, Failure> {
        let fault = |what: String| Failure::new(format!("{}: {what}", document.place("")));
        let kind = kind_of(&document.value);
        let resource = match (&self.resource, kinds::known(&kind)) {
            (Some(text), _) => kinds::parse_resource(text, &kind).map_err(fault)?,
            (None, Some(known)) => known.of(&kind),
            (None, None) => {
                return Err(fault(format!(
                    "the resource of kind `{}` is not known: name it with --resource",
                    kind.kind
                )));
            }
        };
        let key = annotation_key(&resource.resource, &resource.group);
        let status = projection::kinds::has_status(&resource.group, &resource.resource);
        let projection = Plan::new(&kind, &key, status).project(&document.value);
        let subtrees =
            projection.subtrees.iter().map(|(name, digest)| (name.as_str(), Value::from(digest.to_string())));
        let form = [
            ("projection", Value::from(projection.id.to_string())),
            ("subtrees", Value::Object(subtrees.collect::<Object<'_>>())),
        ];
        let form = encode(&Value::Object(form.into_iter().collect::<Object<'_>>()));
        Ok(CanonicalDocument {
            name: document.name().to_owned(),
            digest: projection.digest,
            canonical: String::from_utf8(form).unwrap_or_default(),
        })
    }
}

fn raw(document: &Document) -> CanonicalDocument {
    let bytes = encode(&document.value);
    let digest = Digest::plain(&bytes);
    CanonicalDocument {
        name: document.name().to_owned(),
        digest,
        canonical: String::from_utf8(bytes).unwrap_or_default(),
    }
}

fn normal(document: &Document) -> Result<CanonicalDocument, Failure> {
    let manifest: Manifest<PolicySpec> = document.typed()?;
    let bytes = encode(&policy::normal_form(&manifest.spec));
    Ok(CanonicalDocument {
        name: manifest.metadata.name,
        digest: policy::digest(&manifest.spec),
        canonical: String::from_utf8(bytes).unwrap_or_default(),
    })
}

fn digests(console: &mut Console, forms: &[CanonicalDocument]) {
    for form in forms {
        // Like sha256sum, so that a list of them can be compared and kept.
        let name = if form.name.is_empty() { String::new() } else { format!("  {}", form.name) };
        console.line(format!("{}{name}", form.digest));
    }
}

fn bytes(console: &mut Console, forms: &[CanonicalDocument]) {
    for form in forms {
        console.raw(form.canonical.as_bytes());
        if forms.len() > 1 || Console::is_terminal() {
            console.end();
        }
    }
}
