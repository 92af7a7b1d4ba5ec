use super::{Case, Envelope, check_object, kind_of, options, text_at, user};
use crate::{
    admission::{GroupVersionKind, GroupVersionResource, Operation, UserInfo},
    canonical::Value,
    cli::kinds,
    time::Timestamp,
};

/// The namespace of a namespaced object that names none, as in kubectl.
const DEFAULT_NAMESPACE: &str = "default";

/// What is known of a request; the rest follows from the objects.
#[derive(Debug, Default)]
pub(in crate::cli) struct Parts {
    /// The new object.
    pub(in crate::cli) object: Option<Value<'static>>,
    /// The stored object.
    pub(in crate::cli) old_object: Option<Value<'static>>,
    /// The Namespace object.
    pub(in crate::cli) namespace_object: Option<Value<'static>>,
    /// Default: CREATE for a new object alone, DELETE for an old one alone, else UPDATE.
    pub(in crate::cli) operation: Option<Operation>,
    /// Default: that of the object's kind, for example `exec` of a PodExecOptions.
    pub(in crate::cli) subresource: Option<String>,
    /// Default: that of the object's kind.
    pub(in crate::cli) resource: Option<GroupVersionResource>,
    /// Default: the object's own, else `default`.
    pub(in crate::cli) namespace: Option<String>,
    /// Default: the object's own.
    pub(in crate::cli) name: Option<String>,
    /// Who asks.
    pub(in crate::cli) user: UserInfo,
    /// Whether nothing will be stored.
    pub(in crate::cli) dry_run: bool,
}

impl Parts {
    /// The request at `time`.
    ///
    /// # Errors
    /// What is missing or contradicts itself, and how to say it.
    pub(in crate::cli) fn build(self, time: Timestamp) -> Result<Case, String> {
        for (name, object) in
            [("object", &self.object), ("old object", &self.old_object), ("namespace object", &self.namespace_object)]
        {
            if let Some(object) = object {
                check_object(object).map_err(|error| format!("the {name} {error}"))?;
            }
        }
        let operation = self.operation()?;
        self.check(operation)?;
        let subject = self.object.as_ref().or(self.old_object.as_ref());
        let kind = subject.map(kind_of).unwrap_or_default();
        let target = self.target(&kind)?;
        let envelope = Envelope {
            namespace: self.namespace(subject, &target)?,
            name: self.name.clone().unwrap_or_else(|| text_at(subject, &["metadata", "name"]).to_owned()),
            kind,
            resource: target.resource,
            subresource: target.subresource,
            operation,
            user: user(self.user),
            dry_run: self.dry_run,
        };
        Ok(Case {
            request: envelope.request(),
            object: self.object,
            old_object: self.old_object,
            namespace: self.namespace_object,
            options: options(operation),
            malformed: None,
            time,
        })
    }

    fn operation(&self) -> Result<Operation, String> {
        let kind = self.object.as_ref().map(kind_of);
        let body = kind.as_ref().and_then(kinds::subresource).map(|body| body.operation);
        match (self.operation, &self.object, &self.old_object) {
            (Some(operation), _, _) => Ok(operation),
            (None, Some(_), Some(_)) => Ok(Operation::Update),
            (None, Some(_), None) => Ok(body.unwrap_or(Operation::Create)),
            (None, None, Some(_)) => Ok(Operation::Delete),
            (None, None, None) => Err("there is neither an object nor an old object: give one".to_owned()),
        }
    }

    /// Each operation has the objects that the API server sends with it.
    fn check(&self, operation: Operation) -> Result<(), String> {
        let wanted = match operation {
            Operation::Create if self.old_object.is_some() => "a CREATE has no old object: leave it out",
            Operation::Create if self.object.is_none() => "a CREATE needs an object",
            Operation::Update if self.object.is_none() || self.old_object.is_none() => {
                "an UPDATE needs the object and the old object"
            }
            Operation::Delete if self.object.is_some() => {
                "a DELETE has only an old object: give the object as the old one"
            }
            Operation::Delete if self.old_object.is_none() => "a DELETE needs the old object",
            Operation::Connect if self.object.is_none() || self.old_object.is_some() => {
                "a CONNECT has an object (for example a PodExecOptions) and no old one"
            }
            _ => return self.same_object(),
        };
        Err(wanted.to_owned())
    }

