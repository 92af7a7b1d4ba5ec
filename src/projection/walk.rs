use std::io::Write;

use super::{
    ProjectionId,
    table::{Condition, Exclusion, Owned},
};
use crate::canonical::{self, Number, Object, Value};

/// How many differences are named before the rest is left out.
const MAX_DIFFERENCES: usize = 16;

pub(super) struct Walk<'p> {
    pub(super) exclusions: &'p [&'static Exclusion],
    pub(super) own_key: &'p str,
    pub(super) id: ProjectionId,
    pub(super) creating: bool,
}

/// What becomes of the value at one path.
enum Fate {
    Keep,
    Drop,
    DropElement(&'static str),
}

impl Walk<'_> {
    /// Writes the canonical bytes of the value at `path` without what is left out; `false` where nothing remains.
    ///
    /// Recursion is bounded by the depth of the longest excluded path, not by the object.
    pub(super) fn write(&self, path: &[&str], value: &Value<'_>, root: &Value<'_>, out: &mut impl Write) -> bool {
        match self.fate(path, root) {
            Fate::Drop => return false,
            Fate::DropElement(element) => {
                let kept = without(value, element);
                let _ = canonical::encode_to(&kept, out);
                return kept != Value::Null;
            }
            Fate::Keep => {}
        }
        if !self.reaches_below(path) {
            // INVARIANT: hashing cannot fail.
            let _ = canonical::encode_to(value, out);
            return true;
        }
        match value {
            Value::Object(object) => self.write_object(path, object, root, out),
            Value::Array(items) => {
                let _ = out.write_all(b"[");
                for (index, item) in items.iter().enumerate() {
                    let _ = out.write_all(if index > 0 { b"," } else { b"" });
                    // An element of which nothing remains keeps its place.
                    if !self.write(&join(path, "[]"), item, root, out) {
                        let _ = out.write_all(b"null");
                    }
                }
                let _ = out.write_all(b"]");
                true
            }
            other => {
                let _ = canonical::encode_to(other, out);
                true
            }
        }
    }

    fn write_object(&self, path: &[&str], object: &Object<'_>, root: &Value<'_>, out: &mut impl Write) -> bool {
        let mut any = false;
        let mut buffer = Vec::new();
        for (key, value) in object.iter() {
            buffer.clear();
            if self.write(&join(path, key), value, root, &mut buffer) {
                let _ = out.write_all(if any { b"," } else { b"{" });
                let _ = canonical::encode_string(key, out);
                let _ = out.write_all(b":");
                let _ = out.write_all(&buffer);
                any = true;
            }
        }
        // A map that only held what is left out is the same as no map: the server drops empty ones.
        if any || !object.is_empty() && path == ["metadata"] {
            let _ = out.write_all(if any { b"}" } else { b"{}" });
            return true;
        }
        false
    }

    fn fate(&self, path: &[&str], root: &Value<'_>) -> Fate {
        if let ["metadata", "annotations", key] = path
            && *key == self.own_key
        {
            return Fate::Drop;
        }
        let of_path = self.exclusions.iter().filter(|exclusion| exclusion.path == path);
        for exclusion in of_path.filter(|exclusion| holds(exclusion, root, self.creating)) {
            match exclusion.owned {
                Owned::Always => return Fate::Drop,
                Owned::Element(element) => return Fate::DropElement(element),
                Owned::WhenAbsent { bit, unless } => {
                    let chosen =
                        unless.is_some_and(|word| root.at(exclusion.path).and_then(Value::as_str) == Some(word));
                    if self.id.absent & (1 << bit) != 0 && !chosen {
                        return Fate::Drop;
                    }
                }
                // Taken away before.
                Owned::Derived => {}
            }
        }
        Fate::Keep
    }

    fn reaches_below(&self, path: &[&str]) -> bool {
        let longer = |exclusion: &&&Exclusion| exclusion.path.len() > path.len() && exclusion.path.starts_with(path);
        matches!(path, ["metadata"] | ["metadata", "annotations"]) || self.exclusions.iter().any(|e| longer(&e))
    }

