//! Two replicas behind one address, with claims in the cluster.

use std::{ffi::OsString, fs, net::SocketAddr};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{
    balancer::Balancer,
    harness::{Options, wait_until},
    policies,
    support::{Rig, SOON},
};

pub(crate) struct Pair {
    pub(crate) rig: Rig,
    pub(crate) balancer: Balancer,
}

/// The names of the replicas.
pub(crate) const NAMES: [&str; 2] = ["writ-0", "writ-1"];

impl Pair {
    /// A cluster, two replicas with these further arguments, and policies for ConfigMaps and Secrets in force on both.
    pub(crate) fn start(arguments: &[&str]) -> Result<Self> {
        // As to a Service: many connections, so that both replicas are called at any time.
        let rig = Rig::in_cluster(Options::default().api_server_env("DISABLE_HTTP2", "1"))?;
        let authority = fs::read_to_string(rig.folder.join("ca.crt"))?;
        let mut backends = Vec::new();
        for name in NAMES {
            let port = rig.cluster.port()?;
            let component = rig.cluster.component(name, env!("CARGO_BIN_EXE_writ"));
            let source = ["--own-user".into(), "admin".into(), "--kubeconfig".into(), rig.cluster.admin().into()];
            let component = component.args(rig.serve(name, port)).args::<OsString>(source);
            rig.cluster.add(component.args(arguments.iter().copied()));
            rig.cluster.launch(name)?;
            backends.push(SocketAddr::from(([127, 0, 0, 1], port)));
        }
        let pair = Self { balancer: Balancer::start(backends, &authority)?, rig };
        pair.balancer.wait(0, true)?;
        pair.balancer.wait(1, true)?;
        pair.redirect()?;
        pair.rig.cluster.stop(&pair.rig.name())?;
        let all = format!("{}{}", policies::once("CREATE, UPDATE"), policies::REPEATABLE);
        policies::govern(&pair.rig, &all, &["once", "free"])?;
        let probe =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "probe", "namespace": "default"}});
        wait_until("the policies to be in force", SOON, || {
            let output = pair.rig.cluster.kubectl(&["create", "-f", "-"], &probe.to_string())?;
            Ok(output.stderr.contains("Probed").then_some(()))
        })?;
        Ok(pair)
    }

    /// Both webhooks are called through the balancer.
    fn redirect(&self) -> Result<()> {
        for (kind, path) in [("mutatingwebhookconfiguration", "mutate"), ("validatingwebhookconfiguration", "validate")]
        {
            let url = format!("https://127.0.0.1:{}/{path}", self.balancer.port);
            let patch = json!([{"op": "replace", "path": "/webhooks/0/clientConfig/url", "value": url}]).to_string();
            self.rig.cluster.kubectl(&["patch", kind, "zz-writ", "--type=json", "-p", &patch], "")?.ok()?;
        }
        Ok(())
    }

    /// The decisions of both; what a replica that was killed did not finish writing is left out.
    pub(crate) fn decisions(&self) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        for name in NAMES {
            let log = fs::read_to_string(self.rig.cluster.log(name)?).context("the log of a replica")?;
            let lines = log.lines().filter(|line| line.contains("\"kind\":\"Decision\""));
            all.extend(lines.filter_map(|line| serde_json::from_str::<Value>(line).ok()));
        }
        Ok(all)
    }
}
