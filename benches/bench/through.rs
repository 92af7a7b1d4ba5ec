//! Deployment CREATEs through a real API server: without webhooks, with the do-nothing Go pair, with Writ.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};

use crate::{
    Programs, first_denial,
    harness::{Cluster, Options, tools, wait_until},
    page::{Aim, Page, Section, number},
    process,
    server::{Common, POLICY, Server, Source},
    statistics::{median, milliseconds, quantile},
};

/// The cases by namespace; what is registered selects by it.
const CASES: [(&str, &str); 3] = [("none", "no webhook"), ("nothing", "do-nothing pair in Go"), ("writ", "Writ")];
/// Creates one after the other, with 16 at a time, and at a steady rate.
const ALONE: usize = 150;
const AT_ONCE: usize = 800;
const STEADY: (usize, f64) = (500, 200.0);
const SOON: Duration = Duration::from_secs(30);

/// A client of the API server that sends prepared bodies and reads only the status.
#[derive(Clone)]
pub(crate) struct Api {
    client: Client,
    template: Arc<str>,
}

impl Api {
    async fn new(cluster: &Cluster) -> Result<Self> {
        let kubeconfig = Kubeconfig::read_from(cluster.admin())?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        config.default_retry = false;
        let containers: Vec<Value> = (0..2)
            .map(|number| {
                json!({"name": format!("app-{number}"), "image": "registry.example.com/payments/app:1.0",
                    "ports": [{"containerPort": 8080}], "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}},
                    "env": (0..8).map(|variable| json!({"name": format!("SETTING_{variable}"), "value": "on"})).collect::<Vec<_>>()})
            })
            .collect();
        let template = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "NAME", "labels": {"app": "web"}},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}}}});
        Ok(Self { client: Client::try_from(config)?, template: template.to_string().into() })
    }

    pub(crate) fn deployment(&self, name: &str) -> String {
        self.template.replace("NAME", name)
    }

    async fn send(&self, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
        let request = http_request(method, path, body)?;
        let response = self.client.send(request).await?;
        let status = response.status().as_u16();
        let body = http_body_util::BodyExt::collect(response.into_body()).await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Result<u16> {
        Ok(self.send("POST", path, body).await?.0)
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<u16> {
        Ok(self.send("DELETE", path, "").await?.0)
    }
}

fn http_request(method: &str, path: &str, body: &str) -> Result<hyper::Request<kube::client::Body>> {
    Ok(hyper::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(kube::client::Body::from(body.as_bytes().to_vec()))?)
}

/// The numbers of one round of one case.
struct Round {
    alone: Vec<f64>,
    writes_per_second: f64,
    steady: Vec<f64>,
    own_cpu_ms: f64,
    api_server_cpu_ms: f64,
}

pub(crate) fn measure(programs: &Programs, rounds: usize, page: &mut Page) -> Result<()> {
    let common = Common::new(programs)?;
    let cluster = Cluster::control_plane(Options::default())?;
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    cluster.kubectl(&["apply", "--server-side", "-f", crds], "")?.ok()?;
    cluster.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"], "")?.ok()?;
    for name in CASES.map(|(namespace, _)| namespace).into_iter().chain(["writ-system"]) {
        cluster.kubectl(&["create", "namespace", name], "")?.ok()?;
    }
    let key_id = writ::sign::Signer::from_seed(&[7; 32])?.key_id().to_string();
    let root = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "writ-store", "namespace": "writ-system"},
        "data": {"format": "1", "storeId": "0123456789abcdef0123456789abcdef", "keyId": key_id}});
    cluster.kubectl(&["create", "-f", "-"], &root.to_string())?.ok()?;
    let writ = common.writ(programs, "cluster", &Source::Cluster(cluster.admin()))?;
    writ.until_ready(&common.authority)?;
    register(&cluster, "writ", &writ, &common)?;
    cluster.kubectl(&["apply", "-f", "-"], POLICY)?.ok()?;
    let annotation = wait_until("the first attestation", SOON, || {
        annotation_length(&cluster, "writ", "attestation.writ.dev/deployments.apps")
    })?;
    let nothing = common.plain(&tools::path("nothing")?, annotation)?;
    register(&cluster, "nothing", &nothing, &common)?;
    wait_until("the other pair", SOON, || annotation_length(&cluster, "nothing", "nothing.writ.dev/annotation"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let api = Api::new(&cluster).await?;
        let api_server = cluster.pid("kube-apiserver")?;
        let pids = [None, Some(nothing.pid()), Some(writ.pid())];
        let next = Arc::new(AtomicUsize::new(0));
        let mut all: [Vec<Round>; 3] = Default::default();
        for round in 0..=rounds {
            for (((namespace, _), pid), kept) in CASES.iter().zip(pids).zip(&mut all) {
                let measured = one_round(&api, namespace, pid, api_server, &next).await?;
                // The first one warms up.
                if round > 0 {
                    kept.push(measured);
                }
            }
        }
        report(&all, annotation, [process::memory(nothing.pid())?.0, process::memory(writ.pid())?.0], page);
        first_denial::measure(&api, "writ", page).await
    })
}

