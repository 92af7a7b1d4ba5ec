use std::{fmt, hash::Hash};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

/// A set of labels whose values the code bounds. Made by the macro `labels!` in this module's siblings.
pub trait Labels: EncodeLabelSet + Clone + Eq + Hash + fmt::Debug + Send + Sync + 'static {
    /// The names of the labels, in the order in which they are written.
    const NAMES: &'static [&'static str];
}

/// Defines a label set: every value is a `&'static str`.
macro_rules! labels {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$about:meta])* $field:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name { $($(#[$about])* pub $field: &'static str),+ }

        impl prometheus_client::encoding::EncodeLabelSet for $name {
            fn encode(
                &self,
                encoder: &mut prometheus_client::encoding::LabelSetEncoder<'_>,
            ) -> Result<(), std::fmt::Error> {
                use prometheus_client::encoding::EncodeLabel as _;
                $((stringify!($field), self.$field).encode(encoder.encode_label())?;)+
                Ok(())
            }
        }

        impl $crate::metrics::Labels for $name {
            const NAMES: &'static [&'static str] = &[$(stringify!($field)),+];
        }
    };
}
pub(super) use labels;

/// One metric as it is documented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The name as it is scraped; of a histogram without `_bucket`, `_sum` and `_count`.
    pub name: String,
    /// `counter`, `gauge`, `histogram` or `info`.
    pub kind: &'static str,
    /// The names of its labels.
    pub labels: Vec<&'static str>,
    /// What it tells.
    pub help: &'static str,
}

/// Collects metrics while they are made. Names carry their unit (`_seconds`, `_bytes`) and the prefix `writ_`.
#[derive(Debug, Default)]
pub struct Registrar {
    registry: Registry,
    described: Vec<Described>,
}

type HistogramFamily<L> = Family<L, Histogram, fn() -> Histogram>;

impl Registrar {
    /// A counter; `name` without `_total`.
    pub fn counter(&mut self, name: &'static str, help: &'static str) -> Counter {
        let counter = Counter::default();
        self.describe(format!("{name}_total"), "counter", &[], help);
        self.registry.register(name, help, counter.clone());
        counter
    }

    /// Counters by labels; `name` without `_total`. The `known` ones are there from the start, at zero, so that their
    /// first increase can be seen as one.
    pub fn counters<L: Labels>(
        &mut self,
        name: &'static str,
        help: &'static str,
        known: impl IntoIterator<Item = L>,
    ) -> Family<L, Counter> {
        let family = Family::<L, Counter>::default();
        for labels in known {
            drop(family.get_or_create(&labels));
        }
        self.describe(format!("{name}_total"), "counter", L::NAMES, help);
        self.registry.register(name, help, family.clone());
        family
    }

    /// A gauge of whole numbers.
    pub fn gauge(&mut self, name: &'static str, help: &'static str) -> Gauge {
        let gauge = Gauge::default();
        self.describe(name.to_owned(), "gauge", &[], help);
        self.registry.register(name, help, gauge.clone());
        gauge
    }

    /// Gauges of whole numbers by labels; the `known` ones are there from the start, at zero.
    pub fn gauges<L: Labels>(
        &mut self,
        name: &'static str,
        help: &'static str,
        known: impl IntoIterator<Item = L>,
    ) -> Family<L, Gauge> {
        let family = Family::<L, Gauge>::default();
        for labels in known {
            drop(family.get_or_create(&labels));
        }
        self.describe(name.to_owned(), "gauge", L::NAMES, help);
        self.registry.register(name, help, family.clone());
        family
    }

    /// Histograms by labels; `new` makes one with its buckets. The `known` ones are there from the start.
    pub fn histograms<L: Labels>(
        &mut self,
        name: &'static str,
        help: &'static str,
        known: impl IntoIterator<Item = L>,
        new: fn() -> Histogram,
    ) -> HistogramFamily<L> {
        let family = HistogramFamily::<L>::new_with_constructor(new);
        for labels in known {
            drop(family.get_or_create(&labels));
        }
        self.describe(name.to_owned(), "histogram", L::NAMES, help);
        self.registry.register(name, help, family.clone());
        family
    }

    /// Facts that do not change while the process lives; `name` without `_info`.
    pub fn info(&mut self, name: &'static str, help: &'static str, facts: &[(&'static str, &'static str)]) {
        let labels: Vec<&'static str> = facts.iter().map(|(label, _)| *label).collect();
        self.describe(format!("{name}_info"), "info", &labels, help);
        self.registry.register(name, help, Info::new(facts.to_vec()));
    }

    /// The registry to render, and what it holds.
    #[must_use]
    pub fn finish(self) -> (Registry, Vec<Described>) {
        (self.registry, self.described)
    }

    fn describe(&mut self, name: String, kind: &'static str, labels: &[&'static str], help: &'static str) {
        self.described.push(Described { name, kind, labels: labels.to_vec(), help });
    }
}
