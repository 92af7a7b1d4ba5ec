use std::fmt::Write as _;

use super::Described;

const HEAD: &str = "# Metrics

Served at `/metrics` in the OpenMetrics text format. This page is written from the code; a test compares the two.
The alert rules that go with it are in [`alerts.yaml`](alerts.yaml).

| name | type | labels | what it tells |
|---|---|---|---|
";

/// The text of `docs/metrics.md`.
#[must_use]
pub fn markdown(described: &[Described]) -> String {
    let mut page = HEAD.to_owned();
    for metric in described {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let Described { name, kind, help, .. } = metric;
        // Writing into a string does not fail.
        let _ = writeln!(page, "| `{name}` | {kind} | {} | {help} |", labels.join(", "));
    }
    page
}
