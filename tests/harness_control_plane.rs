//! The control-plane form of the harness: it comes up in seconds, obeys, and leaves nothing behind.

#[path = "harness/harness.rs"]
mod harness;
#[path = "harness_support/remains.rs"]
mod remains;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::{Audit, Client, Cluster, Identity, Minor, Options, WEBHOOK_CALLER, state, wait_until};
use remains::{Child, End, child_role, remains};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn comes_up_in_seconds_stores_an_object_and_leaves_nothing() -> Result<()> {
    let start = Instant::now();
    let cluster = Cluster::control_plane(Options::default())?;
    let took = start.elapsed();
    create_config_map(&cluster, "a")?;
    let value = cluster.kubectl(&["get", "configmap", "a", "-o", "jsonpath={.data.key}"], "")?.ok()?;
    assert_eq!(value, "value");
    // About 3 s alone; a bound that only a broken start exceeds.
    assert!(took < Duration::from_secs(60), "it took {took:?}");
    let directory = cluster.directory().to_owned();
    assert!(!remains(&directory).is_empty(), "the check for remains sees a live cluster");
    drop(cluster);
    assert_eq!(remains(&directory), Vec::<String>::new());
    Ok(())
}

#[test]
fn two_clusters_side_by_side_are_apart() -> Result<()> {
    let (one, other) = thread::scope(|scope| {
        let other = scope.spawn(|| Cluster::control_plane(Options::default()));
        (Cluster::control_plane(Options::default()), other.join())
    });
    let (one, other) = (one?, other.map_err(|_| anyhow::anyhow!("the second cluster panicked"))??);
    create_config_map(&one, "only-here")?;
    other.kubectl(&["get", "configmap", "only-here"], "")?.refused()?;
    drop(one);
    create_config_map(&other, "still-alive")?;
    Ok(())
}

#[test]
fn identities_are_what_they_were_asked_to_be() -> Result<()> {
    let cluster = Cluster::control_plane(Options::default().controller_manager())?;
    let alice = cluster.kubeconfig("alice", &["developers", "on-call", "third"])?;
    let who: Value = serde_json::from_str(&cluster.kubectl_as(&alice, &["auth", "whoami", "-o", "json"], "")?.ok()?)?;
    assert_eq!(who["status"]["userInfo"]["username"], "alice");
    assert_eq!(who["status"]["userInfo"]["groups"], json!(["developers", "on-call", "third", "system:authenticated"]));
    let refused = cluster.kubectl_as(&alice, &["get", "configmaps"], "")?.refused()?;
    assert!(refused.contains("forbidden"), "{refused}");

    let token = cluster.kubectl(&["create", "token", "default"], "")?.ok()?;
    let nobody = Client::tls(cluster.address("kube-apiserver"), cluster.authority().certificate(), None)?;
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).to_string();
    let authorization = format!("Bearer {}", token.trim());
    let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let who = nobody.request("POST", path, &headers, review.as_bytes())?.json()?;
    assert_eq!(who["status"]["userInfo"]["username"], "system:serviceaccount:default:default");
    Ok(())
}

#[test]
fn controllers_work() -> Result<()> {
    let cluster = Cluster::control_plane(Options::default().controller_manager().scheduler())?;
    cluster.kubectl(&["create", "namespace", "short"], "")?.ok()?;
    cluster.kubectl(&["create", "deployment", "web", "--image=none", "-n", "short"], "")?.ok()?;
    wait_until("a pod of the deployment", SOON, || {
        let pods = cluster.kubectl(&["get", "pods", "-n", "short", "-o", "name"], "")?.ok()?;
        Ok(pods.contains("pod/web-").then_some(()))
    })?;
    cluster.kubectl(&["delete", "namespace", "short", "--timeout=30s"], "")?.ok()?;
    Ok(())
}

