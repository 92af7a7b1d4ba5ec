use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams},
};
use tokio::time::{sleep, timeout};

use super::{
    Controller,
    replicas::{HEARTBEAT, LABEL, LABEL_VALUE, NAME_PREFIX, Report},
    status,
};
use crate::runtime::Snapshot;

/// How often it is looked whether there is something new to report.
const LOOK: Duration = Duration::from_millis(500);
/// The least time between two reports.
const PAUSE: Duration = Duration::from_millis(200);
const LIMIT: Duration = Duration::from_secs(5);
/// How often the leader looks for reports of replicas that are gone.
pub(super) const CLEAN_EVERY: Duration = Duration::from_secs(10);

/// Reports for ever: what is new soon, and that this replica is alive every ten seconds.
pub(super) async fn run(controller: Arc<Controller>) {
    let mut told: Option<(Report, Instant)> = None;
    let mut versions: (Option<Arc<Snapshot>>, BTreeMap<String, String>) = (None, BTreeMap::new());
    loop {
        let _ = timeout(LOOK, controller.report_nudges.notified()).await;
        let Some(report) = report(&controller, &mut versions) else { continue };
        let now = Instant::now();
        if told.as_ref().is_some_and(|(old, at)| old.says_the_same(&report) && now.duration_since(*at) < HEARTBEAT) {
            continue;
        }
        match timeout(LIMIT, write(&controller, &report)).await {
            Ok(Ok(())) => told = Some((report, now)),
            Ok(Err(error)) => tracing::warn!(error = %error, "this replica's report could not be written"),
            Err(_) => tracing::warn!("this replica's report could not be written in time"),
        }
        sleep(PAUSE).await;
    }
}

/// Removes this replica's report: a replica that is gone has nothing in force.
pub(super) async fn retire(controller: &Controller) {
    let name = format!("{NAME_PREFIX}{}", controller.settings.replica);
    if let Err(error) = api(controller).delete(&name, &DeleteParams::default()).await {
        tracing::debug!(error = %error, "this replica's report was not removed");
    }
}

/// Removes the reports of replicas that have been silent for long.
pub(super) async fn remove_stale(controller: &Controller) {
    for replica in controller.replicas.removable(Instant::now()) {
        tracing::info!(replica, "removing the report of a replica that is gone");
        let name = format!("{NAME_PREFIX}{replica}");
        if let Err(error) = api(controller).delete(&name, &DeleteParams::default()).await {
            tracing::warn!(replica, error = %error, "the report of a replica that is gone was not removed");
        }
    }
}

fn report(controller: &Controller, versions: &mut (Option<Arc<Snapshot>>, BTreeMap<String, String>)) -> Option<Report> {
    let view = controller.view()?;
    if versions.0.as_ref().is_none_or(|last| !Arc::ptr_eq(last, &view.snapshot)) {
        let lines = view.state.bindings.iter().filter_map(|entry| {
            let kept = entry.decision.in_force.as_ref()?;
            Some((entry.binding.name.clone(), status::line(entry, &kept.policy)))
        });
        *versions = (Some(Arc::clone(&view.snapshot)), lines.collect());
    }
    Some(Report {
        replica: controller.settings.replica.clone(),
        set_digest: view.snapshot.set.digest().to_string(),
        ready: controller.faults().is_empty(),
        heartbeat: controller.time().to_string(),
        versions: versions.1.clone(),
    })
}

async fn write(controller: &Controller, report: &Report) -> Result<(), kube::Error> {
    let name = format!("{NAME_PREFIX}{}", report.replica);
    let object = ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            labels: Some([(LABEL.to_owned(), LABEL_VALUE.to_owned())].into()),
            ..ObjectMeta::default()
        },
        data: Some(report.to_data()),
        ..ConfigMap::default()
    };
    let params = PatchParams::apply("writ").force();
    api(controller).patch(&name, &params, &Patch::Apply(&object)).await.map(|_| ())
}

fn api(controller: &Controller) -> Api<ConfigMap> {
    Api::namespaced(controller.client.clone(), &controller.settings.namespace)
}
