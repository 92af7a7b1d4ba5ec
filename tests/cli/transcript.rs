/// A parsed transcript.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    /// What stands before the first part.
    intro: String,
    /// Whether the program must be able to ask a cluster.
    pub(crate) needs_cluster: bool,
    /// Whether the attested objects are to be made first.
    pub(crate) needs_attested: bool,
    /// The files, by name.
    pub(crate) files: Vec<(String, String)>,
    /// The runs, in order.
    pub(crate) runs: Vec<Run>,
}

/// One run of the program.
#[derive(Debug, Default)]
pub(crate) struct Run {
    line: String,
    /// The arguments, the program first.
    pub(crate) arguments: Vec<String>,
    pub(crate) stdin: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) exit: i32,
    /// Files that must be there afterwards.
    pub(crate) left: Vec<(String, String)>,
    /// Files that are written before this run.
    pub(crate) files: Vec<(String, String)>,
}

impl Transcript {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut transcript = Self::default();
        let mut parts: Vec<(&str, String)> = Vec::new();
        for line in text.lines() {
            match (line.strip_prefix("--- "), parts.last_mut()) {
                (Some(head), _) => parts.push((head, String::new())),
                (None, Some((_, body))) => *body += &format!("{line}\n"),
                (None, None) => transcript.intro += &format!("{line}\n"),
            }
        }
        let mut pending = Vec::new();
        for (head, body) in parts {
            let (word, rest) = head.split_once(' ').unwrap_or((head, ""));
            let run = transcript.runs.last_mut();
            match (word, run) {
                ("needs", _) if rest == "cluster" => transcript.needs_cluster = true,
                ("needs", _) if rest == "attested" => transcript.needs_attested = true,
                ("file", _) => pending.push((rest.to_owned(), body)),
                ("run", _) => {
                    let files = std::mem::take(&mut pending);
                    transcript.runs.push(Run {
                        line: rest.to_owned(),
                        arguments: words(rest)?,
                        files,
                        ..Run::default()
                    });
                }
                ("stdin", Some(run)) => run.stdin = body,
                ("stdout", Some(run)) => run.stdout = body,
                ("stderr", Some(run)) => run.stderr = body,
                ("exit", Some(run)) => run.exit = rest.parse().map_err(|_| format!("`{head}` names no exit code"))?,
                ("left", Some(run)) => run.left.push((rest.to_owned(), body)),
                _ => return Err(format!("`--- {head}` is no part of a transcript")),
            }
        }
        transcript.files = pending;
        if transcript.files.is_empty() { Ok(transcript) } else { Err("a file after the last run".to_owned()) }
    }

    pub(crate) fn to_text(&self) -> String {
        let mut text = self.intro.clone();
        for (needs, word) in [(self.needs_cluster, "cluster"), (self.needs_attested, "attested")] {
            if needs {
                text += &format!("--- needs {word}\n");
            }
        }
        for run in &self.runs {
            for (name, body) in &run.files {
                text += &format!("--- file {name}\n{body}");
            }
            text += &format!("--- run {}\n", run.line);
            for (word, body) in [("stdin", &run.stdin), ("stdout", &run.stdout), ("stderr", &run.stderr)] {
                if !body.is_empty() {
                    text += &format!("--- {word}\n{body}");
                }
            }
            if run.exit != 0 {
                text += &format!("--- exit {}\n", run.exit);
            }
            for (name, body) in &run.left {
                text += &format!("--- left {name}\n{body}");
            }
        }
        text
    }
}

/// Words as a shell takes them, without variables: single quotes, double quotes, backslash.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' => words.extend(word.take()),
            quote @ ('\'' | '"') => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        None => return Err(format!("a quote does not end: {line}")),
                        Some(end) if end == quote => break,
                        Some('\\') if quote == '"' => word.extend(characters.next()),
                        Some(other) => word.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(characters.next()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Whether `found` is what was expected; `[..]` in a line of the latter stands for anything, a line `[...]` for any
/// lines.
pub(crate) fn matches(expected: &str, found: &str) -> bool {
    let (expected, found): (Vec<_>, Vec<_>) = (expected.split('\n').collect(), found.split('\n').collect());
    lines_match(&expected, &found)
}

fn lines_match(expected: &[&str], found: &[&str]) -> bool {
    match expected.split_first() {
        None => found.is_empty(),
        Some((&"[...]", rest)) => (0..=found.len()).any(|skipped| lines_match(rest, &found[skipped..])),
        Some((first, rest)) => {
            found.split_first().is_some_and(|(line, left)| line_matches(first, line) && lines_match(rest, left))
        }
    }
}

fn line_matches(expected: &str, found: &str) -> bool {
    let Some((first, rest)) = expected.split_once("[..]") else { return expected == found };
    let Some(mut left) = found.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split("[..]").collect();
    let last = parts.pop().unwrap();
    for part in parts {
        match left.split_once(part) {
            Some((_, after)) => left = after,
            None => return false,
        }
    }
    left.ends_with(last)
}

#[test]
fn lines_with_gaps_match() {
    for (expected, found, matching) in [
        ("a", "a", true),
        ("a[..]", "abc", true),
        ("a[..]c", "abc", true),
        ("[..]b[..]", "abc", true),
        ("[..]x[..]", "abc", false),
        ("a[..]d", "abc", false),
        ("a", "a\n", false),
        ("a\n[...]\nd", "a\nb\nc\nd", true),
        ("a\n[...]\nd", "a\nd", true),
        ("a\n[...]\nd", "a\nb\nc", false),
    ] {
        assert_eq!(matches(expected, found), matching, "{expected} {found}");
    }
}