    /// JSON pointers to what differs.
    pub(super) fn differences(&self, attested: &Value<'_>, found: &Value<'_>) -> Vec<String> {
        let mut pointers = Vec::new();
        self.compare(&mut Vec::new(), (attested, attested), (found, found), &mut pointers);
        pointers
    }

    /// Recursion is bounded by the depth of the values, which the parser bounds. Each side is (value, its root).
    fn compare(
        &self,
        path: &mut Vec<String>,
        (attested, attested_root): (&Value<'_>, &Value<'_>),
        (found, found_root): (&Value<'_>, &Value<'_>),
        pointers: &mut Vec<String>,
    ) {
        if attested == found || pointers.len() >= MAX_DIFFERENCES {
            return;
        }
        match (attested, found) {
            (Value::Object(a), Value::Object(b)) => {
                let mut keys: Vec<&str> = a.iter().chain(b.iter()).map(|(key, _)| key).collect();
                keys.sort_unstable();
                keys.dedup();
                for key in keys {
                    path.push(key.to_owned());
                    let a = a.member(key).unwrap_or(&Value::Null);
                    let b = b.member(key).unwrap_or(&Value::Null);
                    match self.fate_at(path, found_root) {
                        Fate::Drop => {}
                        Fate::Keep => self.compare(path, (a, attested_root), (b, found_root), pointers),
                        Fate::DropElement(element) => {
                            let (a, b) = (without(a, element), without(b, element));
                            self.compare(path, (&a, attested_root), (&b, found_root), pointers);
                        }
                    }
                    path.pop();
                }
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                for (index, (a, b)) in a.iter().zip(b).enumerate() {
                    path.push(index.to_string());
                    self.compare(path, (a, attested_root), (b, found_root), pointers);
                    path.pop();
                }
            }
            _ => pointers.push(pointer(path)),
        }
    }

    /// The fate of a path in which elements stand by their index.
    fn fate_at(&self, path: &[String], root: &Value<'_>) -> Fate {
        if let [top] = path
            && top == "status"
            && self.id.status_owned
        {
            return Fate::Drop;
        }
        let index = |key: &str| key.bytes().all(|byte| byte.is_ascii_digit());
        let pattern: Vec<&str> = path.iter().map(|key| if index(key) { "[]" } else { key.as_str() }).collect();
        self.fate(&pattern, root)
    }
}

fn pointer(path: &[String]) -> String {
    path.iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect()
}

fn join<'k>(path: &[&'k str], key: &'k str) -> Vec<&'k str> {
    let mut joined = Vec::with_capacity(path.len() + 1);
    joined.extend_from_slice(path);
    joined.push(key);
    joined
}

/// The list without one element; null where nothing else is in it.
fn without<'a>(value: &Value<'a>, element: &str) -> Value<'a> {
    let kept: Vec<_> =
        value.as_array().into_iter().flatten().filter(|item| item.as_str() != Some(element)).cloned().collect();
    if kept.is_empty() { Value::Null } else { Value::Array(kept) }
}

/// Whether the conditions of an exclusion hold of an object that is created or changed.
pub(super) fn holds(exclusion: &Exclusion, root: &Value<'_>, creating: bool) -> bool {
    exclusion.only.iter().all(|condition| match condition {
        Condition::Changing => !creating,
        Condition::Is(path, words) => root.at(path).and_then(Value::as_str).is_some_and(|text| words.contains(&text)),
        Condition::Present(path) => !is_absent(root, path),
        Condition::Absent(path) => is_absent(root, path),
    })
}

/// Whether a request leaves the field at `path` to the server: it is missing, null, empty or zero; for a field of
/// list elements, in any of them.
pub(super) fn is_absent(value: &Value<'_>, path: &[&str]) -> bool {
    match path.split_first() {
        None => match value {
            Value::Null | Value::Number(Number::Int(0)) => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(object) => object.is_empty(),
            _ => false,
        },
        Some((&"[]", rest)) => value.as_array().is_some_and(|items| items.iter().any(|item| is_absent(item, rest))),
        Some((key, rest)) => value.member(key).is_none_or(|member| is_absent(member, rest)),
    }
}
