//! The outcome as JUnit XML, as continuous integration systems read it.

use super::TestResult;

/// A case by its name, with its failures.
type Case<'r> = (&'r str, Vec<String>);

/// One suite for each file, and one for the digests.
pub(super) fn write(result: &TestResult) -> String {
    let mut files: Vec<(&str, Vec<Case<'_>>)> = Vec::new();
    for case in &result.cases {
        let entry = (case.name.as_str(), case.failures.clone());
        match files.last_mut().filter(|(file, _)| *file == case.file) {
            Some((_, cases)) => cases.push(entry),
            None => files.push((&case.file, vec![entry])),
        }
    }
    let digests = result.digests.iter().map(|digest| (digest.policy(), digest.failure().into_iter().collect()));
    files.push(("published versions", digests.collect()));
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"writ test\">\n".to_owned();
    for (file, cases) in files {
        suite(&mut xml, file, &cases);
    }
    xml + "</testsuites>\n"
}

fn suite(xml: &mut String, file: &str, cases: &[Case<'_>]) {
    let failed = cases.iter().filter(|(_, failures)| !failures.is_empty()).count();
    let file = escape(file);
    xml.push_str(&format!("  <testsuite name=\"{file}\" tests=\"{}\" failures=\"{failed}\">\n", cases.len()));
    for (name, failures) in cases {
        let name = escape(name);
        if failures.is_empty() {
            xml.push_str(&format!("    <testcase classname=\"{file}\" name=\"{name}\"/>\n"));
            continue;
        }
        xml.push_str(&format!("    <testcase classname=\"{file}\" name=\"{name}\">\n"));
        for failure in failures {
            xml.push_str(&format!("      <failure message=\"{}\"/>\n", escape(failure)));
        }
        xml.push_str("    </testcase>\n");
    }
    xml.push_str("  </testsuite>\n");
}

/// Text as the value of an attribute (XML 1.0 section 2.4); what XML cannot have at all becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            other if other.is_control() || matches!(other, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_breaks_the_xml() {
        for (text, escaped) in [
            ("a \"b\" <c> & d", "a &quot;b&quot; &lt;c&gt; &amp; d"),
            ("two\nlines", "two&#10;lines"),
            ("\u{1b}[31m\0", "\u{fffd}[31m\u{fffd}"),
            ("Größe", "Größe"),
        ] {
            assert_eq!(escape(text), escaped);
        }
    }
}
