//! Which trace a bucket's newest value came from, so that from a slow bucket one gets to a slow turn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, SharedString, Unit};
use metrics_exporter_prometheus::PrometheusRecorder;

use crate::metric;
use crate::trace_context::current_sampled_trace_id;

/// A value, and the trace in which it was measured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Exemplar {
    pub trace_id: String,
    pub value: f64,
    /// Since 1970.
    pub at_seconds: f64,
}

/// The newest exemplar of each bucket. Clones share them. As many series as the histograms have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exemplars {
    series: Arc<Mutex<HashMap<Key, Vec<Option<Exemplar>>>>>,
}

impl Exemplars {
    /// Those that there are, with the bound of their bucket; `None` is the last one, which has no bound.
    pub fn each(&self, mut take: impl FnMut(&Key, Option<f64>, &Exemplar)) {
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, buckets) in series.iter() {
            let bounds = metric::buckets(key.name()).iter().copied().map(Some).chain([None]);
            for (bound, exemplar) in bounds.zip(buckets) {
                if let Some(exemplar) = exemplar {
                    take(key, bound, exemplar);
                }
            }
        }
    }

    fn keep(&self, key: &Key, exemplar: Exemplar) {
        let bounds = metric::buckets(key.name());
        let bucket = bounds.partition_point(|bound| *bound < exemplar.value);
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let buckets = series.entry(key.clone()).or_insert_with(|| vec![None; bounds.len() + 1]);
        if let Some(place) = buckets.get_mut(bucket) {
            *place = Some(exemplar);
        }
    }
}

/// Prometheus' recorder, which keeps no exemplars, and they beside it.
pub(crate) struct Recorder {
    inner: PrometheusRecorder,
    exemplars: Exemplars,
}

impl Recorder {
    pub const fn new(inner: PrometheusRecorder, exemplars: Exemplars) -> Self {
        Self { inner, exemplars }
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.inner.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.inner.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Series {
            inner: self.inner.register_histogram(key, metadata),
            key: key.to_retained(),
            exemplars: self.exemplars.clone(),
        }))
    }
}

struct Series {
    inner: Histogram,
    key: Key,
    exemplars: Exemplars,
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        self.inner.record(value);
        if let Some(trace_id) = current_sampled_trace_id() {
            let at_seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
            self.exemplars.keep(&self.key, Exemplar { trace_id, value, at_seconds });
        }
    }
}
