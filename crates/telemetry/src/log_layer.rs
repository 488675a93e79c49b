//! From `tracing` to log lines that carry trace, tenant, session, room and turn.

use std::io::Write as _;
use std::sync::OnceLock;

use aether_settings::LogFormat;
use tracing::dispatcher::WeakDispatch;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Subscriber};
use tracing_opentelemetry::get_otel_context;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::log_line::{Fields, Ids, LogLine};
use crate::trace_context::trace_id;

/// Writes one line per event. Ids are taken from the fields of the spans around it, the innermost winning.
pub(crate) struct LogLayer<W> {
    format: LogFormat,
    service: String,
    writer: W,
    /// Needed to ask for a span's trace: while an event is being dispatched, the current dispatcher can't be asked for.
    dispatch: OnceLock<WeakDispatch>,
}

impl<W> LogLayer<W> {
    pub(crate) fn new(format: LogFormat, service: &str, writer: W) -> Self {
        Self { format, service: service.to_owned(), writer, dispatch: OnceLock::new() }
    }

    fn trace_id(&self, span: &Id) -> Option<String> {
        let dispatch = self.dispatch.get()?.upgrade()?;
        trace_id(&get_otel_context(span, &dispatch)?)
    }
}

impl<S, W> Layer<S> for LogLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.dispatch.set(dispatch.downgrade());
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut ids = Ids::default();
            attributes.record(&mut ids);
            span.extensions_mut().insert(ids);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(ids) = span.extensions_mut().get_mut::<Ids>()
        {
            values.record(ids);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut ids = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(known) = span.extensions().get::<Ids>() {
                known.0.0.iter().for_each(|(name, value)| ids.set(name, value.clone()));
            }
        }
        let span = context.event_span(event);
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut time = String::new();
        let _ = SystemTime.format_time(&mut Writer::new(&mut time));
        let line = LogLine {
            time,
            level: *event.metadata().level(),
            service: &self.service,
            target: event.metadata().target(),
            span: span.as_ref().map(|span| span.name()),
            trace_id: span.as_ref().and_then(|span| self.trace_id(&span.id())),
            ids,
            fields,
        };
        // A log that can't be written has nowhere to be reported.
        let _ = self.writer.make_writer_for(event.metadata()).write_all(line.render(self.format).as_bytes());
    }
}
