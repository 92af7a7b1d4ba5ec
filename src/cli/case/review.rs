use std::borrow::Cow;

use super::Case;
use crate::{
    admission::{EnvelopeError, Request, parse_review},
    canonical::{self, Value},
    time::Timestamp,
};

/// The request of a recorded AdmissionReview, decided at `time`. A broken object in a sound envelope is no error: it is
/// what Writ would have to decide.
///
/// # Errors
/// The text is no AdmissionReview.
pub(in crate::cli) fn from_review(text: &[u8], time: Timestamp) -> Result<Case, EnvelopeError> {
    let request = parse_review(text)?;
    let mut malformed = None;
    let mut read = |text: Option<&[u8]>| -> Option<Value<'static>> {
        canonical::parse(text?).map(Value::into_owned).map_err(|error| malformed = Some(error.to_string())).ok()
    };
    let object = read(request.object_text());
    let old_object = read(request.old_object_text());
    let options = read(request.options.map(|options| options.get().as_bytes()));
    Ok(Case { object, old_object, namespace: None, options, malformed, time, request: detach(request) })
}

/// The request without its raw objects, on its own.
fn detach(request: Request<'_>) -> Request<'static> {
    let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
    Request {
        uid: own(request.uid),
        kind: request.kind,
        resource: request.resource,
        sub_resource: own(request.sub_resource),
        request_kind: request.request_kind,
        request_resource: request.request_resource,
        request_sub_resource: own(request.request_sub_resource),
        name: own(request.name),
        namespace: own(request.namespace),
        operation: request.operation,
        user_info: request.user_info,
        object: None,
        old_object: None,
        dry_run: request.dry_run,
        options: None,
    }
}