    /// An update never changes what an object is.
    fn same_object(&self) -> Result<(), String> {
        let Some((object, old)) = self.object.as_ref().zip(self.old_object.as_ref()) else { return Ok(()) };
        for path in [&["apiVersion"][..], &["kind"], &["metadata", "name"], &["metadata", "namespace"]] {
            let (new, old) = (text_at(Some(object), path), text_at(Some(old), path));
            if new != old && !(path == ["metadata", "namespace"] && (new.is_empty() || old.is_empty())) {
                return Err(format!("object and old object differ in {}: `{new}` and `{old}`", path.join(".")));
            }
        }
        Ok(())
    }

    fn target(&self, kind: &GroupVersionKind) -> Result<Target, String> {
        if kind.version.is_empty() || kind.kind.is_empty() {
            return Err("the object has no `apiVersion` and `kind`".to_owned());
        }
        let subresource = |own: &str| self.subresource.clone().unwrap_or_else(|| own.to_owned());
        if let Some(resource) = &self.resource {
            let known = kinds::known_resource(&resource.group, &resource.resource);
            return Ok(Target {
                resource: resource.clone(),
                subresource: subresource(""),
                namespaced: known.map(|known| known.namespaced),
            });
        }
        if let Some(known) = kinds::known(kind) {
            let resource = resource(&kind.group, &kind.version, known.resource);
            return Ok(Target { resource, subresource: subresource(""), namespaced: Some(known.namespaced) });
        }
        if let Some(body) = kinds::subresource(kind) {
            let resource = resource("", "v1", body.resource);
            return Ok(Target {
                resource,
                subresource: subresource(body.subresource),
                namespaced: Some(body.namespaced),
            });
        }
        // A guess at a plural name could miss the policy, and so look allowed.
        Err(format!("the resource of kind `{}` is not known: name it, as in `apps/v1/deployments`", kind.kind))
    }

    fn namespace(&self, subject: Option<&Value<'_>>, target: &Target) -> Result<String, String> {
        let own = text_at(subject, &["metadata", "namespace"]);
        let of_object = text_at(self.namespace_object.as_ref(), &["metadata", "name"]);
        let given = self.namespace.as_deref().unwrap_or(of_object);
        if target.namespaced == Some(false) {
            // The request for a Namespace object carries the object's own name.
            let is_namespace = target.resource.group.is_empty() && target.resource.resource == "namespaces";
            let name = self.name.as_deref().unwrap_or_else(|| text_at(subject, &["metadata", "name"]));
            return Ok(if is_namespace { name.to_owned() } else { String::new() });
        }
        if ![given, ""].contains(&of_object) {
            return Err(format!("the Namespace that is given is `{of_object}`, and the namespace `{given}`"));
        }
        match (own, given) {
            ("", "") if target.namespaced == Some(true) => Ok(DEFAULT_NAMESPACE.to_owned()),
            ("", given) => Ok(given.to_owned()),
            (own, given) if given.is_empty() || own == given => Ok(own.to_owned()),
            (own, given) => Err(format!("the object stands in namespace `{own}`, not in `{given}`")),
        }
    }
}

struct Target {
    resource: GroupVersionResource,
    subresource: String,
    /// `None` where nobody knows.
    namespaced: Option<bool>,
}

fn resource(group: &str, version: &str, resource: &str) -> GroupVersionResource {
    GroupVersionResource { group: group.to_owned(), version: version.to_owned(), resource: resource.to_owned() }
}
