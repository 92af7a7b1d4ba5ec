use std::collections::BTreeSet;

use super::*;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
const ALERTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/alerts.yaml");

#[test]
#[expect(clippy::disallowed_methods, reason = "a switch of the test, not of the program")]
fn the_page_is_written_from_the_code() {
    let page = markdown(Metrics::default().described());
    if std::env::var("WRIT_WRITE_DOCS").is_ok() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let committed = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert_eq!(committed, page, "run `WRIT_WRITE_DOCS=1 cargo test --lib metrics` and commit docs/metrics.md");
}

#[test]
fn what_is_scraped_is_what_is_documented() {
    let metrics = Metrics::default();
    let text = metrics.render();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let scraped: Vec<(String, String)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split_once(' '))
        .map(|(name, kind)| {
            let suffix = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            (format!("{name}{suffix}"), kind.to_owned())
        })
        .collect();
    let described: Vec<(String, String)> =
        metrics.described().iter().map(|metric| (metric.name.clone(), metric.kind.to_owned())).collect();
    assert_eq!(scraped, described);
    let names: BTreeSet<&String> = described.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), described.len(), "a name is used twice");
    for metric in metrics.described() {
        assert!(metric.name.starts_with("writ_") && metric.help.ends_with('.'), "{metric:?}");
    }
}

#[test]
fn labels_are_written_as_named() {
    let metrics = Metrics::default();
    metrics.webhook.calls.get_or_create(&CallLabels { path: "mutate", outcome: "deny", reason: "Replayed" }).inc();
    let text = metrics.render();
    assert!(text.contains(r#"writ_webhook_calls_total{path="mutate",outcome="deny",reason="Replayed"} 1"#), "{text}");
    assert_eq!(CallLabels::NAMES, ["path", "outcome", "reason"]);
}

#[test]
fn alerts_speak_of_metrics_that_exist() {
    let alerts = std::fs::read_to_string(ALERTS).unwrap();
    let rules: serde_json::Value = serde_saphyr::from_str(&alerts).unwrap();
    let known: BTreeSet<String> = Metrics::default()
        .described()
        .iter()
        .flat_map(|metric| match metric.kind {
            "histogram" => ["_bucket", "_sum", "_count"].map(|end| format!("{}{end}", metric.name)).to_vec(),
            _ => vec![metric.name.clone()],
        })
        .collect();
    let word = regex::Regex::new("writ_[a-z_]+").unwrap();
    let mut seen = 0;
    for rule in rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()) {
        let (name, expression) = (&rule["alert"], rule["expr"].as_str().unwrap());
        assert!(rule["annotations"]["summary"].is_string() && rule["annotations"]["action"].is_string(), "{name}");
        for found in word.find_iter(expression) {
            assert!(known.contains(found.as_str()), "{name} speaks of `{}`, which does not exist", found.as_str());
            seen += 1;
        }
    }
    assert!(seen >= 5, "the rules were not read");
}
