//! `writ convert`: policies of the API server become policies of Writ.

use std::path::PathBuf;

use serde::Serialize;

use super::{
    Exit, Failure, Io,
    console::{Answer, Format, OutputArguments},
    manifest::{self, Document},
    policies::files,
};
use crate::{
    api::API_VERSION,
    convert::{
        Converted, Note, Sources, VERSION, convert,
        source::{AdmissionBinding, AdmissionPolicy, Resource},
    },
};

const EXAMPLES: &str = "\
Examples:
  writ convert policy.yaml binding.yaml > writ.yaml
  writ convert policies/                       # a folder, with the parameters in it
  kubectl get validatingadmissionpolicies,validatingadmissionpolicybindings -o yaml | writ convert -

Each validation becomes a Boolean signal, and a Deny rule where it is false. Objects that a binding refers
to as parameters are read from the same files; their values are written into the binding or the policy.

What is different, or cannot be carried over, is said on standard error. In general: expressions that fail
deny; every denial is 403 Forbidden; an UPDATE that changes nothing is not decided; an UPDATE that removes
the last finalizer of an object under deletion is decided as its DELETE; maps iterate in the order of
their keys.

Exit codes: 0 all was converted, 1 something could not be, 2 the input cannot be read.";

/// The group and version that is converted.
const ADMISSION: &str = "admissionregistration.k8s.io/v1";

/// Convert ValidatingAdmissionPolicies with their bindings to Policies and PolicyBindings.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ConvertCommand {
    /// Policies, bindings and parameters: files, or folders with `.yaml`, `.yml` and `.json` files.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    output: OutputArguments,
}

/// The answer of `writ convert`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct ConvertResult {
    /// Policies and bindings of `writ.dev/v1alpha1`.
    #[cfg_attr(feature = "cluster", schemars(with = "Vec<serde_json::Value>"))]
    objects: Vec<serde_json::Value>,
    /// What is different, or could not be converted.
    notes: Vec<NoteReport>,
}

/// What a reader must know.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct NoteReport {
    /// The name of the policy or binding.
    about: String,
    /// Whether it could not be converted at all.
    refused: bool,
    /// What is different, and what to do.
    message: String,
}

impl Answer for ConvertResult {
    const KIND: &'static str = "ConvertResult";
}

/// An object as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'s, S> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Name,
    spec: &'s S,
}

#[derive(Serialize)]
struct Name {
    name: String,
}

impl ConvertCommand {
    pub(super) fn run(&self, io: &mut Io) -> Result<Exit, Failure> {
        let mut documents = Vec::new();
        for path in &self.files {
            for file in files(path)? {
                documents.extend(manifest::read(&mut io.inputs, &file)?);
            }
        }
        let sources = sources(&documents)?;
        let converted = convert(&sources);
        match self.output.output {
            Format::Json => io.console.json(&result(&converted)?)?,
            Format::Text => {
                io.console.raw(yaml(&converted)?.as_bytes());
                // On standard error: the objects alone go to a file.
                for Note { about, refused, message } in &converted.notes {
                    let word = if *refused { "not converted" } else { "note" };
                    io.console.complain(format!("{word}: {about}: {message}"));
                }
            }
        }
        Ok(if converted.notes.iter().any(|note| note.refused) { Exit::No } else { Exit::Yes })
    }
}

fn sources(documents: &[Document]) -> Result<Sources<'_>, Failure> {
    let mut sources = Sources::default();
    for document in documents {
        match document.kind() {
            (ADMISSION, "ValidatingAdmissionPolicy") => {
                let policy: Resource<AdmissionPolicy> = document.typed()?;
                sources.policies.push((policy.metadata.name, policy.spec));
            }
            (ADMISSION, "ValidatingAdmissionPolicyBinding") => {
                let binding: Resource<AdmissionBinding> = document.typed()?;
                sources.bindings.push((binding.metadata.name, binding.spec));
            }
            _ => sources.objects.push(&document.value),
        }
    }
    if sources.policies.is_empty() && sources.bindings.is_empty() {
        return Err(Failure::new(format!("there is no ValidatingAdmissionPolicy of {ADMISSION} in the files"))
            .hint("give the policies, their bindings and the parameters that these refer to"));
    }
    Ok(sources)
}

fn objects(converted: &Converted) -> impl Iterator<Item = (&'static str, String, Spec<'_>)> {
    let policies = converted.policies.iter();
    let policies = policies.map(|spec| ("Policy", format!("{}.{VERSION}", spec.id), Spec::Policy(spec)));
    let bindings = converted.bindings.iter();
    policies.chain(bindings.map(|(name, spec)| ("PolicyBinding", name.clone(), Spec::Binding(spec))))
}

/// Either spec.
#[derive(Serialize)]
#[serde(untagged)]
enum Spec<'s> {
    Policy(&'s crate::api::PolicySpec),
    Binding(&'s crate::api::PolicyBindingSpec),
}

fn yaml(converted: &Converted) -> Result<String, Failure> {
    let mut out = String::new();
    for (kind, name, spec) in objects(converted) {
        let object = Object { api_version: API_VERSION, kind, metadata: Name { name }, spec: &spec };
        let text = serde_saphyr::to_string(&object).map_err(|error| Failure::new(error.to_string()))?;
        if !out.is_empty() {
            out.push_str("---\n");
        }
        out.push_str(&text);
        if !text.ends_with('\n') {
            out.push('\n');
        }
    }
    Ok(out)
}

fn result(converted: &Converted) -> Result<ConvertResult, Failure> {
    let value = |(kind, name, spec)| {
        let object = Object { api_version: API_VERSION, kind, metadata: Name { name }, spec: &spec };
        serde_json::to_value(&object).map_err(|error| Failure::new(error.to_string()))
    };
    let note = |Note { about, refused, message }: &Note| NoteReport {
        about: about.clone(),
        refused: *refused,
        message: message.clone(),
    };
    Ok(ConvertResult {
        objects: objects(converted).map(value).collect::<Result<_, _>>()?,
        notes: converted.notes.iter().map(note).collect(),
    })
}
