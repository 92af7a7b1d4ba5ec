//! The certificate authority from which replicas issue their serving certificates.

use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, Client, api::PostParams};

use super::objects::{CA_SECRET, metadata};
use crate::{
    clock::{Clock as _, SystemClock},
    time::Timestamp,
    webhook::certificate,
};

const CERTIFICATE: &str = "ca.crt";
const KEY: &str = "ca.key";
const DAY: Duration = Duration::from_secs(86_400);
/// Ten years.
const LIFE: Duration = Duration::from_secs(3653 * 86_400);

/// Makes the authority unless there is one.
///
/// # Errors
/// There is one that is not usable: it is never replaced, because replicas and webhook configurations trust it.
pub(super) async fn ensure(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let now = SystemClock.now()?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    if let Some(secret) = secrets.get_opt(CA_SECRET).await? {
        check(&secret, now)?;
        println!("certificate authority: secret `{CA_SECRET}` is there and stays as it is");
        return Ok(());
    }
    secrets.create(&PostParams::default(), &generate(now)?).await?;
    println!("certificate authority: made secret `{CA_SECRET}`, valid for ten years");
    Ok(())
}

/// The authority's certificate, PEM.
///
/// # Errors
/// The Secret is missing or unusable.
pub(super) async fn certificate(client: &Client, namespace: &str) -> anyhow::Result<Vec<u8>> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = secrets.get_opt(CA_SECRET).await?.with_context(|| {
        format!(
            "secret `{CA_SECRET}` is missing in namespace `{namespace}`: run `helm upgrade`, whose first hook makes it"
        )
    })?;
    check(&secret, SystemClock.now()?)?;
    Ok(field(&secret, CERTIFICATE).to_vec())
}

fn generate(now: Timestamp) -> anyhow::Result<Secret> {
    let made = certificate::authority("Writ webhook authority", LIFE, now)?;
    let data = [(CERTIFICATE, made.certificate.as_bytes()), (KEY, made.key.as_bytes())];
    Ok(Secret {
        metadata: metadata(CA_SECRET),
        immutable: Some(true),
        type_: Some("Opaque".to_owned()),
        data: Some(data.map(|(name, pem)| (name.to_owned(), ByteString(pem.to_vec()))).into()),
        ..Secret::default()
    })
}

/// Usable is what a replica can issue from.
fn check(secret: &Secret, now: Timestamp) -> anyhow::Result<()> {
    let names = ["writ.writ.svc".to_owned()];
    certificate::issue(field(secret, CERTIFICATE), field(secret, KEY), &names, DAY, now).with_context(|| {
        format!(
            "secret `{CA_SECRET}` is not a usable certificate authority: restore it, or delete it so that the next \
             `helm upgrade` makes another one (replicas must then be restarted)"
        )
    })?;
    Ok(())
}

fn field<'a>(secret: &'a Secret, name: &str) -> &'a [u8] {
    let found = secret.data.as_ref().and_then(|data| data.get(name));
    found.map(|bytes| bytes.0.as_slice()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn a_made_authority_is_usable_for_ten_years_and_another_key_beside_it_is_not() -> anyhow::Result<()> {
        let secret = generate(NOW)?;
        check(&secret, NOW)?;
        check(&secret, NOW.plus(DAY * 3650))?;
        assert!(check(&secret, NOW.plus(DAY * 3654)).is_err());
        let other = generate(NOW)?;
        for (name, value) in [(KEY, field(&other, KEY)), (CERTIFICATE, b"x"), (KEY, b"")] {
            let mut broken = secret.clone();
            broken.data.get_or_insert_default().insert(name.to_owned(), ByteString(value.to_vec()));
            let Err(error) = check(&broken, NOW) else { panic!("`{name}` was accepted") };
            assert!(error.to_string().contains("restore it, or delete it"), "{error}");
        }
        Ok(())
    }
}