/// Registers the two webhooks of a server for the namespace of its name.
fn register(cluster: &Cluster, name: &str, server: &Server, common: &Common) -> Result<()> {
    for (kind, path) in [("MutatingWebhookConfiguration", "mutate"), ("ValidatingWebhookConfiguration", "validate")] {
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": format!("zz-{name}")},
            "webhooks": [{
                "name": format!("{path}.{name}.dev"),
                "clientConfig": {"url": format!("https://{}/{path}", server.address), "caBundle": STANDARD.encode(&common.authority)},
                "rules": [{"apiGroups": ["apps"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": ["deployments"]}],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
                "failurePolicy": "Fail", "sideEffects": "NoneOnDryRun", "admissionReviewVersions": ["v1"], "timeoutSeconds": 2,
            }],
        });
        cluster.kubectl(&["apply", "-f", "-"], &configuration.to_string())?.ok()?;
    }
    Ok(())
}

/// The length of the annotation that a dry run comes back with, once the API server calls the webhooks.
fn annotation_length(cluster: &Cluster, namespace: &str, key: &str) -> Result<Option<usize>> {
    let probe = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "first", "namespace": namespace},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "a", "image": "registry.example.com/a", "resources": {"limits": {"cpu": "1"}}}]}}}});
    let output = cluster.kubectl(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &probe.to_string())?.ok()?;
    let object: Value = serde_json::from_str(&output)?;
    Ok(object["metadata"]["annotations"][key].as_str().map(str::len))
}

async fn one_round(
    api: &Api,
    namespace: &str,
    pid: Option<u32>,
    api_server: u32,
    next: &Arc<AtomicUsize>,
) -> Result<Round> {
    let cpu = || -> Result<(f64, f64)> {
        let own = pid.map(process::cpu_time).transpose()?.unwrap_or_default();
        Ok((milliseconds(own), milliseconds(process::cpu_time(api_server)?)))
    };
    let before = cpu()?;
    let alone = creates(api, namespace, next, ALONE, 1, None).await?;
    let begun = Instant::now();
    creates(api, namespace, next, AT_ONCE, 16, None).await?;
    let writes_per_second = AT_ONCE as f64 / begun.elapsed().as_secs_f64();
    let steady = creates(api, namespace, next, STEADY.0, 64, Some(STEADY.1)).await?;
    let after = cpu()?;
    let writes = (ALONE + AT_ONCE + STEADY.0) as f64;
    Ok(Round {
        alone,
        writes_per_second,
        steady,
        own_cpu_ms: (after.0 - before.0) / writes,
        api_server_cpu_ms: (after.1 - before.1) / writes,
    })
}

