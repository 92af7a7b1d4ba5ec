use std::{collections::BTreeMap, path::PathBuf};

use clap::ArgGroup;

use crate::{
    admission::{Operation, UserInfo},
    canonical::Value,
    cli::{
        Failure,
        case::{Case, Parts, kind_of},
        kinds,
        manifest::Document,
    },
    time::Timestamp,
};

/// The request that is decided.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Request")]
#[command(group = ArgGroup::new("what").required(true).multiple(true).args(["review", "object", "old_object"]))]
#[group(skip)]
pub(super) struct RequestArguments {
    /// A recorded AdmissionReview (admission.k8s.io/v1), in JSON or YAML.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "object", "old_object", "operation", "resource", "subresource", "namespace", "name", "user", "groups", "uid", "extra", "dry_run",
    ])]
    pub(super) review: Option<PathBuf>,
    /// The new object; several documents are several requests.
    #[arg(long, value_name = "MANIFEST")]
    pub(super) object: Option<PathBuf>,
    /// The object as it is stored: with --object an UPDATE, alone a DELETE.
    #[arg(long, value_name = "MANIFEST")]
    pub(super) old_object: Option<PathBuf>,
    /// What the request does; default: what the given objects say.
    #[arg(long, value_enum, ignore_case = true, value_name = "OPERATION")]
    operation: Option<OperationArgument>,
    /// The resource, as in `apps/v1/deployments`; needed for kinds that are not built in, and for subresources with a
    /// body of their own such as `scale`.
    #[arg(long, value_name = "RESOURCE")]
    resource: Option<String>,
    /// The subresource, for example `scale`.
    #[arg(long, value_name = "NAME")]
    subresource: Option<String>,
    /// The namespace; default: the object's own, else `default`.
    #[arg(short = 'n', long, value_name = "NAME")]
    namespace: Option<String>,
    /// The object's name; default: its own.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The Namespace object, for policies and bindings that read more than its name.
    #[arg(long, value_name = "MANIFEST")]
    pub(super) namespace_object: Option<PathBuf>,
    /// The time of the decision, `request.time`; default: now.
    #[arg(long, value_name = "TIME")]
    pub(super) time: Option<Timestamp>,
    /// Who asks. A service account is `system:serviceaccount:<namespace>:<name>` and gets its groups.
    #[arg(long = "as", value_name = "USER", default_value = "user")]
    user: String,
    /// A group of the requester; may be given several times. `system:authenticated` is added.
    #[arg(long = "as-group", value_name = "GROUP")]
    groups: Vec<String>,
    /// The requester's uid.
    #[arg(long = "as-uid", value_name = "UID")]
    uid: Option<String>,
    /// What the authenticator added about the requester; may be given several times.
    #[arg(long = "as-extra", value_name = "KEY=VALUE", value_parser = key_value)]
    extra: Vec<(String, String)>,
    /// A dry run: nothing would be stored.
    #[arg(long)]
    dry_run: bool,
}

/// An operation as an argument.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
#[value(rename_all = "UPPER")]
enum OperationArgument {
    Create,
    Update,
    Delete,
    Connect,
}

impl From<OperationArgument> for Operation {
    fn from(argument: OperationArgument) -> Self {
        match argument {
            OperationArgument::Create => Self::Create,
            OperationArgument::Update => Self::Update,
            OperationArgument::Delete => Self::Delete,
            OperationArgument::Connect => Self::Connect,
        }
    }
}

impl RequestArguments {
    /// The request for these objects.
    pub(super) fn build(
        &self,
        object: Option<Document>,
        old_object: Option<Document>,
        namespace_object: Option<Value<'static>>,
        time: Timestamp,
    ) -> Result<Case, Failure> {
        let place = object.as_ref().or(old_object.as_ref()).map(|document| document.place("")).unwrap_or_default();
        let fault = |error: String| {
            Failure::new(format!("{place}: {error}"))
                .hint("the options under `Request` in `writ evaluate --help` say what can be given")
        };
        let subject =
            object.as_ref().or(old_object.as_ref()).map(|document| kind_of(&document.value)).unwrap_or_default();
        let resource =
            self.resource.as_deref().map(|text| kinds::parse_resource(text, &subject)).transpose().map_err(fault)?;
        let parts = Parts {
            object: object.map(|document| document.value),
            old_object: old_object.map(|document| document.value),
            namespace_object,
            operation: self.operation.map(Operation::from),
            subresource: self.subresource.clone(),
            resource,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            user: self.user(),
            dry_run: self.dry_run,
        };
        parts.build(time).map_err(fault)
    }

    fn user(&self) -> UserInfo {
        let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, value) in &self.extra {
            extra.entry(key.clone()).or_default().push(value.clone());
        }
        UserInfo {
            username: self.user.clone(),
            uid: self.uid.clone().unwrap_or_default(),
            groups: self.groups.clone(),
            extra,
        }
    }
}

fn key_value(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE"),
    }
}
