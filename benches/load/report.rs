use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

/// Everything that was measured. `schema` grows when a field changes its meaning.
#[derive(Serialize)]
pub(crate) struct Report {
    schema: u32,
    setting: Setting,
    targets: Vec<Measured>,
}

/// What was asked for.
#[derive(Serialize)]
pub(crate) struct Setting {
    pub(crate) protocol: String,
    pub(crate) calls: String,
    pub(crate) connections: usize,
    pub(crate) streams: usize,
    pub(crate) count: usize,
    pub(crate) rate: Option<f64>,
    pub(crate) object_bytes: usize,
}

#[derive(Serialize)]
struct Measured {
    name: String,
    /// The median over the rounds of each number.
    median: BTreeMap<&'static str, f64>,
    /// The same, divided by the first target's.
    ratio: BTreeMap<&'static str, f64>,
    rounds: Vec<Round>,
}

/// One round of one target.
#[derive(Default, Serialize)]
pub(crate) struct Round {
    pub(crate) round: usize,
    pub(crate) seconds: f64,
    pub(crate) changes: usize,
    pub(crate) denied: usize,
    pub(crate) failed: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_failure: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_us_per_change: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resident_kb: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) peak_kb: Option<u64>,
    mutate_us: Quantiles,
    validate_us: Quantiles,
    #[serde(skip)]
    pub(crate) mutate: Vec<Duration>,
    #[serde(skip)]
    pub(crate) validate: Vec<Duration>,
}

/// Latencies in microseconds; zeros where nothing was measured.
#[derive(Clone, Copy, Default, Serialize)]
struct Quantiles {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

impl Quantiles {
    fn of(latencies: &mut [Duration]) -> Self {
        latencies.sort_unstable();
        let at = |quantile: f64| {
            let rank = (quantile * latencies.len() as f64).ceil() as usize;
            latencies.get(rank.saturating_sub(1)).map_or(0.0, |latency| (latency.as_secs_f64() * 1e7).round() / 10.0)
        };
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1.0) }
    }
}

impl Round {
    /// Adds what another worker measured.
    pub(crate) fn join(&mut self, other: Self) {
        self.denied += other.denied;
        self.failed += other.failed;
        self.first_failure = self.first_failure.take().or(other.first_failure);
        self.mutate.extend(other.mutate);
        self.validate.extend(other.validate);
    }

    pub(crate) fn fail(&mut self, error: &anyhow::Error) {
        self.failed += 1;
        self.first_failure.get_or_insert_with(|| format!("{error:#}"));
    }

    /// Makes numbers of latencies.
    pub(crate) fn settle(&mut self) {
        self.changes = self.mutate.len();
        self.mutate_us = Quantiles::of(&mut self.mutate);
        self.validate_us = Quantiles::of(&mut self.validate);
    }

    fn numbers(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let per_second = if self.seconds > 0.0 { self.changes as f64 / self.seconds } else { 0.0 };
        [
            ("changes_per_second", Some(per_second)),
            ("cpu_us_per_change", self.cpu_us_per_change),
            ("resident_kb", self.resident_kb.map(|kilobytes| kilobytes as f64)),
            ("mutate_p50_us", Some(self.mutate_us.p50)),
            ("mutate_p99_us", Some(self.mutate_us.p99)),
            ("validate_p50_us", Some(self.validate_us.p50)),
            ("validate_p99_us", Some(self.validate_us.p99)),
        ]
        .into_iter()
        .filter_map(|(name, number)| Some((name, number?)))
    }
}

impl Report {
    pub(crate) fn new(setting: Setting, targets: impl Iterator<Item = String>) -> Self {
        let targets = targets
            .map(|name| Measured { name, median: BTreeMap::new(), ratio: BTreeMap::new(), rounds: Vec::new() })
            .collect();
        Self { schema: 1, setting, targets }
    }

    pub(crate) fn add(&mut self, target: &str, round: Round) {
        if let Some(measured) = self.targets.iter_mut().find(|measured| measured.name == target) {
            measured.rounds.push(round);
        }
    }

    /// Denied and failed changes, of targets that have any, and why the first one failed.
    pub(crate) fn faults(&self) -> BTreeMap<&str, (usize, usize, Option<&str>)> {
        let sums = self.targets.iter().map(|measured| {
            let rounds = &measured.rounds;
            let denied: usize = rounds.iter().map(|round| round.denied).sum();
            let failed: usize = rounds.iter().map(|round| round.failed).sum();
            let first = rounds.iter().find_map(|round| round.first_failure.as_deref());
            (measured.name.as_str(), (denied, failed, first))
        });
        sums.filter(|(_, (denied, failed, _))| (*denied, *failed) != (0, 0)).collect()
    }

    /// Computes medians and ratios.
    pub(crate) fn finish(&mut self) {
        for measured in &mut self.targets {
            let mut numbers: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
            for (name, number) in measured.rounds.iter().flat_map(Round::numbers) {
                numbers.entry(name).or_default().push(number);
            }
            measured.median = numbers.into_iter().map(|(name, numbers)| (name, median(numbers))).collect();
        }
        let first = self.targets.first().map(|measured| measured.median.clone()).unwrap_or_default();
        for measured in &mut self.targets {
            let ratio = |(name, number): (&&'static str, &f64)| {
                let base = first.get(name).filter(|base| **base > 0.0)?;
                Some((*name, (number / base * 1000.0).round() / 1000.0))
            };
            measured.ratio = measured.median.iter().filter_map(ratio).collect();
        }
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    let upper = numbers.get(middle).copied().unwrap_or_default();
    if numbers.len() % 2 == 1 {
        return upper;
    }
    (upper + numbers.get(middle.wrapping_sub(1)).copied().unwrap_or(upper)) / 2.0
}
