//! Logs, traces and metrics of a process, set up once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use aether_settings::TelemetrySettings;
use metrics_exporter_prometheus::PrometheusBuilder;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::exemplar::{Exemplars, Recorder};
use crate::exposition::Exposition;
use crate::log_layer::LogLayer;
use crate::metric;

const TRACER_NAME: &str = "aether";
/// Between two passes over the histograms: without one, samples that nobody scrapes pile up.
const UPKEEP: Duration = Duration::from_secs(5);
/// The longest wait for the last spans to leave at the end.
const FLUSH: Duration = Duration::from_secs(2);

static EXPOSITION: OnceLock<Exposition> = OnceLock::new();
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Why a process can't show itself.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error("telemetry is already set up in this process")]
    AlreadySetUp,
    #[error("the log level `{level}` can't be used")]
    LogLevel { level: String, source: tracing_subscriber::filter::ParseError },
    #[error("traces can't be exported to {endpoint}; check OTEL_EXPORTER_OTLP_ENDPOINT")]
    Exporter { endpoint: String, source: opentelemetry_otlp::ExporterBuildError },
    #[error("traces are exported from inside a tokio runtime only")]
    NoRuntime,
    #[error("metrics can't be recorded")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

/// Keeps telemetry running. Drop it last: it sends what is still on its way.
#[must_use = "dropping it ends the export of traces"]
pub struct Guard {
    provider: SdkTracerProvider,
    stopping: Arc<AtomicBool>,
    upkeep: Option<JoinHandle<()>>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(upkeep) = self.upkeep.take() {
            upkeep.thread().unpark();
            let _ = upkeep.join();
        }
        let _ = self.provider.shutdown_with_timeout(FLUSH);
    }
}

/// Starts logging to stderr, exporting traces (when an endpoint is set) and recording metrics, for the whole process.
pub fn init(settings: &TelemetrySettings, service: &str, version: &str) -> Result<Guard, InitError> {
    let provider = provider(settings, service, version)?;
    let subscriber = subscriber(settings, service, &provider, std::io::stderr)?;
    subscriber.try_init().map_err(|_| InitError::AlreadySetUp)?;
    let _ = TRACER.set(provider.tracer(TRACER_NAME));
    let recorder = metric::with_buckets(PrometheusBuilder::new())?.build_recorder();
    let (recorded, exemplars) = (recorder.handle(), Exemplars::default());
    metrics::set_global_recorder(Recorder::new(recorder, exemplars.clone())).map_err(|_| InitError::AlreadySetUp)?;
    metric::describe();
    metric::begin(service);
    let handle = recorded.clone();
    let _ = EXPOSITION.set(Exposition { recorded, exemplars });
    let stopping = Arc::new(AtomicBool::new(false));
    let upkeep = std::thread::Builder::new().name("metrics-upkeep".to_owned()).spawn({
        let stopping = stopping.clone();
        move || {
            while !stopping.load(Ordering::Relaxed) {
                std::thread::park_timeout(UPKEEP);
                handle.run_upkeep();
            }
        }
    });
    Ok(Guard { provider, stopping, upkeep: upkeep.ok() })
}

/// Where spans are made that are not of the current moment. `None` where [`init`] was not called.
pub(crate) fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

/// What `/metrics` shows. `None` where [`init`] was not called.
pub(crate) fn exposition() -> Option<&'static Exposition> {
    EXPOSITION.get()
}

/// Traces are made even when nobody collects them, so that log lines of one turn can be found by its trace id.
fn provider(settings: &TelemetrySettings, service: &str, version: &str) -> Result<SdkTracerProvider, InitError> {
    let resource = Resource::builder()
        .with_service_name(service.to_owned())
        .with_attribute(KeyValue::new("service.version", version.to_owned()))
        .with_attribute(KeyValue::new("service.namespace", "aether"))
        .build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    let Some(endpoint) = &settings.otlp_endpoint else { return Ok(builder.build()) };
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(InitError::NoRuntime);
    }
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint.expose())
        .build()
        .map_err(|source| InitError::Exporter { endpoint: endpoint.to_string(), source })?;
    Ok(builder.with_batch_exporter(exporter).build())
}

