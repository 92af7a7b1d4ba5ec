//! What the replicas report about themselves, each in one small ConfigMap: what is in force there, and whether it is
//! ready. The leader sums it up.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::ConfigMap;

use super::observed::Update;

/// The label by which these ConfigMaps are found.
pub const LABEL: &str = "writ.dev/record";
/// Its value.
pub const LABEL_VALUE: &str = "replica";
/// The beginning of their names.
pub const NAME_PREFIX: &str = "writ-replica-";
/// A report is renewed at least this often.
pub const HEARTBEAT: Duration = Duration::from_secs(10);
/// One that was not renewed for this long is of a replica that is gone.
pub const STALE_AFTER: Duration = Duration::from_secs(35);
/// Then it is removed.
pub const REMOVED_AFTER: Duration = Duration::from_secs(90);
/// More text than this is left out: then only the digest of the whole set counts.
pub const MAX_VERSIONS_BYTES: usize = 256 * 1024;

/// A replica's report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The replica's name.
    pub replica: String,
    /// Digest of all that is in force there.
    pub set_digest: String,
    /// Whether it decides.
    pub ready: bool,
    /// When it was written, by the replica's clock; only ever compared with the one before.
    pub heartbeat: String,
    /// Per binding: what is in force there; see [`version_line`].
    pub versions: BTreeMap<String, String>,
}

/// What is in force for a binding in one line: `<uid> <generation> <id>.<version> <digest>`, the digest shortened.
#[must_use]
pub fn version_line(uid: &str, generation: i64, policy: &str, digest: &str) -> String {
    let short: String = digest.trim_start_matches("sha256:").chars().take(16).collect();
    format!("{uid} {generation} {policy} {short}")
}

impl Report {
    /// The data of the ConfigMap.
    #[must_use]
    pub fn to_data(&self) -> BTreeMap<String, String> {
        let mut versions = String::new();
        for (binding, line) in &self.versions {
            versions.push_str(&format!("{binding} {line}\n"));
        }
        if versions.len() > MAX_VERSIONS_BYTES {
            versions.clear();
        }
        [
            ("replica", self.replica.clone()),
            ("setDigest", self.set_digest.clone()),
            ("ready", self.ready.to_string()),
            ("heartbeat", self.heartbeat.clone()),
            ("versions", versions),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// Reads a ConfigMap; what is missing or strange in it counts as not ready.
    #[must_use]
    pub fn read(object: ConfigMap) -> Self {
        let data = object.data.unwrap_or_default();
        let text = |key: &str| data.get(key).cloned().unwrap_or_default();
        let name = object.metadata.name.unwrap_or_default();
        let lines = data.get("versions").map(String::as_str).unwrap_or_default().lines();
        Self {
            replica: name.strip_prefix(NAME_PREFIX).unwrap_or(&name).to_owned(),
            set_digest: text("setDigest"),
            ready: text("ready") == "true",
            heartbeat: text("heartbeat"),
            versions: lines
                .filter_map(|line| line.split_once(' '))
                .map(|(binding, line)| (binding.to_owned(), line.to_owned()))
                .collect(),
        }
    }

    /// Whether the same but for the heartbeat.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.set_digest == other.set_digest && self.ready == other.ready && self.versions == other.versions
    }
}

/// The reports that the watch has shown, with the time of their last renewal by this process's own clock: clocks of
/// replicas are never compared.
#[derive(Debug, Default)]
pub struct Replicas(Mutex<BTreeMap<String, (Report, Instant)>>);

impl Replicas {
    /// Takes a change in.
    pub fn apply(&self, update: Update<Report>, now: Instant) {
        let mut known = self.known();
        let mut set = |report: Report| match known.get_mut(&report.replica) {
            Some((old, _)) if *old == report => {}
            _ => {
                known.insert(report.replica.clone(), (report, now));
            }
        };
        match update {
            Update::Set(report) => set(report),
            Update::Remove(report) => {
                known.remove(&report.replica);
            }
            Update::Replace(reports) => {
                let names: std::collections::BTreeSet<String> =
                    reports.iter().map(|report| report.replica.clone()).collect();
                reports.into_iter().for_each(&mut set);
                known.retain(|name, _| names.contains(name));
            }
        }
    }

    /// The reports of replicas that are alive.
    #[must_use]
    pub fn live(&self, now: Instant) -> Vec<Report> {
        let known = self.known();
        let live = known.values().filter(|(_, renewed)| now.saturating_duration_since(*renewed) <= STALE_AFTER);
        live.map(|(report, _)| report.clone()).collect()
    }

    /// The names of replicas whose reports are to be removed.
    #[must_use]
    pub fn removable(&self, now: Instant) -> Vec<String> {
        let known = self.known();
        let old = known.iter().filter(|(_, (_, renewed))| now.saturating_duration_since(*renewed) > REMOVED_AFTER);
        old.map(|(name, _)| name.clone()).collect()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, (Report, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(replica: &str, heartbeat: &str) -> Report {
        Report {
            replica: replica.to_owned(),
            set_digest: "sha256:1".to_owned(),
            ready: true,
            heartbeat: heartbeat.to_owned(),
            versions: [("b".to_owned(), version_line("u", 2, "p.v1", "sha256:00112233445566778899aabb"))].into(),
        }
    }

    #[test]
    fn a_report_survives_its_config_map() {
        let own = report("writ-0", "t");
        let object = ConfigMap {
            metadata: kube::api::ObjectMeta { name: Some("writ-replica-writ-0".to_owned()), ..Default::default() },
            data: Some(own.to_data()),
            ..ConfigMap::default()
        };
        assert_eq!(Report::read(object), own);
        assert_eq!(own.versions["b"], "u 2 p.v1 0011223344556677");
        assert!(!Report::read(ConfigMap::default()).ready);
    }

    #[test]
    fn too_many_versions_are_left_out() {
        let mut own = report("writ-0", "t");
        own.versions = (0..5000).map(|index| (format!("binding-{index}"), "x".repeat(60))).collect();
        assert_eq!(own.to_data()["versions"], "");
    }

    #[test]
    fn a_replica_that_is_silent_is_forgotten() {
        let replicas = Replicas::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        replicas.apply(Update::Replace(vec![report("a", "1"), report("b", "1")]), start);
        replicas.apply(Update::Set(report("a", "2")), after(30));
        replicas.apply(Update::Set(report("b", "1")), after(30));
        let live = |seconds| replicas.live(after(seconds)).into_iter().map(|report| report.replica).collect::<Vec<_>>();
        assert_eq!(live(35), ["a", "b"]);
        assert_eq!(live(36), ["a"], "the same heartbeat is no renewal");
        assert_eq!(replicas.removable(after(91)), ["b"]);
        replicas.apply(Update::Remove(report("b", "1")), after(92));
        assert!(replicas.removable(after(110)).is_empty());
    }
}
