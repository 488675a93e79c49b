//! Servers that fail on purpose, and what the client makes of each. Every server here is a double for one failure; the
//! real ones are in `real_servers.rs`.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use aether_llm::{
    Backoff, ChatRequest, Client, Completion, Deadlines, Delta, Dialect, Error, FinishReason, Message, Options,
    ParseError, Policy,
};
use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::stream;
use tokio_util::sync::CancellationToken;

const CHUNK: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"word \"}}]}\n\n";
const END: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// A server on a free port that answers every chat with `answer`.
async fn failing_llm<F, A>(answer: F) -> String
where
    F: Fn() -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response> + Send,
{
    let router = Router::new().route("/v1/chat/completions", post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    endpoint
}

fn options(endpoint: &str) -> Options {
    Options {
        deadlines: Deadlines {
            connect: Duration::from_millis(500),
            first_token: Duration::from_millis(400),
            idle: Duration::from_millis(300),
            total: Duration::from_millis(1200),
        },
        backoff: Backoff { attempts: 3, first: Duration::from_millis(10), longest: Duration::from_millis(20) },
        ..Options::new(endpoint.parse().unwrap(), Dialect::OpenAi, "test")
    }
}

fn question() -> ChatRequest {
    ChatRequest::new(vec![Message::user("hello?")])
}

fn ask(client: &Client) -> Completion {
    client.chat(question(), CancellationToken::new())
}

async fn all(mut completion: Completion) -> (usize, Result<FinishReason, Error>) {
    let mut texts = 0;
    loop {
        match completion.next().await.expect("an end comes before the stream ends") {
            Ok(Delta::Done(reason)) => return (texts, Ok(reason)),
            Ok(Delta::Text(_)) => texts += 1,
            Ok(_) => {}
            Err(error) => return (texts, Err(error)),
        }
    }
}

/// `count` chunks, then nothing more; the connection stays open. `pause` before each chunk.
fn chunks_then_silence(count: usize, pause: Duration) -> Response {
    let chunks = stream::unfold(0, move |sent| async move {
        if sent == count {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(pause).await;
        Some((Ok::<_, Infallible>(CHUNK), sent + 1))
    });
    Body::from_stream(chunks).into_response()
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_what_to_do() {
    let client = Client::new(options("http://user:secret@127.0.0.1:1")).unwrap();
    let (_, end) = all(ask(&client)).await;
    let error = end.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "the language model at http://127.0.0.1:1 can't be reached; start it or correct LLM_ENDPOINT"
    );
    assert!(!format!("{error:?} {client:?}").contains("secret"));
}

#[tokio::test]
async fn a_stalling_server_meets_the_first_token_deadline() {
    let endpoint = failing_llm(|| async { chunks_then_silence(0, Duration::ZERO) }).await;
    let started = Instant::now();
    let (texts, end) = all(ask(&Client::new(options(&endpoint)).unwrap())).await;
    assert!(matches!(end, Err(Error::FirstToken { .. })), "{end:?}");
    assert_eq!(texts, 0);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn keep_alive_comments_are_not_an_answer() {
    let endpoint = failing_llm(|| async {
        let pings = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, Infallible>(": ping\n\n"), ()))
        });
        Body::from_stream(pings).into_response()
    })
    .await;
    let (_, end) = all(ask(&Client::new(options(&endpoint)).unwrap())).await;
    assert!(matches!(end, Err(Error::FirstToken { .. })), "{end:?}");
}

