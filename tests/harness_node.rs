//! The node form of the harness: real pods run, Services answer, and nothing is left behind. Needs root.

#[path = "harness/harness.rs"]
mod harness;
#[path = "harness_support/remains.rs"]
mod remains;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use harness::{Cluster, Minor, Options, tools, wait_until, write_archive};
use remains::{Child, End, child_role, remains};
use serde_json::json;

const SOON: Duration = Duration::from_secs(60);

/// One node for several promises, since it takes a while to come up: images, pods, Services from the host and from
/// pods, logs, the ways in from outside, and components that come back.
#[test]
fn pods_run_services_answer_and_nothing_is_left() -> Result<()> {
    let before = traces()?;
    let cluster = Cluster::node(Options::default())?;

    // A server and a client that are static programs at hand: etcd, and kubectl for plain GETs.
    load(&cluster, "etcd", "etcd:test")?;
    load(&cluster, "kubectl", "localhost/kubectl:test")?;
    cluster.kubectl(&["create", "-f", "-"], &server().to_string())?.ok()?;
    cluster.kubectl(&["rollout", "status", "deployment/server", "--timeout=60s"], "")?.ok()?;

    let service = cluster.kubectl(&["get", "service", "server", "-o", "jsonpath={.spec.clusterIP}"], "")?.ok()?;
    let address: SocketAddr = format!("{service}:2379").parse()?;
    let healthy = |mut stream: TcpStream| -> Result<()> {
        stream.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(answer.contains("\"health\":\"true\""), "the answer is: {answer}");
        Ok(())
    };
    wait_until("the Service to answer", SOON, || healthy(cluster.connect(address)?).map(Some))?;
    healthy(TcpStream::connect(cluster.forward(address)?)?)?;

    let client =
        ["run", "client", "--image=localhost/kubectl:test", "--restart=Never", "--", "get", "--raw", "/health"];
    cluster.kubectl(&[&client[..], &[&format!("--server=http://{address}")]].concat(), "")?.ok()?;
    let done = "--for=jsonpath={.status.phase}=Succeeded";
    cluster.kubectl(&["wait", done, "pod/client", "--timeout=60s"], "")?.ok()?;
    let logs = cluster.kubectl(&["logs", "client"], "")?.ok()?;
    assert!(logs.contains("\"health\":\"true\""), "{logs}");

    // A pod survives its runtime's and its kubelet's end; a deleted one is replaced once they are back.
    cluster.kill("kubelet")?;
    cluster.stop("containerd")?;
    healthy(cluster.connect(address)?)?;
    cluster.start("containerd")?;
    cluster.start("kubelet")?;
    cluster.kubectl(&["delete", "pod", "-l", "app=server", "--force", "--timeout=60s"], "")?.ok()?;
    cluster.kubectl(&["rollout", "status", "deployment/server", "--timeout=60s"], "")?.ok()?;

    let inside = cluster.command("pwd").output()?;
    assert_eq!(Path::new(String::from_utf8(inside.stdout)?.trim()), std::env::current_dir()?);

    let directory = cluster.directory().to_owned();
    assert!(!remains(&directory).is_empty(), "the check for remains sees a live cluster");
    drop(cluster);
    assert_eq!(remains(&directory), Vec::<String>::new());
    assert_eq!(traces()?, before, "the machine is as it was");
    Ok(())
}

#[test]
fn two_nodes_side_by_side_one_of_them_with_two_api_servers_of_two_minors() -> Result<()> {
    let (one, other) = thread::scope(|scope| {
        let other = scope.spawn(|| Cluster::node(Options::default().second_api_server(Minor::Previous)));
        (Cluster::node(Options::default()), other.join())
    });
    let (one, other) = (one?, other.map_err(|_| anyhow!("the second cluster panicked"))??);
    for cluster in [&one, &other] {
        cluster.kubectl(&["run", "a", "--image=localhost/pause:1"], "")?.ok()?;
        cluster.kubectl(&["wait", "--for=condition=Ready", "pod/a", "--timeout=60s"], "")?.ok()?;
    }
    let second = other.kubeconfig_for("kube-apiserver-2", "admin", &["system:masters"])?;
    assert!(other.kubectl_as(&second, &["version"], "")?.ok()?.contains("Server Version: v1.36."));
    other.kubectl_as(&second, &["get", "pod", "a"], "")?.ok()?;
    Ok(())
}

/// However the owner ends, nothing of its cluster is left. The owner is this test in a process of its own.
#[test]
fn nothing_survives_the_end_of_the_owner() -> Result<()> {
    if let Some(role) = child_role() {
        let cluster = Cluster::node(Options::default().name(&role))?;
        cluster.kubectl(&["run", "a", "--image=localhost/pause:1"], "")?.ok()?;
        cluster.kubectl(&["wait", "--for=condition=Ready", "pod/a", "--timeout=60s"], "")?.ok()?;
        return remains::hold(cluster.directory());
    }
    let child = Child::start("nothing_survives_the_end_of_the_owner", "node-owner")?;
    assert!(!remains(&child.directory).is_empty(), "the check for remains sees a live cluster");
    let directory = child.end(End::Kill)?;
    wait_until("nothing to be left", SOON, || {
        let left = remains(&directory);
        ensure!(left.is_empty(), "left: {left:?}");
        Ok(Some(()))
    })
}

fn load(cluster: &Cluster, program: &str, image: &str) -> Result<()> {
    let archive = cluster.directory().join(format!("{program}.tar"));
    write_archive(&tools::path(program)?, image, &archive)?;
    cluster.load(&archive)
}

fn server() -> serde_json::Value {
    let labels = json!({"app": "server"});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "server"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
            "volumes": [{"name": "data", "emptyDir": {}}],
            "containers": [{
                "name": "etcd", "image": "etcd:test", "imagePullPolicy": "Never",
                "args": ["--data-dir=/data/etcd", "--listen-client-urls=http://0.0.0.0:2379",
                         "--advertise-client-urls=http://127.0.0.1:2379"],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                "readinessProbe": {"httpGet": {"path": "/health", "port": 2379}, "periodSeconds": 1},
            }],
        }}},
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "server"},
        "spec": {"selector": labels, "ports": [{"port": 2379}]},
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [deployment, service]})
}

/// What a node could leave on the machine outside of its own directory: mounts, network devices, fixed places, sysctls.
fn traces() -> Result<Vec<String>> {
    let mut traces = vec![fs::read_to_string("/proc/self/mountinfo")?];
    for directory in ["/sys/class/net", "/run", "/var/lib", "/var/log", "/etc", "/usr/libexec", "/opt"] {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory).context(directory)? {
            names.push(entry?.path().display().to_string());
        }
        names.sort();
        traces.extend(names);
    }
    for sysctl in ["vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys"] {
        traces.push(fs::read_to_string(Path::new("/proc/sys").join(sysctl))?);
    }
    Ok(traces)
}
