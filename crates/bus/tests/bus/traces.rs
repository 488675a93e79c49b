use aether_bus::{CallOptions, Context, Frame, IncomingCall};
use aether_telemetry::current_trace_id;
use aether_testkit as testkit;
use opentelemetry::trace::TracerProvider;
use tracing::{Instrument, info_span};
use tracing_subscriber::layer::SubscriberExt;

use crate::fixture::{connect, context, options, start};

#[tokio::test]
async fn the_handler_of_a_request_and_of_a_call_is_in_the_callers_trace() {
    let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let _traced = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

    let nats = testkit::nats().await;
    let worker = connect(&nats.url, "brain").await;
    let service = worker
        .service(options("brain", 4))
        .request("trace.request", |_: Context, (): ()| async { Ok(current_trace_id()) })
        .call("trace.call", |call: IncomingCall<(), Option<String>>| async move {
            call.send(&current_trace_id()).await?;
            Ok(())
        });
    let _running = start(&worker, service).await;
    let caller = connect(&nats.url, "agent").await;

    let turn = async {
        let mine = current_trace_id();
        assert!(mine.is_some());
        let of_request: Option<String> = caller.request(&context(), "trace.request", &()).await.unwrap();
        assert_eq!(of_request, mine);
        let options = CallOptions::default();
        let mut call = caller.call::<(), Option<String>>(&context(), "trace.call", &(), options).await.unwrap();
        let Ok(Some(Frame::Message(of_call))) = call.next().await else { panic!("no message") };
        assert_eq!(of_call, mine);
    };
    turn.instrument(info_span!("turn")).await;
}
