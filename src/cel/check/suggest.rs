//! What a misspelt name was meant to be.

use std::fmt;

/// The longest name that is compared with others, in bytes: comparing takes time in the product of both lengths.
const LONGEST: usize = 64;

/// The shortest start of a name that stands for the whole, in bytes.
const SHORTEST_START: usize = 3;

/// The known name that is nearest to a wrong one, where one is near.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suggestion(Option<String>);

impl Suggestion {
    /// The nearest of `known` to `wrong`: the same but for upper and lower case, one that starts with it, or one that
    /// takes few letters to be put right. Of several as near it is the first in order.
    pub(in crate::cel) fn among<'n>(wrong: &str, known: impl IntoIterator<Item = &'n str>) -> Self {
        if wrong.len() > LONGEST {
            return Self(None);
        }
        let tolerated = (wrong.chars().count() / 3).clamp(1, 3);
        let nearest = known
            .into_iter()
            .filter(|name| name.len() <= LONGEST && *name != wrong)
            .map(|name| {
                let distance = match name {
                    name if name.eq_ignore_ascii_case(wrong) => 0,
                    name if wrong.len() >= SHORTEST_START && name.starts_with(wrong) => 1,
                    name => strsim::osa_distance(wrong, name),
                };
                (distance, name)
            })
            .filter(|(distance, name)| *distance <= tolerated && *distance < name.chars().count())
            .min();
        Self(nearest.map(|(_, name)| name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// The end of a message: empty where nothing is near.
impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(name) => write!(f, ": did you mean `{name}`?"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_suggested() {
        let known = ["object", "oldObject", "request", "params", "x"];
        for (wrong, wanted) in [
            ("objct", Some("object")),
            ("obejct", Some("object")),
            ("Object", Some("object")),
            ("oldobject", Some("oldObject")),
            ("param", Some("params")),
            ("req", Some("request")),
            ("namespace", None),
            ("y", None),
            ("", None),
            (&"object".repeat(100), None),
        ] {
            assert_eq!(Suggestion::among(wrong, known).name(), wanted, "{wrong}");
        }
    }
}
