//! The gate without a cluster: for each of its checks a request that passes all others.

mod attested;
mod once;
mod recorded;
mod rig;
mod ungoverned;

use serde_json::Value as Json;

use rig::{Given, Rig, Told};

/// One request on its way through both webhooks.
struct Row {
    /// The request as the user sends it.
    request: fn() -> Json,
    /// What the replica that mutates knows.
    first: fn(&mut Given),
    /// What is different when the other one validates.
    later: fn(&mut Given, &mut Json),
    /// The reason of the denial; empty for an allow.
    reason: &'static str,
    /// A part of its message.
    says: &'static str,
}

/// Sends a request through a mutating replica and then through a validating one.
async fn through(request: fn() -> Json, first: fn(&mut Given), later: fn(&mut Given, &mut Json)) -> Told {
    let (mut given, mut request) = (Given::default(), request());
    first(&mut given);
    if !request["object"].is_null() {
        Rig::new(&given).mutate(&mut request).await;
    }
    later(&mut given, &mut request);
    Rig::new(&given).validate(&request).await
}

/// What the rows come to is what they say.
async fn hold(rows: &[Row]) {
    for (index, row) in rows.iter().enumerate() {
        let told = through(row.request, row.first, row.later).await;
        assert_eq!(told.reason, row.reason, "row {index} ({}): {told:#?}", row.says);
        assert!(told.message.contains(row.says), "row {index}: {}", told.message);
        let again = matches!(row.reason, "PolicySetChanged").then_some(1);
        assert_eq!(told.retry, again, "row {index}");
    }
}
