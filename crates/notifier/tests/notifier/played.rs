//! Others, played: an agent in a room, software at the end of a webhook, a language model behind the bus. Each does what it
//! is told to and remembers what it got, so that failures and delays can be made on purpose.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aether_proto::{
    Announce, Done, Error, LlmInput, LlmOutput, RoomControl, RoomControlReply, RoomName, TextChunk, llm_output,
    room_control, subject,
};
use aether_store::{RoomState, Rooms};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;

use crate::house::House;

/// Takes what it is asked to announce.
pub struct PlayedAgent {
    told: Arc<Mutex<Vec<Announce>>>,
    _answering: aether_bus::Answering,
    _lease: aether_store::RoomLease,
}

impl PlayedAgent {
    pub async fn with(house: &House, room: &str, person: &str) -> Self {
        let room = RoomName::new(room).unwrap();
        let tenant = &house.context.tenant;
        let rooms = Rooms::connect(&house.redis.url).unwrap();
        let lease = rooms.acquire(tenant, &room, "agent/played", Duration::from_secs(60)).await.unwrap();
        let people = vec![person.to_owned()];
        lease.write_state(&RoomState { people, ..RoomState::default() }).await.unwrap();
        let told: Arc<Mutex<Vec<Announce>>> = Arc::default();
        let heard = Arc::clone(&told);
        let answering = house
            .bus
            .answer(&subject::room_control(tenant, &room), move |_, asked: RoomControl| {
                if let Some(room_control::Action::Announce(announce)) = asked.action {
                    heard.lock().unwrap().push(announce);
                }
                std::future::ready(Ok::<_, Error>(RoomControlReply::default()))
            })
            .await
            .unwrap();
        // Only now does the server know of it.
        house.bus.ready(Duration::from_secs(5)).await.unwrap();
        Self { told, _answering: answering, _lease: lease }
    }

    pub fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().iter().map(|announce| announce.text.clone()).collect()
    }
}

type Got = Arc<Mutex<Vec<(HeaderMap, Vec<u8>)>>>;

/// Software that gives these answers, the last one for ever.
pub struct PlayedSoftware {
    pub url: String,
    got: Got,
}

impl PlayedSoftware {
    pub async fn answering(statuses: &[u16]) -> Self {
        let got = Got::default();
        let answers: VecDeque<u16> = statuses.iter().copied().collect();
        let state = (Arc::clone(&got), Arc::new(Mutex::new(answers)));
        let router = Router::new().route("/hook", post(take)).with_state(state);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, got }
    }

    pub fn got(&self) -> Vec<(HeaderMap, Vec<u8>)> {
        self.got.lock().unwrap().clone()
    }
}

async fn take(
    State((got, answers)): State<(Got, Arc<Mutex<VecDeque<u16>>>)>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    got.lock().unwrap().push((headers, body.to_vec()));
    let mut answers = answers.lock().unwrap();
    let status = if answers.len() > 1 { answers.pop_front() } else { answers.front().copied() };
    StatusCode::from_u16(status.unwrap()).unwrap()
}

/// Says one thing to whatever it is asked; with nothing to say it never answers.
pub struct PlayedModel {
    asked: Arc<Mutex<Vec<LlmInput>>>,
    _running: aether_bus::RunningService,
}

impl PlayedModel {
    pub async fn saying(house: &House, said: Option<&str>) -> Self {
        let asked: Arc<Mutex<Vec<LlmInput>>> = Arc::default();
        let (heard, said) = (Arc::clone(&asked), said.map(str::to_owned));
        let description = aether_bus::ServiceOptions {
            name: "played-model".to_owned(),
            version: "0.0.0".to_owned(),
            description: "says one thing".to_owned(),
            max_calls: 16,
        };
        let running = house
            .bus
            .service(description)
            .call(subject::LLM_REQUEST, move |call: aether_bus::IncomingCall<LlmInput, LlmOutput>| {
                heard.lock().unwrap().push(call.open().clone());
                let said = said.clone();
                async move {
                    let Some(text) = said else {
                        call.cancelled().cancelled().await;
                        return Err(aether_bus::CallEnded.into());
                    };
                    let chunk = llm_output::Output::TextChunk(TextChunk { index: 0, text });
                    call.send(&LlmOutput { output: Some(chunk) }).await?;
                    let done = llm_output::Output::Done(Done::default());
                    Ok(call.send(&LlmOutput { output: Some(done) }).await?)
                }
            })
            .start()
            .await
            .unwrap();
        house.bus.ready(Duration::from_secs(5)).await.unwrap();
        Self { asked, _running: running }
    }

    pub fn asked(&self) -> Vec<LlmInput> {
        self.asked.lock().unwrap().clone()
    }
}