fn subscriber<W>(
    settings: &TelemetrySettings,
    service: &str,
    provider: &SdkTracerProvider,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + 'static, InitError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder()
        .parse(&settings.log_level)
        .map_err(|source| InitError::LogLevel { level: settings.log_level.clone(), source })?;
    // A trace shows our own steps; what libraries call a span would bury them. It does not depend on the log level.
    let ours = |metadata: &Metadata<'_>| metadata.target().starts_with("aether") && *metadata.level() <= Level::INFO;
    let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer(TRACER_NAME)).with_filter(filter_fn(ours));
    // Which lines are written is a matter of the level; which ids they carry is not.
    let spans = filter_fn(move |metadata| metadata.is_span() && ours(metadata));
    let logs = LogLayer::new(settings.log_format, service, writer).with_filter(filter.or(spans));
    Ok(Registry::default().with(traces).with(logs))
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Mutex;

    use aether_settings::Loader;
    use serde_json::Value;
    use tracing::{Span, info, info_span, warn};

    use super::*;
    use crate::{current_trace_id, span_from_remote, traceparent};

    /// A log that can be read back.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged by `work` under these settings.
    fn logged(format: &'static str, level: &'static str, work: impl FnOnce()) -> String {
        let environment = |name: &str| match name {
            "AETHER_LOG_FORMAT" => Some(format.to_owned()),
            "AETHER_LOG_LEVEL" => Some(level.to_owned()),
            _ => None,
        };
        let settings = Loader::new(environment, None).load(TelemetrySettings::read).unwrap();
        let log = Log::default();
        let provider = provider(&settings, "tts", "1").unwrap();
        let writer = log.clone();
        let subscriber = subscriber(&settings, "tts", &provider, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, work);
        String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
    }

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn a_json_line_carries_the_ids_of_the_spans_around_it() {
        let text = logged("json", "info", || {
            let session = span_from_remote(info_span!("session", tenant = "acme", room = %"kitchen"), Some(PARENT));
            let _session = session.entered();
            let _turn = info_span!("turn", turn_id = tracing::field::Empty, what = "secret").entered();
            Span::current().record("turn_id", "t-1");
            info!(frames = 3, "spoke\nwell");
        });
        let line: Value = serde_json::from_str(&text).unwrap();
        for (name, value) in [
            ("level", Value::from("info")),
            ("service", "tts".into()),
            ("span", "turn".into()),
            ("message", "spoke\nwell".into()),
            ("frames", 3.into()),
            ("tenant", "acme".into()),
            ("room", "kitchen".into()),
            ("turn", "t-1".into()),
            ("trace_id", TRACE.into()),
        ] {
            assert_eq!(line[name], value, "{name} in {text}");
        }
        assert_eq!(line.get("what"), None, "only ids are inherited from a span");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_text_line_is_one_line_whatever_is_in_it() {
        let text = logged("text", "info", || {
            let _turn = info_span!("turn", turn = "t-1").entered();
            warn!(error = "bad\n\u{1b}[31mforged", "it failed");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains(" WARN aether_telemetry::init::tests [turn] it failed "), "{text}");
        assert!(text.contains(r" error=bad\n\u{1b}[31mforged turn=t-1 trace_id="), "{text}");
    }

    #[test]
    fn the_level_decides_what_is_logged_and_not_what_is_traced() {
        let text = logged("text", "warn", || {
            let _turn = info_span!("turn").entered();
            info!("quiet");
            assert!(current_trace_id().is_some());
        });
        assert_eq!(text, "");
    }

    #[test]
    fn a_line_carries_its_ids_at_every_level() {
        let text = logged("json", "warn", || {
            let _job = info_span!("job", job = "j-1", tenant = "acme").entered();
            info!("quiet");
            warn!("it failed");
        });
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["job"], &line["tenant"]), (&"j-1".into(), &"acme".into()), "{text}");
        assert!(line["trace_id"].is_string(), "{text}");
    }

    #[test]
    fn a_trace_goes_on_in_another_process() {
        logged("text", "off", || {
            let (traceparent, mine) = {
                let _caller = info_span!("caller").entered();
                (traceparent().unwrap(), current_trace_id().unwrap())
            };
            assert_eq!(traceparent.split('-').nth(1), Some(mine.as_str()));
            span_from_remote(info_span!("worker"), Some(&traceparent)).in_scope(|| {
                assert_eq!(current_trace_id(), Some(mine.clone()));
                info_span!("step").in_scope(|| assert_eq!(current_trace_id(), Some(mine)));
            });
        });
    }

    #[test]
    fn a_traceparent_that_is_none_starts_a_new_trace() {
        let text = [None, Some(""), Some("rubbish"), Some("00-00000000000000000000000000000000-b7ad6b7169203331-01")];
        logged("text", "off", || {
            for traceparent in text {
                span_from_remote(info_span!("worker"), traceparent).in_scope(|| {
                    assert!(current_trace_id().is_some_and(|id| id != TRACE), "{traceparent:?}");
                });
            }
        });
    }

    #[test]
    fn outside_of_any_span_there_is_no_trace() {
        logged("text", "off", || {
            assert_eq!(current_trace_id(), None);
            assert_eq!(traceparent(), None);
        });
    }
}
