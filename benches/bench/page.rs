use std::fmt::Write as _;

/// What was measured, as a page of Markdown.
#[derive(Default)]
pub(crate) struct Page {
    sections: Vec<Section>,
}

/// One table with what it is about.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) about: String,
    pub(crate) columns: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) aims: Vec<Aim>,
    /// Every round: what, and its numbers.
    pub(crate) raw: Vec<(String, Vec<f64>)>,
}

/// What a number shall be.
pub(crate) struct Aim {
    pub(crate) what: &'static str,
    pub(crate) at_most: f64,
    pub(crate) seen: f64,
}

impl Aim {
    fn holds(&self) -> bool {
        self.seen <= self.at_most
    }
}

impl Page {
    pub(crate) fn add(&mut self, section: Section) {
        eprintln!("{}", section.render());
        self.sections.push(section);
    }

    /// How many aims hold, and which do not.
    pub(crate) fn verdict(&self) -> String {
        let aims: Vec<_> = self.sections.iter().flat_map(|section| &section.aims).collect();
        let missed: Vec<_> = aims.iter().filter(|aim| !aim.holds()).map(|aim| aim.what).collect();
        if missed.is_empty() {
            format!("all {} aims hold", aims.len())
        } else {
            format!("{} of {} aims are missed: {}", missed.len(), aims.len(), missed.join("; "))
        }
    }

    pub(crate) fn render(&self, rounds: usize) -> String {
        let mut text = format!(
            "# Benchmarks\n\n`make bench` wrote this page. Every case ran {rounds} times, the cases of a table in turn, so that what else the \
             machine did fell on all of them: compare within a table, never across pages. Numbers are medians over the \
             rounds; the rounds themselves are below each table. Client, API server, etcd and webhooks share the \
             machine's cores ({} of them).\n\nIn short: {}.\n",
            std::thread::available_parallelism().map_or(0, usize::from),
            self.verdict()
        );
        for section in &self.sections {
            let _ = write!(text, "\n{}", section.render());
        }
        text
    }
}

impl Section {
    fn render(&self) -> String {
        let mut text = format!("## {}\n\n{}\n\n", self.title, self.about);
        let _ = writeln!(text, "| {} |", self.columns.join(" | "));
        let _ = writeln!(text, "|{}", "---|".repeat(self.columns.len()));
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        if !self.aims.is_empty() {
            text.push('\n');
        }
        for aim in &self.aims {
            let verdict = if aim.holds() { "holds" } else { "**missed**" };
            let _ =
                writeln!(text, "- {}: at most {}, seen {}: {verdict}", aim.what, number(aim.at_most), number(aim.seen));
        }
        if !self.raw.is_empty() {
            text.push_str("\nRounds:\n\n```text\n");
            for (what, numbers) in &self.raw {
                let numbers: Vec<String> = numbers.iter().map(|seen| number(*seen)).collect();
                let _ = writeln!(text, "{what}: {}", numbers.join(" "));
            }
            text.push_str("```\n");
        }
        text
    }
}

/// Three digits that say something.
pub(crate) fn number(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}
