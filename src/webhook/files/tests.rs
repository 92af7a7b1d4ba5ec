use std::path::Path;

use super::{
    super::certificate::{Issued, authority, issue},
    *,
};
use crate::{clock::ManualClock, metrics::Metrics};

const DAY: Duration = Duration::from_secs(86_400);

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

struct Place {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    metrics: Arc<Metrics>,
    reload: Reload,
}

impl Place {
    fn new() -> Self {
        let (clock, metrics) = (Arc::new(ManualClock::new(now())), Arc::new(Metrics::default()));
        let reload = Reload { clock: Arc::clone(&clock) as Arc<dyn Clock>, metrics: metrics.webhook.clone() };
        Self { folder: tempfile::tempdir().unwrap(), clock, metrics, reload }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn counts(&self, cause: &'static str) -> (u64, u64) {
        let (labels, metrics) = (CauseLabels { cause }, &self.metrics.webhook);
        (metrics.reloads.get_or_create(&labels).get(), metrics.reload_faults.get_or_create(&labels).get())
    }
}

fn leaf(ca: &Issued, life: Duration) -> Issued {
    issue(ca.certificate.as_bytes(), ca.key.as_bytes(), &["a.b".to_owned()], life, now()).unwrap()
}

#[test]
fn a_new_pair_is_used_when_it_is_whole_and_a_bad_one_never() {
    let place = Place::new();
    let ca = authority("ca", DAY * 100, now()).unwrap();
    let (old, new) = (leaf(&ca, DAY * 10), leaf(&ca, DAY * 20));
    let (certificate, key) = (place.write("tls.crt", &old.certificate), place.write("tls.key", &old.key));
    let (serving, mut follower) = certificate_from_files(certificate, key, now()).unwrap();
    let (first, second) = (now().plus(DAY * 10), now().plus(DAY * 20));
    let mut steps = |change: &dyn Fn(), expires: Timestamp, counts: (u64, u64), what: &str| {
        change();
        for _ in 0..4 {
            follower.step(&place.reload);
        }
        assert_eq!(serving.not_after(), expires, "{what}");
        assert_eq!(place.counts("certificate"), counts, "{what}");
        let expiry = place.metrics.webhook.certificate_expiry.get();
        assert_eq!(expiry, expires.as_millis() / 1000, "{what}");
    };
    let write = |name: &str, text: &str| {
        place.write(name, text);
    };
    steps(&|| {}, first, (0, 0), "nothing changed");
    steps(&|| write("tls.crt", &new.certificate), first, (0, 1), "half of a pair");
    steps(&|| write("tls.key", &new.key), second, (1, 1), "the other half");
    steps(&|| write("tls.crt", "nonsense"), second, (1, 2), "not a certificate");
    steps(&|| fs::remove_file(place.path("tls.key")).unwrap(), second, (1, 3), "a file is gone");
    steps(&|| write("tls.key", &old.key), second, (1, 4), "a key for nothing");
    steps(&|| write("tls.crt", &old.certificate), first, (2, 4), "back to the first pair");
    steps(&|| place.clock.set(now().plus(DAY * 11)), first, (2, 4), "time alone changes no file");
    steps(&|| write("tls.crt", &leaf(&ca, DAY * 5).certificate), first, (2, 5), "expired");
}

#[test]
fn a_change_is_not_used_before_it_is_steady() {
    let place = Place::new();
    let ca = authority("ca", DAY * 100, now()).unwrap();
    let (old, new) = (leaf(&ca, DAY * 10), leaf(&ca, DAY * 20));
    let (certificate, key) = (place.write("tls.crt", &old.certificate), place.write("tls.key", &old.key));
    let (serving, mut follower) = certificate_from_files(certificate, key, now()).unwrap();
    place.write("tls.crt", &new.certificate);
    follower.step(&place.reload);
    place.write("tls.key", &new.key);
    follower.step(&place.reload);
    assert_eq!(place.counts("certificate"), (0, 0), "a pair in the making is no fault");
    follower.step(&place.reload);
    assert_eq!(place.counts("certificate"), (1, 0));
    assert!(serving.not_after() > now().plus(DAY * 15));
}

#[test]
fn an_issued_certificate_is_renewed_at_two_thirds_and_with_its_authority() {
    let place = Place::new();
    let ca = authority("ca", DAY * 100, now()).unwrap();
    let (certificate, key) = (place.write("ca.crt", &ca.certificate), place.write("ca.key", &ca.key));
    let names = vec!["a.b".to_owned()];
    let (serving, mut follower) = certificate_from_authority(certificate, key, names, DAY * 30, now()).unwrap();
    let end = |days: u32| now().plus(DAY * days);
    let mut after = |days: u32| {
        place.clock.set(now().plus(DAY * days));
        follower.step(&place.reload);
        follower.step(&place.reload);
        serving.not_after()
    };
    assert_eq!(after(19), end(30));
    assert_eq!(after(20), end(50));
    assert_eq!(after(21), end(50));
    assert_eq!(after(90), end(100), "never beyond the authority");
    let next = authority("ca", DAY * 3650, now()).unwrap();
    place.write("ca.crt", &next.certificate);
    assert_eq!(after(91), end(100), "the key is missing");
    place.write("ca.key", &next.key);
    assert_eq!(after(91), end(121), "a new authority is used at once");
    let (reloads, faults) = place.counts("certificate");
    assert_eq!(faults, 1);
    assert!(reloads >= 3, "{reloads}");
    place.clock.fail();
    follower.step(&place.reload);
    assert_eq!(serving.not_after(), end(121), "no clock, no renewal");
}

#[test]
fn files_that_cannot_be_used_are_named_at_the_start() {
    let place = Place::new();
    let ca = authority("ca", DAY, now()).unwrap();
    let (certificate, key) = (place.write("ca.crt", &ca.certificate), place.write("ca.key", &ca.key));
    let missing = place.path("none");
    let error = |result: Result<(), FileError>| result.unwrap_err().to_string();
    let files = |certificate: &Path, key: &Path| {
        certificate_from_files(certificate.to_owned(), key.to_owned(), now()).map(drop)
    };
    assert!(error(files(&missing, &key)).contains("none` cannot be read"));
    assert!(error(files(&certificate, &certificate)).contains("no private key"));
    let callers = |path: &Path, names: &[&str]| {
        callers_from_file(path.to_owned(), names.iter().map(|name| (*name).to_owned())).map(drop)
    };
    assert!(callers(&certificate, &["kube-apiserver"]).is_ok());
    for names in [&[][..], &[""]] {
        assert!(error(callers(&certificate, names)).contains("no caller is named"));
    }
    assert!(error(callers(&key, &["kube-apiserver"])).contains("cannot be read"));
}
