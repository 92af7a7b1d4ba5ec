//! The certificate authority from which replicas issue their serving certificates.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, Client, api::PostParams};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

use super::objects::{CA_SECRET, metadata};

const CERTIFICATE: &str = "ca.crt";
const KEY: &str = "ca.key";

/// Makes the authority unless there is one.
///
/// # Errors
/// There is one that is not usable: it is never replaced, because replicas and webhook configurations trust it.
pub(super) async fn ensure(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    if let Some(secret) = secrets.get_opt(CA_SECRET).await? {
        check(&secret)?;
        println!("certificate authority: secret `{CA_SECRET}` is there and stays as it is");
        return Ok(());
    }
    secrets.create(&PostParams::default(), &generate()?).await?;
    println!("certificate authority: made secret `{CA_SECRET}`, valid for ten years");
    Ok(())
}

/// The authority's certificate, PEM.
///
/// # Errors
/// The Secret is missing or unusable.
pub(super) async fn certificate(client: &Client, namespace: &str) -> anyhow::Result<String> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = secrets.get_opt(CA_SECRET).await?.with_context(|| {
        format!(
            "secret `{CA_SECRET}` is missing in namespace `{namespace}`: run `helm upgrade`, whose first hook makes it"
        )
    })?;
    check(&secret)?;
    Ok(text(&secret, CERTIFICATE).unwrap_or_default().to_owned())
}

fn generate() -> anyhow::Result<Secret> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Writ webhook authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // A day back, for clocks that differ.
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let (first, last) = (today.checked_sub(1.day())?, today.checked_add(10.years())?);
    params.not_before = date_time_ymd(first.year().into(), u8::try_from(first.month())?, u8::try_from(first.day())?);
    params.not_after = date_time_ymd(last.year().into(), u8::try_from(last.month())?, u8::try_from(last.day())?);
    let certificate = params.self_signed(&key)?;
    let data = [(CERTIFICATE, certificate.pem()), (KEY, key.serialize_pem())];
    Ok(Secret {
        metadata: metadata(CA_SECRET),
        immutable: Some(true),
        type_: Some("Opaque".to_owned()),
        data: Some(data.map(|(name, pem)| (name.to_owned(), ByteString(pem.into_bytes()))).into()),
        ..Secret::default()
    })
}

fn check(secret: &Secret) -> anyhow::Result<()> {
    let usable = || -> anyhow::Result<()> {
        let certificate = text(secret, CERTIFICATE).with_context(|| format!("`{CERTIFICATE}` is missing"))?;
        let key = KeyPair::from_pem(text(secret, KEY).with_context(|| format!("`{KEY}` is missing"))?)?;
        let public = rcgen::PublicKeyData::subject_public_key_info(&key);
        Issuer::from_ca_cert_pem(certificate, key)?;
        if !contains(&der(certificate)?, &public) {
            bail!("`{CERTIFICATE}` is not the certificate of `{KEY}`");
        }
        Ok(())
    };
    usable().with_context(|| {
        format!(
            "secret `{CA_SECRET}` is not a usable certificate authority: restore it, or delete it so that the next \
             `helm upgrade` makes another one (replicas must then be restarted)"
        )
    })
}

/// A certificate contains the SubjectPublicKeyInfo of its key byte for byte.
fn contains(certificate: &[u8], public: &[u8]) -> bool {
    certificate.windows(public.len()).any(|window| window == public)
}

fn der(pem: &str) -> anyhow::Result<Vec<u8>> {
    use rustls::pki_types::pem::PemObject as _;
    let der = rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes());
    Ok(der.map_err(|error| anyhow::anyhow!("`{CERTIFICATE}` is no certificate in PEM: {error}"))?.to_vec())
}

fn text<'a>(secret: &'a Secret, name: &str) -> Option<&'a str> {
    let data: &BTreeMap<String, ByteString> = secret.data.as_ref()?;
    std::str::from_utf8(&data.get(name)?.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_authority_is_usable_and_another_key_beside_it_is_not() -> anyhow::Result<()> {
        let secret = generate()?;
        check(&secret)?;
        for (name, value) in [(KEY, KeyPair::generate()?.serialize_pem()), (CERTIFICATE, "x".to_owned())] {
            let mut broken = secret.clone();
            broken.data.as_mut().unwrap().insert(name.to_owned(), ByteString(value.into_bytes()));
            let error = format!("{:#}", check(&broken).unwrap_err());
            assert!(error.contains("restore it, or delete it"), "{error}");
        }
        let mut half = secret;
        half.data.as_mut().unwrap().remove(KEY);
        assert!(check(&half).is_err());
        Ok(())
    }
}
