//! Named formats (`kubernetes.format`): what a text must look like, and what is wrong with it.
//!
//! The complaints are values that a policy may show, so they are the API server's word for word: those of
//! `k8s.io/apimachinery/pkg/util/validation`, of `k8s.io/kube-openapi/pkg/validation/strfmt` and of Go's `net/url`.

mod names;
mod texts;

use super::{
    super::{
        error::EvaluationErrorKind,
        fuel::Fuel,
        types::Type,
        value::{Foreign, Opaque, Value},
    },
    Cost, Declarations, Size, no_such_overload, url,
};

type Outcome<'a> = Result<Value<'a>, EvaluationErrorKind>;

/// The name of the type.
const NAME: &str = "kubernetes.NamedFormat";

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) enum NamedFormat {
    Dns1123Label,
    Dns1123Subdomain,
    Dns1035Label,
    QualifiedName,
    Dns1123LabelPrefix,
    Dns1123SubdomainPrefix,
    Dns1035LabelPrefix,
    LabelValue,
    Uri,
    Uuid,
    Byte,
    Date,
    DateTime,
}

/// Every format with the function that gives it.
const FORMATS: [(&str, NamedFormat, super::Apply); 13] = [
    ("format.dns1123Label", NamedFormat::Dns1123Label, |_, _| Ok(Value::opaque(NamedFormat::Dns1123Label))),
    ("format.dns1123Subdomain", NamedFormat::Dns1123Subdomain, |_, _| Ok(Value::opaque(NamedFormat::Dns1123Subdomain))),
    ("format.dns1035Label", NamedFormat::Dns1035Label, |_, _| Ok(Value::opaque(NamedFormat::Dns1035Label))),
    ("format.qualifiedName", NamedFormat::QualifiedName, |_, _| Ok(Value::opaque(NamedFormat::QualifiedName))),
    ("format.dns1123LabelPrefix", NamedFormat::Dns1123LabelPrefix, |_, _| {
        Ok(Value::opaque(NamedFormat::Dns1123LabelPrefix))
    }),
    ("format.dns1123SubdomainPrefix", NamedFormat::Dns1123SubdomainPrefix, |_, _| {
        Ok(Value::opaque(NamedFormat::Dns1123SubdomainPrefix))
    }),
    ("format.dns1035LabelPrefix", NamedFormat::Dns1035LabelPrefix, |_, _| {
        Ok(Value::opaque(NamedFormat::Dns1035LabelPrefix))
    }),
    ("format.labelValue", NamedFormat::LabelValue, |_, _| Ok(Value::opaque(NamedFormat::LabelValue))),
    ("format.uri", NamedFormat::Uri, |_, _| Ok(Value::opaque(NamedFormat::Uri))),
    ("format.uuid", NamedFormat::Uuid, |_, _| Ok(Value::opaque(NamedFormat::Uuid))),
    ("format.byte", NamedFormat::Byte, |_, _| Ok(Value::opaque(NamedFormat::Byte))),
    ("format.date", NamedFormat::Date, |_, _| Ok(Value::opaque(NamedFormat::Date))),
    ("format.datetime", NamedFormat::DateTime, |_, _| Ok(Value::opaque(NamedFormat::DateTime))),
];

pub(super) fn declare(into: &mut Declarations) {
    let format = Type::Opaque(NAME);
    into.function("format.named")
        .about("The format of that name, where there is one.")
        .example("format.named('uuid')", "optional.of(format.uuid())")
        .example("format.named('email')", "optional.none()")
        .global([Type::String], Type::optional(format.clone()), Cost::Unit, named);
    into.function("validate")
        .about("What is wrong with a text by a format; nothing where it is right.")
        .example("format.dns1123Label().validate('web-1').hasValue()", "false")
        .example("format.dns1123Label().validate('web.1').value()", "['must not contain dots']")
        .sized(Size::Complaints)
        .method([format.clone(), Type::String], Type::optional(Type::list(Type::String)), Cost::Validate, validate);
    for (name, of, apply) in FORMATS {
        let [valid, invalid] = of.examples();
        into.function(name).about(of.about()).example(valid, "true").example(invalid, "false").global(
            [],
            format.clone(),
            Cost::Unit,
            apply,
        );
    }
}

impl NamedFormat {
    /// What is wrong with the text; nothing where it has the format.
    fn complaints(self, text: &str) -> Vec<String> {
        let unless = |valid: bool, complaint: &str| if valid { Vec::new() } else { vec![complaint.to_owned()] };
        match self {
            Self::Dns1123Label => names::dns1123_label(text.as_bytes()),
            Self::Dns1123Subdomain => names::dns1123_subdomain(text.as_bytes()),
            Self::Dns1035Label => names::dns1035_label(text.as_bytes()),
            Self::QualifiedName => names::qualified_name(text),
            Self::Dns1123LabelPrefix => names::dns1123_label(&names::without_last_dash(text)),
            Self::Dns1123SubdomainPrefix => names::dns1123_subdomain(&names::without_last_dash(text)),
            Self::Dns1035LabelPrefix => names::dns1035_label(&names::without_last_dash(text)),
            Self::LabelValue => names::label_value(text.as_bytes()),
            Self::Uri => url::complaint(text).into_iter().collect(),
            Self::Uuid => unless(texts::is_uuid(text), "does not match the UUID format"),
            Self::Byte => unless(texts::is_base64(text), "invalid base64"),
            Self::Date => unless(texts::is_date(text), "invalid date"),
            Self::DateTime => unless(texts::is_datetime(text), "invalid datetime"),
        }
    }

