use std::{sync::Arc, time::Instant};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use tokio::time::{sleep, timeout};

use super::{
    Controller,
    lease::{DURATION, INTERVAL, NAME, Observer, Record, Step},
};

/// Looks at the lease for ever, and leads while it is ours.
pub(super) async fn run(controller: Arc<Controller>) {
    let mut observer = Observer::default();
    loop {
        let asked = Instant::now();
        match timeout(INTERVAL, turn(&controller, &mut observer)).await {
            Ok(Ok(true)) => {
                if !controller.leadership.is_held(asked) {
                    tracing::info!(replica = controller.settings.replica, "leading: this replica writes status");
                }
                controller.leadership.hold(asked);
                controller.nudge_status();
            }
            Ok(Ok(false)) => controller.leadership.lose(),
            // Whoever leads goes on until the deadline of the last renewal.
            Ok(Err(error)) => tracing::warn!(error = %error, "the lease could not be looked at"),
            Err(_) => tracing::warn!("the lease could not be looked at in time"),
        }
        controller.metrics.leader.set(i64::from(controller.leadership.is_held(Instant::now())));
        sleep(INTERVAL).await;
    }
}

/// Gives the lease back, so that another replica need not wait.
pub(super) async fn release(controller: &Controller) {
    if !controller.leadership.is_held(Instant::now()) {
        return;
    }
    controller.leadership.lose();
    let api = api(controller);
    let Ok(Some(mut lease)) = api.get_opt(NAME).await else { return };
    let spec = lease.spec.get_or_insert_default();
    if spec.holder_identity.as_deref() == Some(controller.settings.replica.as_str()) {
        spec.holder_identity = None;
        if let Err(error) = api.replace(NAME, &PostParams::default(), &lease).await {
            tracing::debug!(error = %error, "the lease was not given back");
        }
    }
}

async fn turn(controller: &Controller, observer: &mut Observer) -> Result<bool, kube::Error> {
    let api = api(controller);
    let found = api.get_opt(NAME).await?;
    let own = controller.settings.replica.as_str();
    let written = match (observer.step(found.as_ref().map(record).as_ref(), own, Instant::now()), found) {
        (Step::Wait, _) => return Ok(false),
        (Step::Create, _) | (_, None) => {
            api.create(&PostParams::default(), &renewed(Lease::default(), controller)).await
        }
        (Step::Renew | Step::Take, Some(lease)) => {
            api.replace(NAME, &PostParams::default(), &renewed(lease, controller)).await
        }
    };
    match written {
        Ok(_) => Ok(true),
        // Another replica was faster.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

fn api(controller: &Controller) -> Api<Lease> {
    Api::namespaced(controller.client.clone(), &controller.settings.namespace)
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    Record {
        holder: spec.holder_identity.unwrap_or_default(),
        duration: spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(DURATION, std::time::Duration::from_secs),
        resource_version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}

fn renewed(mut lease: Lease, controller: &Controller) -> Lease {
    let own = controller.settings.replica.clone();
    // Shown to people, never compared.
    let now = k8s_openapi::jiff::Timestamp::from_millisecond(controller.time().as_millis()).ok().map(MicroTime);
    lease.metadata = ObjectMeta { name: Some(NAME.to_owned()), ..lease.metadata };
    let spec = lease.spec.get_or_insert_with(LeaseSpec::default);
    if spec.holder_identity.as_deref() != Some(own.as_str()) {
        spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0).saturating_add(1));
        spec.acquire_time = now.clone();
    }
    spec.holder_identity = Some(own);
    spec.lease_duration_seconds = i32::try_from(DURATION.as_secs()).ok();
    spec.renew_time = now;
    lease
}
