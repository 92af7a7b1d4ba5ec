use std::collections::BTreeMap;

use crate::{
    admission::{Answer, Denial, Request},
    api::Reason,
};

/// The longest text of one value or name in an answer, in characters.
const MAX_SHOWN: usize = 128;

/// A request is refused: why, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason code.
    pub reason: Reason,
    /// The reason word of the policy's author, where a rule decided.
    pub rule_reason: Option<String>,
    /// What happened and what to do next; cleaned when it is shown.
    pub message: String,
    /// Further causes, as (reason, message).
    pub causes: Vec<(String, String)>,
}

impl Refusal {
    /// A refusal for one of Writ's own reasons.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, rule_reason: None, message: message.into(), causes: Vec::new() }
    }

    /// The word that programs test: the author's or Writ's own.
    #[must_use]
    pub fn word(&self) -> &str {
        self.rule_reason.as_deref().unwrap_or(self.reason.as_str())
    }

    /// The answer to the API server.
    #[must_use]
    pub fn into_answer(
        self,
        request: &Request<'_>,
        decision: &str,
        audit_annotations: BTreeMap<&'static str, String>,
        warnings: Vec<String>,
    ) -> Answer {
        let retry_after_seconds = self.reason.is_retryable().then_some(1);
        let message = clean(&self.message, 4096);
        let word = self.reason.as_str();
        let named = self.rule_reason.is_some() || message.contains(word);
        let message = if named { message } else { format!("{word}: {message}") };
        let message = format!("{message} [decision {decision}]");
        let causes = self
            .causes
            .into_iter()
            .map(|(reason, message)| (clean(&reason, MAX_SHOWN), clean(&message, 1024)))
            .collect();
        let name = clean(&request.name, 253);
        Answer::Deny(Box::new(Denial {
            reason: self.reason,
            rule_reason: self.rule_reason,
            message,
            causes,
            retry_after_seconds,
            target: (request.resource.group.clone(), request.resource.resource.clone(), name),
            audit_annotations,
            warnings,
        }))
    }
}

/// A text that is safe to show on a terminal and in a log: control characters and those that change the direction of
/// text become U+FFFD, and what is longer than `limit` characters is cut with `…`.
#[must_use]
pub fn clean(text: &str, limit: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(limit * 4));
    for (count, character) in text.chars().enumerate() {
        if count == limit {
            shown.push('…');
            break;
        }
        shown.push(if is_unsafe(character) { '\u{fffd}' } else { character });
    }
    shown
}

fn is_unsafe(character: char) -> bool {
    // C0, C1, line and paragraph separators, bidirectional marks, embeddings, overrides and isolates, tags.
    matches!(character, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_text_cannot_inject() {
        for (text, shown) in [
            ("plain é", "plain é"),
            ("a\r\nb", "a\u{fffd}\u{fffd}b"),
            ("\u{1b}[31m", "\u{fffd}[31m"),
            ("\u{202e}gnp", "\u{fffd}gnp"),
            ("\u{2066}x\u{2069}\u{200b}\u{85}", "\u{fffd}x\u{fffd}\u{fffd}\u{fffd}"),
            ("0123456789", "01234567…"),
        ] {
            assert_eq!(clean(text, 8), shown, "{text:?}");
        }
    }
}
