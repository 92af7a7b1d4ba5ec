//! Names of objects and labels, by the rules of apimachinery.
//!
//! Two generations of its messages live side by side: names count characters, labels count bytes. Both mean bytes.

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const SERVICE: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const KEY: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

const LABEL_RULE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and \
                          must start and end with an alphanumeric character";
const SUBDOMAIN_RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' \
                              or '.', and must start and end with an alphanumeric character";
const SERVICE_RULE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
                            alphabetic character, and end with an alphanumeric character";
const KEY_RULE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                        alphanumeric character";
const VALUE_RULE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
                          '.', and must start and end with an alphanumeric character";

/// The longest label of a name, and the longest key or value of a label.
const MAX_LABEL: usize = 63;
const MAX_SUBDOMAIN: usize = 253;

/// A rule with examples and the pattern that checks it.
fn rule(text: &str, examples: &[&str], pattern: &str) -> String {
    let examples: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{text} (e.g. {}regex used for validation is '{pattern}')", examples.join(" or "))
}

/// Lower case letters and digits, dashes within.
fn is_label(text: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.first().is_some_and(plain) && text.last().is_some_and(plain) && text.iter().all(|b| plain(b) || *b == b'-')
}

fn is_subdomain(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'.').all(is_label)
}

/// Letters and digits; dashes, underscores and dots within.
fn is_key(text: &[u8]) -> bool {
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    ends(text.first())
        && ends(text.last())
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

fn too_long(text: &[u8], limit: usize, unit: &str) -> Option<String> {
    (text.len() > limit).then(|| format!("must be no more than {limit} {unit}"))
}

pub(super) fn dns1123_label(text: &[u8]) -> Vec<String> {
    let form = if is_label(text) {
        None
    } else if is_subdomain(text) {
        Some("must not contain dots".to_owned())
    } else {
        Some(rule(LABEL_RULE, &["my-name", "123-abc"], LABEL))
    };
    too_long(text, MAX_LABEL, "characters").into_iter().chain(form).collect()
}

pub(super) fn dns1123_subdomain(text: &[u8]) -> Vec<String> {
    let form = (!is_subdomain(text)).then(|| rule(SUBDOMAIN_RULE, &["example.com"], SUBDOMAIN));
    too_long(text, MAX_SUBDOMAIN, "characters").into_iter().chain(form).collect()
}

pub(super) fn dns1035_label(text: &[u8]) -> Vec<String> {
    let valid = is_label(text) && text.first().is_some_and(u8::is_ascii_lowercase);
    let form = (!valid).then(|| rule(SERVICE_RULE, &["my-name", "abc-123"], SERVICE));
    too_long(text, MAX_LABEL, "characters").into_iter().chain(form).collect()
}

pub(super) fn label_value(text: &[u8]) -> Vec<String> {
    let valid = text.is_empty() || is_key(text);
    let pattern = format!("({KEY})?");
    let form = (!valid).then(|| rule(VALUE_RULE, &["MyValue", "my_value", "12345"], &pattern));
    too_long(text, MAX_LABEL, "bytes").into_iter().chain(form).collect()
}

pub(super) fn qualified_name(text: &str) -> Vec<String> {
    let key = || rule(KEY_RULE, &["MyName", "my.name", "123-abc"], KEY);
    let parts: Vec<&str> = text.splitn(3, '/').collect();
    let (prefix, name) = match parts.as_slice() {
        [name] => (None, name.as_bytes()),
        [prefix, name] => (Some(prefix.as_bytes()), name.as_bytes()),
        _ => {
            let and = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a valid label key {} {and}", key())];
        }
    };
    let mut complaints = Vec::new();
    match prefix {
        Some([]) => complaints.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => {
            let form = (!is_subdomain(prefix)).then(|| rule(SUBDOMAIN_RULE, &["example.com"], SUBDOMAIN));
            let all = too_long(prefix, MAX_SUBDOMAIN, "bytes").into_iter().chain(form);
            complaints.extend(all.map(|complaint| format!("prefix part {complaint}")));
        }
        None => {}
    }
    if name.is_empty() {
        complaints.push("name part must be non-empty".to_owned());
    }
    let form = (!is_key(name)).then(key);
    let all = too_long(name, MAX_LABEL, "bytes").into_iter().chain(form);
    complaints.extend(all.map(|complaint| format!("name part {complaint}")));
    complaints
}

/// The start of a name, with a dash at its end taken for a letter. As in apimachinery that letter stands for the byte
/// before the dash, too.
pub(super) fn without_last_dash(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    if bytes.len() > 1 && bytes.ends_with(b"-") {
        bytes.truncate(bytes.len() - 2);
        bytes.push(b'a');
    }
    bytes
}
