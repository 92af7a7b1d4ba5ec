//! What an attestation costs: signing, verifying, and the compact form, over a Deployment's creation.
#![expect(clippy::unwrap_used, reason = "a benchmark stops at what is wrong")]

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use writ::{
    attest::{Compact, Envelope, Statement},
    keyring::Keyring,
    sign::Signer,
    verify::Verifier,
};

const STATEMENT: &[u8] = include_bytes!("../tests/vectors/attest/create.statement.json");
const KEY: &str = include_str!("../tests/vectors/attest/test-key-1.pem");
const KEYRING: &str = include_str!("../tests/vectors/attest/keyring.json");

fn attest(criterion: &mut Criterion) {
    let signer = Signer::from_pkcs8_pem(KEY).unwrap();
    let keyring = Keyring::parse(KEYRING).unwrap();
    let statement = Statement::parse(STATEMENT).unwrap();
    let signed = signer.sign(statement.clone()).unwrap();
    let (compact, json) = (signed.compact(), signed.envelope().to_json());
    let now = statement.predicate.issued_at;
    let (offline, admission) = (Verifier::offline(&keyring), Verifier::at(&keyring, now, Duration::from_secs(5)));

    let mut group = criterion.benchmark_group("attest");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode the statement", |b| b.iter(|| black_box(&statement).encode().unwrap()));
    group.bench_function("sign, both forms", |b| b.iter(|| signer.sign(black_box(statement.clone())).unwrap()));
    group.bench_function("encode the compact form", |b| b.iter(|| black_box(signed.envelope()).to_compact().unwrap()));
    group.bench_function("expand the compact form, unverified", |b| {
        b.iter(|| Compact::parse(black_box(compact)).unwrap().expand(signer.key_id()).unwrap());
    });
    group.bench_function("verify the compact form at admission", |b| {
        b.iter(|| admission.verify_compact(black_box(compact)).unwrap());
    });
    group.bench_function("verify an envelope offline", |b| {
        b.iter(|| offline.verify_envelope(Envelope::parse(black_box(json.as_bytes())).unwrap()).unwrap());
    });
    group.finish();
}

criterion_group!(benches, attest);
criterion_main!(benches);