    /// The size of the pattern that stands for the work of a check, as Kubernetes estimates it.
    pub(in crate::cel) fn pattern_size(self) -> u64 {
        match self {
            Self::Dns1123Label | Self::Dns1123LabelPrefix | Self::Dns1035Label | Self::Dns1035LabelPrefix => 30,
            Self::Dns1123Subdomain | Self::Dns1123SubdomainPrefix | Self::QualifiedName => 60,
            Self::LabelValue => 40,
            Self::Uri => LARGEST_PATTERN,
            Self::Uuid => 70,
            Self::Byte => 84,
            Self::Date | Self::DateTime => 71,
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Dns1123Label => "The format of a DNS label: the name of a namespace.",
            Self::Dns1123Subdomain => "The format of a DNS subdomain: the name of most objects.",
            Self::Dns1035Label => "The format of a DNS label that starts with a letter: the name of a service.",
            Self::QualifiedName => "The format of a key of labels and annotations.",
            Self::Dns1123LabelPrefix => "As `format.dns1123Label`, for the start of a name: it may end with a dash.",
            Self::Dns1123SubdomainPrefix => {
                "As `format.dns1123Subdomain`, for the start of a name: it may end with a dash."
            }
            Self::Dns1035LabelPrefix => "As `format.dns1035Label`, for the start of a name: it may end with a dash.",
            Self::LabelValue => "The format of the value of a label.",
            Self::Uri => "The format of an absolute URI or an absolute path.",
            Self::Uuid => "The format of a UUID, with or without dashes.",
            Self::Byte => "The format of base64 with padding; an empty text is none.",
            Self::Date => "The format of a date: 2026-01-31.",
            Self::DateTime => "The format of a date with a time and an offset.",
        }
    }

    /// An expression that is true and one that is false.
    fn examples(self) -> [&'static str; 2] {
        match self {
            Self::Dns1123Label => {
                ["!format.dns1123Label().validate('1-a').hasValue()", "!format.dns1123Label().validate('A').hasValue()"]
            }
            Self::Dns1123Subdomain => [
                "!format.dns1123Subdomain().validate('a.b').hasValue()",
                "!format.dns1123Subdomain().validate('a..b').hasValue()",
            ],
            Self::Dns1035Label => [
                "!format.dns1035Label().validate('a-1').hasValue()",
                "!format.dns1035Label().validate('1-a').hasValue()",
            ],
            Self::QualifiedName => [
                "!format.qualifiedName().validate('example.com/Name').hasValue()",
                "!format.qualifiedName().validate('a/b/c').hasValue()",
            ],
            Self::Dns1123LabelPrefix => [
                "!format.dns1123LabelPrefix().validate('web-').hasValue()",
                "!format.dns1123LabelPrefix().validate('-web').hasValue()",
            ],
            Self::Dns1123SubdomainPrefix => [
                "!format.dns1123SubdomainPrefix().validate('a.b-').hasValue()",
                "!format.dns1123SubdomainPrefix().validate('a.b.').hasValue()",
            ],
            Self::Dns1035LabelPrefix => [
                "!format.dns1035LabelPrefix().validate('web-').hasValue()",
                "!format.dns1035LabelPrefix().validate('1a-').hasValue()",
            ],
            Self::LabelValue => {
                ["!format.labelValue().validate('').hasValue()", "!format.labelValue().validate('-').hasValue()"]
            }
            Self::Uri => [
                "!format.uri().validate('https://example.com/a?b').hasValue()",
                "!format.uri().validate('example.com').hasValue()",
            ],
            Self::Uuid => [
                "!format.uuid().validate('0188c0d2-5a1b-7f3e-9d21-6a0f52c7e5b4').hasValue()",
                "!format.uuid().validate('0188c0d2').hasValue()",
            ],
            Self::Byte => {
                ["!format.byte().validate('aGVsbG8=').hasValue()", "!format.byte().validate('aGVsbG8').hasValue()"]
            }
            Self::Date => {
                ["!format.date().validate('2024-02-29').hasValue()", "!format.date().validate('2023-02-29').hasValue()"]
            }
            Self::DateTime => [
                "!format.datetime().validate('2026-01-31T12:00:00Z').hasValue()",
                "!format.datetime().validate('2026-01-31 12:00').hasValue()",
            ],
        }
    }
}

/// The size of the largest pattern: that of a URI.
pub(in crate::cel) const LARGEST_PATTERN: u64 = 1_103;

impl Foreign for NamedFormat {
    fn type_name(&self) -> &'static str {
        NAME
    }

    fn literal(&self) -> String {
        let name = FORMATS.iter().find(|(_, format, _)| format == self).map(|(name, ..)| *name);
        format!("{}()", name.unwrap_or_default())
    }

    fn equals(&self, other: &Opaque) -> bool {
        other.get() == Some(self)
    }
}

fn named<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(name)] = arguments else { return Err(no_such_overload("format.named", arguments)) };
    let known = FORMATS.iter().find(|(function, ..)| function.strip_prefix("format.") == Some(&**name));
    known.map_or(Ok(Value::Optional(None)), |(_, format, _)| Value::present(Value::opaque(*format)))
}

fn validate<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [format, Value::String(text)] = arguments else { return Err(no_such_overload("validate", arguments)) };
    let format: &NamedFormat = format.as_opaque().ok_or_else(|| no_such_overload("validate", arguments))?;
    fuel.scan(text.len())?;
    // A complaint about a URI quotes it, at most three times; each byte may become four.
    fuel.copy(text.len().saturating_mul(if *format == NamedFormat::Uri { 12 } else { 1 }))?;
    let complaints = format.complaints(text);
    if complaints.is_empty() {
        return Ok(Value::Optional(None));
    }
    fuel.elements(complaints.len())?;
    Value::present(Value::list(complaints.into_iter().map(Value::from).collect())?)
}