#[tokio::test]
async fn a_server_that_cannot_judge_a_sentence_is_asked_once() {
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    let router = Router::new().route(
        "/v1/completions",
        post(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async { (StatusCode::NOT_FOUND, "no such route") }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(options(&format!("http://{}", listener.local_addr().unwrap()))).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    for _ in 0..3 {
        assert_eq!(client.sentence_ends("It is").await.unwrap(), None);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_server_that_does_not_judge_a_sentence_in_time_is_not_waited_for() {
    let router = Router::new().route("/v1/completions", post(std::future::pending::<StatusCode>));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(options(&format!("http://{}", listener.local_addr().unwrap()))).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let late = client.sentence_ends("It is").await;
    assert!(matches!(late, Err(Error::Total { .. })), "{late:?}");
}

#[tokio::test]
async fn a_server_that_stops_in_mid_answer_meets_the_idle_deadline() {
    let endpoint = failing_llm(|| async { chunks_then_silence(3, Duration::ZERO) }).await;
    let (texts, end) = all(ask(&Client::new(options(&endpoint)).unwrap())).await;
    assert!(matches!(end, Err(Error::Idle { .. })), "{end:?}");
    assert_eq!(texts, 3);
}

#[tokio::test]
async fn an_answer_that_never_ends_is_cut_at_its_token_limit() {
    let endpoint = failing_llm(|| async { chunks_then_silence(usize::MAX, Duration::from_millis(1)) }).await;
    let client = Client::new(options(&endpoint)).unwrap();
    let request = ChatRequest { max_tokens: NonZeroU32::new(20).unwrap(), ..question() };
    let (texts, end) = all(client.chat(request, CancellationToken::new())).await;
    assert_eq!((texts, end.unwrap()), (20, FinishReason::Length));
}

#[tokio::test]
async fn an_answer_that_never_ends_is_cut_at_its_total_deadline() {
    let endpoint = failing_llm(|| async { chunks_then_silence(usize::MAX, Duration::from_millis(100)) }).await;
    let client = Client::new(options(&endpoint)).unwrap();
    let started = Instant::now();
    let request = ChatRequest { total: Some(Duration::from_millis(500)), ..question() };
    let (texts, end) = all(client.chat(request, CancellationToken::new())).await;
    assert_eq!(end.unwrap(), FinishReason::Length);
    assert!(texts > 0 && started.elapsed() < Duration::from_secs(1), "{texts} texts in {:?}", started.elapsed());
}

#[tokio::test]
async fn rubbish_is_a_precise_error_after_what_was_good() {
    let endpoint = failing_llm(|| async { format!("{CHUNK}data: \u{1}\u{2}rubbish\n\n").into_response() }).await;
    let (texts, end) = all(ask(&Client::new(options(&endpoint)).unwrap())).await;
    assert!(matches!(end, Err(Error::Parse(ParseError::NotJson { line: 4, .. }))), "{end:?}");
    assert_eq!(texts, 1);
}

#[tokio::test]
async fn an_endless_line_is_cut_off() {
    let endpoint = failing_llm(|| async {
        Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>("x".repeat(16 * 1024)))).into_response()
    })
    .await;
    let (_, end) = all(ask(&Client::new(options(&endpoint)).unwrap())).await;
    assert!(matches!(end, Err(Error::Parse(ParseError::LineTooLong))), "{end:?}");
}

#[tokio::test]
async fn a_refusal_is_passed_on_and_not_repeated() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let endpoint = failing_llm(move || {
        count.fetch_add(1, Ordering::SeqCst);
        async {
            (StatusCode::BAD_REQUEST, "{\"error\":{\"message\":\"exceeds the available context size\"}}")
                .into_response()
        }
    })
    .await;
    let (_, end) = all(ask(&Client::new(options(&endpoint)).unwrap())).await;
    assert_eq!(
        end.unwrap_err().to_string(),
        "the language model refused the request (HTTP 400): exceeds the available context size"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_server_that_is_still_loading_is_asked_again() {
    let asked = Arc::new(AtomicU32::new(0));
    let endpoint = failing_llm(move || {
        let first = asked.fetch_add(1, Ordering::SeqCst) < 2;
        async move {
            match first {
                true => {
                    (StatusCode::SERVICE_UNAVAILABLE, "{\"error\":{\"message\":\"Loading model\"}}").into_response()
                }
                false => format!("{CHUNK}{END}").into_response(),
            }
        }
    })
    .await;
    let (texts, end) = all(ask(&Client::new(options(&endpoint)).unwrap())).await;
    assert_eq!((texts, end.unwrap()), (1, FinishReason::Stop));
}

#[tokio::test]
async fn nothing_is_repeated_once_something_was_said() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let endpoint = failing_llm(move || {
        count.fetch_add(1, Ordering::SeqCst);
        async { CHUNK.into_response() }
    })
    .await;
    let (texts, end) = all(ask(&Client::new(options(&endpoint)).unwrap())).await;
    assert!(matches!(end, Err(Error::Parse(ParseError::Truncated))), "{end:?}");
    assert_eq!((texts, asked.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn repeated_failures_open_the_circuit_and_it_closes_by_itself() {
    let broken = Arc::new(AtomicBool::new(true));
    let asked = Arc::new(AtomicU32::new(0));
    let (server_broken, count) = (Arc::clone(&broken), Arc::clone(&asked));
    let endpoint = failing_llm(move || {
        count.fetch_add(1, Ordering::SeqCst);
        let broken = server_broken.load(Ordering::SeqCst);
        async move {
            match broken {
                true => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
                false => format!("{CHUNK}{END}").into_response(),
            }
        }
    })
    .await;
    let policy = Policy { open: Duration::from_millis(200), ..Policy::default() };
    let client = Client::new(Options {
        breaker: policy,
        backoff: Backoff { attempts: 1, ..Backoff::default() },
        ..options(&endpoint)
    })
    .unwrap();
    for _ in 0..5 {
        assert!(matches!(all(ask(&client)).await.1, Err(Error::NotReady { status: 500, .. })));
    }
    assert!(matches!(all(ask(&client)).await.1, Err(Error::CircuitOpen { .. })));
    client.prefill(question().messages).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 5, "an open circuit asks nothing");

    broken.store(false, Ordering::SeqCst);
    let deadline = Instant::now() + Duration::from_secs(5);
    while all(ask(&client)).await.1.is_err() {
        assert!(Instant::now() < deadline, "the circuit stayed open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// True once the server has noticed that its client is gone.
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

async fn endless_llm_that_notices() -> (String, Arc<AtomicBool>) {
    let gone = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&gone);
    let endpoint = failing_llm(move || {
        let guard = Gone(Arc::clone(&flag));
        async move {
            let chunks = stream::unfold(guard, |guard| async {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Some((Ok::<_, Infallible>(CHUNK), guard))
            });
            Body::from_stream(chunks).into_response()
        }
    })
    .await;
    (endpoint, gone)
}

async fn assert_noticed(gone: &AtomicBool) {
    let deadline = Instant::now() + Duration::from_secs(2);
    while !gone.load(Ordering::SeqCst) {
        assert!(Instant::now() < deadline, "the request was never aborted");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn dropping_the_completion_aborts_the_request() {
    let (endpoint, gone) = endless_llm_that_notices().await;
    let mut completion = ask(&Client::new(options(&endpoint)).unwrap());
    completion.next().await.unwrap().unwrap();
    drop(completion);
    assert_noticed(&gone).await;
}

#[tokio::test]
async fn cancelling_ends_the_stream_and_aborts_the_request() {
    let (endpoint, gone) = endless_llm_that_notices().await;
    let cancel = CancellationToken::new();
    let mut completion = Client::new(options(&endpoint)).unwrap().chat(question(), cancel.clone());
    completion.next().await.unwrap().unwrap();
    cancel.cancel();
    let (_, end) = all(completion).await;
    assert!(matches!(end, Err(Error::Cancelled)), "{end:?}");
    assert_noticed(&gone).await;
}
