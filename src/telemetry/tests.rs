use std::process::Command;

use super::*;

/// Set for the process that [`a_process_logs_json_and_a_panic_quotes_nothing`] starts.
const SWITCH: &str = "WRIT_TEST_LOGGING_PROCESS";

#[test]
#[expect(clippy::disallowed_methods, reason = "tells the started process from the test")]
fn logging_process() {
    if std::env::var(SWITCH).is_err() {
        return;
    }
    init("info,writ::quiet=off", LogFormat::Auto).unwrap();
    assert!(matches!(init("info", LogFormat::Json), Err(TelemetryError::Twice(_))));
    tracing::info!(count = 1, "first");
    tracing::debug!("not this one");
    tracing::info!(target: "writ::quiet", "nor this");
    let panicked = std::panic::catch_unwind(|| panic!("canary-7f3a"));
    assert!(panicked.is_err());
}

#[test]
fn a_process_logs_json_and_a_panic_quotes_nothing() {
    let program = std::env::current_exe().unwrap();
    let child = Command::new(program)
        .args(["--exact", "telemetry::tests::logging_process", "--nocapture"])
        .env(SWITCH, "1")
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    let text = String::from_utf8(child.stderr).unwrap();
    assert!(!text.contains("canary"), "{text}");
    let entries: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let messages: Vec<_> = entries.iter().map(|entry| entry["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["first", "panicked"], "{text}");
    let place = entries[1]["fields"]["place"].as_str().unwrap();
    assert!(place.starts_with("src/telemetry/tests.rs:"), "{place}");
}

#[test]
fn a_filter_that_is_not_understood_is_named() {
    let error = init("writ=loud", LogFormat::Json).unwrap_err().to_string();
    assert!(error.starts_with("the log filter is not understood"), "{error}");
}
