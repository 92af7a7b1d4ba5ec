use writ::webhook::Check;

use crate::support::{DAY, Options, Protocol, World, request, review};

#[tokio::test(flavor = "multi_thread")]
async fn health_says_why_not() {
    let world = World::start(Options::default()).await;
    let mut client = world.client(Protocol::H2, None).await;
    assert_eq!(client.get("/livez").await.text, "ok\n");
    let page = client.get("/readyz").await;
    assert_eq!((page.status.as_u16(), page.text.as_str()), (200, "ok\n"));
    *world.admission.faults.lock().unwrap() =
        vec![Check::holds("keys"), Check::fails("policies", "they were never read; is the API server reachable?")];
    let page = client.get("/readyz").await;
    let why = "[-] policies: they were never read; is the API server reachable?\n";
    assert_eq!((page.status.as_u16(), page.text.as_str()), (503, format!("{why}not ready\n").as_str()));
    let page = client.get("/readyz?verbose").await;
    assert_eq!(page.text, format!("[+] keys\n{why}[+] certificate\n[+] shutdown\nnot ready\n"));
    assert_eq!(client.get("/livez").await.status.as_u16(), 200, "not ready is not dead");
    world.admission.faults.lock().unwrap().clear();
    let expiry = world.serving.not_after();
    world.clock.set(expiry.minus(DAY / 25));
    let page = client.get("/readyz").await;
    assert_eq!(page.status.as_u16(), 503);
    assert!(page.text.starts_with(&format!("[-] certificate: it expires at {expiry}")), "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_served() {
    let world = World::start(Options::default()).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = world.client(protocol, None).await;
        client.post("/mutate", review("fine")).await;
        client.post("/validate", review("deny")).await;
        let page = client.get("/metrics").await;
        assert!(page.headers["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
        for line in [
            r#"writ_webhook_calls_total{path="mutate",outcome="allow",reason=""}"#,
            r#"writ_webhook_calls_total{path="validate",outcome="deny",reason="Replayed"}"#,
            r#"writ_webhook_duration_seconds_count{path="validate"}"#,
            "writ_webhook_connections 1",
            r#"writ_build_info{version=""#,
        ] {
            assert!(page.text.contains(line), "{line} is missing:\n{}", page.text);
        }
        let page = client.send(request("HEAD", "/metrics", None, "")).await;
        assert_eq!((page.status.as_u16(), page.text.as_str()), (200, ""));
        drop(client);
        world.metric_becomes("writ_webhook_connections", 0).await;
    }
}
