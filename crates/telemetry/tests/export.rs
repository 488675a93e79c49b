//! Traces on their way to a collector: the one double here is the collector, which keeps what it gets.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use aether_settings::{Loader, TelemetrySettings};
use aether_telemetry::{Stage, Traced, init, span_from_caller, span_from_remote};
use axum::http::{HeaderMap, Response};
use bytes::{Buf, Bytes, BytesMut};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Answers gRPC exports and hands on what was exported.
async fn collect(listener: TcpListener, exports: mpsc::Sender<ExportTraceServiceRequest>) -> Result<(), Failure> {
    let (socket, _) = listener.accept().await?;
    let mut connection = h2::server::handshake(socket).await?;
    while let Some(request) = connection.accept().await {
        let (request, mut respond) = request?;
        let exports = exports.clone();
        tokio::spawn(async move {
            let mut body = request.into_body();
            let mut message = BytesMut::new();
            while let Some(Ok(part)) = body.data().await {
                let _ = body.flow_control().release_capacity(part.len());
                message.extend_from_slice(&part);
            }
            // One byte says whether it is compressed, four how long it is.
            message.advance(5);
            if let Ok(export) = ExportTraceServiceRequest::decode(message) {
                let _ = exports.send(export).await;
            }
            let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap_or_default();
            if let Ok(mut answer) = respond.send_response(head, false) {
                let _ = answer.send_data(Bytes::from_static(&[0; 5]), false);
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", axum::http::HeaderValue::from_static("0"));
                let _ = answer.send_trailers(trailers);
            }
        });
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_reaches_the_collector_with_its_trace_and_its_service() -> Result<(), Failure> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let (sender, mut exports) = mpsc::channel(8);
    tokio::spawn(collect(listener, sender));
    let settings = Loader::new(|name| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| endpoint.clone()), None)
        .load(TelemetrySettings::read)?;
    let guard = init(&settings, "tts", "1.2.3")?;

    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let span = span_from_remote(tracing::info_span!(target: "aether_tts", "synthesise", turn = "t-1"), Some(parent));
    span.in_scope(|| tracing::info!("made"));
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let part = Stage { name: "part", began: at(110), ended: at(120), parts: Vec::new() };
    Stage { name: "whole", began: at(100), ended: at(130), parts: vec![part] }.record(&span);
    let before = tracing::info_span!(target: "aether_tts", "before");
    let thrown_away = Traced::of(&before);
    drop(before);
    thrown_away.link_from(&span);
    drop(span);
    drop(span_from_caller(tracing::info_span!(target: "aether_tts", "asked in a trace"), Some(parent)));
    drop(span_from_caller(tracing::info_span!(target: "aether_tts", "asked outside of any"), None));
    // What is still on its way leaves when the process ends.
    tokio::task::spawn_blocking(move || drop(guard)).await?;

    let export = tokio::time::timeout(Duration::from_secs(10), exports.recv()).await?.ok_or("no export")?;
    let resource = &export.resource_spans[0];
    let attributes = format!("{:?}", resource.resource);
    assert!(attributes.contains("service.name") && attributes.contains("\"tts\""), "{attributes}");
    let spans = &resource.scope_spans[0].spans;
    let named = |name: &str| spans.iter().find(|span| span.name == name).ok_or(format!("no {name} in {spans:?}"));
    let span = named("synthesise")?;
    assert_eq!(span.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
    assert_eq!(span.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    assert!(span.attributes.iter().any(|attribute| attribute.key == "turn"), "{:?}", span.attributes);
    // What was told afterwards has its own times, and its parts are parts of it.
    let (whole, part) = (named("whole")?, named("part")?);
    assert_eq!((&whole.parent_span_id, &part.parent_span_id), (&span.span_id, &whole.span_id));
    let seconds = |nanos: u64| nanos / 1_000_000_000;
    let times = [whole, part].map(|span| (seconds(span.start_time_unix_nano), seconds(span.end_time_unix_nano)));
    assert_eq!(times, [(100, 130), (110, 120)]);
    assert!(named("asked in a trace").is_ok() && named("asked outside of any").is_err(), "{spans:?}");
    let before = named("before")?;
    assert_eq!((&span.links[0].trace_id, &span.links[0].span_id), (&before.trace_id, &before.span_id));
    Ok(())
}