#[test]
fn components_stop_start_pause_and_are_killed() -> Result<()> {
    let cluster = Cluster::control_plane(Options::default())?;
    create_config_map(&cluster, "before")?;

    cluster.stop("kube-apiserver")?;
    cluster.kubectl(&["get", "configmap", "before"], "")?.refused()?;
    assert!(cluster.pause("kube-apiserver").is_err(), "a stopped component cannot be paused");
    cluster.start("kube-apiserver")?;
    cluster.kubectl(&["get", "configmap", "before"], "")?.ok()?;
    assert!(cluster.launch("kube-apiserver").is_err(), "a running component cannot be started");

    cluster.pause("etcd")?;
    cluster.kubectl(&["get", "configmap", "before", "--request-timeout=1s"], "")?.refused()?;
    cluster.resume("etcd")?;
    wait_until("an answer after the pause", SOON, || {
        Ok(cluster.kubectl(&["get", "configmap", "before"], "")?.success.then_some(()))
    })?;

    let first = cluster.pid("etcd")?;
    cluster.kill("etcd")?;
    cluster.start("etcd")?;
    assert_ne!(first, cluster.pid("etcd")?);
    wait_until("an answer after the kill", SOON, || {
        Ok(cluster.kubectl(&["get", "configmap", "before"], "")?.success.then_some(()))
    })?;
    let unknown = cluster.stop("no-such").err().context("an unknown component is refused")?;
    assert_eq!(unknown.to_string(), "there is no `no-such`; the components are etcd, kube-apiserver");
    Ok(())
}

#[test]
fn a_second_api_server_of_the_previous_minor_serves_the_same_objects() -> Result<()> {
    let cluster = Cluster::control_plane(Options::default().second_api_server(Minor::Previous))?;
    let second = cluster.kubeconfig_for("kube-apiserver-2", "admin", &["system:masters"])?;
    let version = |kubeconfig| -> Result<Value> {
        Ok(serde_json::from_str(&cluster.kubectl_as(kubeconfig, &["get", "--raw", "/version"], "")?.ok()?)?)
    };
    assert_eq!(version(cluster.admin())?["minor"], "37");
    assert_eq!(version(&second)?["minor"], "36");
    create_config_map(&cluster, "shared")?;
    cluster.kubectl_as(&second, &["get", "configmap", "shared"], "")?.ok()?;
    Ok(())
}

#[test]
fn gates_arguments_and_the_audit_log_arrive() -> Result<()> {
    let options = Options::default()
        .audit(Audit::Metadata)
        .feature_gate("APIServerWebhookAuthenticationToken", true)
        .api_server_args(&["--event-ttl=7m"]);
    let cluster = Cluster::control_plane(options)?;
    let gate = "kubernetes_feature_enabled{name=\"APIServerWebhookAuthenticationToken\",stage=\"ALPHA\"} 1";
    assert!(cluster.client().get("/metrics")?.text().contains(gate));
    create_config_map(&cluster, "audited")?;
    // No wait: the line is written before the answer.
    let log = std::fs::read_to_string(cluster.audit_log("kube-apiserver"))?;
    let created =
        log.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?.into_iter().any(|event| {
            event["verb"] == "create" && event["objectRef"]["name"] == "audited" && event["user"]["username"] == "admin"
        });
    assert!(created, "the audit log has no line of the request");
    Ok(())
}

#[test]
fn api_servers_show_webhooks_their_certificate() -> Result<()> {
    let cluster = Cluster::control_plane(Options::default().authenticate_to_webhooks())?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let serving = cluster.authority().server(&["127.0.0.1"])?;
    let tls = webhook_tls(&serving, cluster.webhook_authority().certificate())?;
    let webhook = thread::spawn(move || answer_one_review(&listener, tls));
    let registration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "one"},
        "webhooks": [{
            "name": "one.writ.dev", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail",
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
            "clientConfig": {
                "url": format!("https://127.0.0.1:{port}/"),
                "caBundle": base64::Engine::encode(
                    &base64::engine::general_purpose::STANDARD, cluster.authority().certificate()),
            },
        }],
    });
    cluster.kubectl(&["create", "-f", "-"], &registration.to_string())?.ok()?;
    // The API server takes new registrations up within moments; the webhook denies, so the first refusal is its word.
    wait_until("the webhook to be called", SOON, || {
        let answer = cluster.kubectl(&["create", "configmap", "x", "--dry-run=server"], "")?;
        Ok(answer.stderr.contains("said the webhook").then_some(()))
    })?;
    let shown = webhook.join().map_err(|_| anyhow::anyhow!("the webhook panicked"))??;
    let caller = cluster.webhook_caller().context("a caller was asked for")?;
    assert_eq!(shown, CertificateDer::from_pem_slice(caller.certificate.as_bytes())?.to_vec());
    assert!(String::from_utf8_lossy(&shown).contains(WEBHOOK_CALLER), "the name is in the certificate");
    Ok(())
}