/// Creates Deployments; the latency of each in ms, at a steady rate from when it was due.
async fn creates(
    api: &Api,
    namespace: &str,
    next: &Arc<AtomicUsize>,
    count: usize,
    workers: usize,
    rate: Option<f64>,
) -> Result<Vec<f64>> {
    let path: Arc<str> = format!("/apis/apps/v1/namespaces/{namespace}/deployments").into();
    let (taken, begun) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let work = || {
        let (api, next, taken, path) = (api.clone(), Arc::clone(next), Arc::clone(&taken), Arc::clone(&path));
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let number = taken.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return anyhow::Ok(latencies);
                }
                let body = api.deployment(&format!("web-{}", next.fetch_add(1, Ordering::Relaxed)));
                let mut due = Instant::now();
                if let Some(rate) = rate {
                    due = begun + Duration::from_secs_f64(number as f64 / rate);
                    tokio::time::sleep_until(due.into()).await;
                }
                let (status, answer) = api.send("POST", &path, &body).await?;
                ensure!(status == 201, "answered with {status}: {answer}");
                latencies.push(milliseconds(due.elapsed()));
            }
        })
    };
    let tasks: Vec<_> = (0..workers).map(|_| work()).collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.context("a worker")??);
    }
    Ok(latencies)
}

fn report(all: &[Vec<Round>; 3], annotation: usize, [nothing_memory, writ_memory]: [u64; 2], page: &mut Page) {
    /// A number of a round.
    type Read = fn(&Round) -> f64;
    let columns: [(&str, Read); 7] = [
        ("alone p50 ms", |round| median(&round.alone)),
        ("p99 ms", |round| quantile(&round.alone, 0.99)),
        ("16 at once writes/s", |round| round.writes_per_second),
        ("200/s p50 ms", |round| median(&round.steady)),
        ("p99 ms", |round| quantile(&round.steady, 0.99)),
        ("own CPU ms a write", |round| round.own_cpu_ms),
        ("API server's CPU ms a write", |round| round.api_server_cpu_ms),
    ];
    let of = |rounds: &[Round], read: Read| rounds.iter().map(read).collect::<Vec<_>>();
    let [_, nothing, writ] = all;
    let ratio = |read: Read| median(&of(writ, read)) / median(&of(nothing, read));
    let [alone, _, at_once, steady, _, own, _] = columns.map(|(_, read)| ratio(read));
    let rows = CASES.iter().zip(all).map(|((_, case), rounds)| {
        let numbers = columns.iter().map(|(_, read)| number(median(&of(rounds, *read))));
        std::iter::once((*case).to_owned()).chain(numbers).collect()
    });
    let raw = CASES.iter().zip(all).flat_map(|((_, case), rounds)| {
        [0, 2, 3, 5].into_iter().filter_map(move |index| {
            let (name, read) = columns.get(index)?;
            Some((format!("{case}, {name}"), rounds.iter().map(read).collect()))
        })
    });
    page.add(Section {
        title: "Deployment CREATE through the API server",
        about: format!(
            "Kubernetes 1.37 (etcd and one API server), each case in a namespace of its own in one cluster: {ALONE} creates one \
             after the other, {AT_ONCE} by 16 clients, {} at 200 a second. The Go pair adds an annotation of the same \
             length, {annotation} bytes. Resident after all rounds: the Go pair {} MB, Writ (with the watches of a \
             replica) {} MB.",
            STEADY.0,
            number(nothing_memory as f64 / 1000.0),
            number(writ_memory as f64 / 1000.0)
        ),
        columns: std::iter::once("").chain(columns.iter().map(|(name, _)| *name)).collect(),
        rows: rows.collect(),
        aims: vec![
            Aim { what: "median latency alone, in Go pairs", at_most: 1.0, seen: alone },
            Aim { what: "median latency at 200/s, in Go pairs", at_most: 1.0, seen: steady },
            Aim { what: "Go pairs' writes/s, in Writ's (16 at once)", at_most: 1.0, seen: 1.0 / at_once },
            Aim { what: "own CPU a write, in Go pairs", at_most: 1.0, seen: own },
            Aim { what: "bytes of the annotation of one decision", at_most: 1000.0, seen: annotation as f64 },
            Aim { what: "MB resident of a replica after all rounds", at_most: 25.0, seen: writ_memory as f64 / 1000.0 },
        ],
        raw: raw.collect(),
    });
}