/// However the owner ends, nothing of its cluster is left. The owner is this test in a process of its own.
#[test]
fn nothing_survives_the_end_of_the_owner() -> Result<()> {
    if let Some(role) = child_role() {
        let cluster = Cluster::control_plane(Options::default().name(&role))?;
        return remains::hold(cluster.directory());
    }
    for end in [End::Kill, End::Interrupt, End::Terminate] {
        let child = Child::start("nothing_survives_the_end_of_the_owner", &format!("owner-{end:?}").to_lowercase())?;
        assert!(!remains(&child.directory).is_empty(), "{end:?}: the check for remains sees a live cluster");
        let directory = child.end(end)?;
        wait_until(&format!("nothing to be left after {end:?}"), SOON, || {
            let left = remains(&directory);
            ensure!(left.is_empty(), "left: {left:?}");
            Ok(Some(()))
        })?;
    }
    Ok(())
}

/// When the watcher is killed first, the processes still end with the owner, and the next run removes the files.
#[test]
fn the_next_run_removes_what_a_killed_watcher_left() -> Result<()> {
    if let Some(role) = child_role() {
        let cluster = Cluster::control_plane(Options::default().name(&role))?;
        return remains::hold(cluster.directory());
    }
    let child = Child::start("the_next_run_removes_what_a_killed_watcher_left", "unwatched")?;
    remains::kill_watcher(&child.directory)?;
    let directory = child.end(End::Kill)?;
    wait_until("the processes to end with the owner", SOON, || {
        Ok(remains::processes(&directory).is_empty().then_some(()))
    })?;
    // Another test of this process may have come up meanwhile and done it already.
    let removed = state::gc()?;
    let stats = ["owner", "watcher"].map(|file| std::fs::read_to_string(directory.join(file)));
    assert_eq!(remains(&directory), Vec::<String>::new(), "removed {removed:?}; files of identity: {stats:?}");
    Ok(())
}

#[test]
fn logs_are_kept_after_a_panic() -> Result<()> {
    if let Some(role) = child_role() {
        let _cluster = Cluster::control_plane(Options::default().name(&role))?;
        panic!("as it was asked to");
    }
    let kept = tempfile::tempdir()?;
    let output =
        Child::command("logs_are_kept_after_a_panic", "panics")?.env("WRIT_CLUSTER_LOGS", kept.path()).output()?;
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let place = said.lines().find_map(|line| line.strip_prefix("cluster: logs kept in "));
    let place = std::path::Path::new(place.with_context(|| format!("the place is not named in: {said}"))?);
    assert!(place.starts_with(kept.path()) && place.join("kube-apiserver.log").exists(), "{}", place.display());
    assert!(!state::base()?.join("panics").exists());
    Ok(())
}

fn create_config_map(cluster: &Cluster, name: &str) -> Result<()> {
    cluster.kubectl(&["create", "configmap", name, "--from-literal=key=value"], "")?.ok()?;
    Ok(())
}

fn webhook_tls(serving: &Identity, callers: &str) -> Result<Arc<ServerConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(callers.as_bytes())?)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(serving.certificate.as_bytes())?],
            PrivateKeyDer::from_pem_slice(serving.key.as_bytes())?,
        )?;
    Ok(Arc::new(config))
}

/// Denies one review and answers with the certificate that its caller showed.
fn answer_one_review(listener: &TcpListener, tls: Arc<ServerConfig>) -> Result<Vec<u8>> {
    let (stream, _) = listener.accept()?;
    let mut stream = StreamOwned::new(ServerConnection::new(tls)?, stream);
    let mut lines = BufReader::new(&mut stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        ensure!(lines.read_line(&mut line)? > 0, "the caller went away");
        if let Some((_, value)) = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
            length = value.trim().parse()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = Vec::new();
    lines.take(length).read_to_end(&mut body)?;
    let review: Value = serde_json::from_slice(&body)?;
    let answer = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": {
            "uid": review.pointer("/request/uid"), "allowed": false, "status": {"message": "said the webhook"},
        },
    })
    .to_string();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}",
        answer.len()
    )?;
    stream.flush()?;
    let certificates = stream.conn.peer_certificates().context("the caller showed no certificate")?;
    Ok(certificates.first().context("the caller showed no certificate")?.to_vec())
}
