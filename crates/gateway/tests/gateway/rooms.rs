//! Tokens, the list and control, as a client meets them.

use aether_gateway as _;
use aether_livekit::{parse_room_name, room_name};
use aether_proto::room_control;
use aether_testkit::eventually;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::house::{StandIn, acme, house, house_with_agent, present, room, tenant};

/// Names that people give to rooms.
const NAMES: [&str; 7] = ["kitchen", "the kitchen", "floor 2.kitchen", "a/b", "größe 🍳", "50% > *", "?a=b&c#d"];

fn path_of(room: &str) -> String {
    let escaped: String = room.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("/v1/rooms/{escaped}/control")
}

#[tokio::test]
async fn a_token_opens_the_room_for_the_callers_person_in_either_spelling() {
    let house = house().await;
    let ada = house.page_token("acme", "ada");
    let body = json!({
        "room_name": "kitchen", "participant_name": "Ada",
        "participant_metadata": "from the page",
        "participant_attributes": { "aether.person": "bob", "lk.agent.state": "speaking", "theme": "dark" },
        "room_config": { "agents": [{ "agent_name": "aether", "metadata": "{\"returning\":true}" }] },
        "something_new": 1,
    });
    let (status, answer) = house.post("/v1/rooms/token", &ada, body).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    assert_eq!((&answer["room_name"], &answer["participant_name"]), (&json!("kitchen"), &json!("Ada")));
    assert_eq!(answer["server_url"], json!(house.livekit.url));
    let identity = answer["participant_identity"].as_str().unwrap().to_owned();
    assert!(identity.starts_with("ada-") && identity.len() == 10, "{identity}");
    let person = house.enter(&answer).await;
    let there = present(&house, "kitchen").await;
    let attributes = &there[&identity];
    assert_eq!(attributes["aether.person"], "ada", "whatever the request says");
    assert_eq!((attributes.get("theme").map(String::as_str), attributes.get("lk.agent.state")), (Some("dark"), None));
    let calls = house.admin().list_dispatches("acme/kitchen").await.unwrap();
    assert!(calls.iter().all(|call| call.metadata.is_empty()), "nobody hands anything to the agent: {calls:?}");
    person.leave().await;

    let body = json!({ "roomName": "kitchen", "participantIdentity": "ada", "participantName": "" });
    let (status, answer) = house.post("/v1/rooms/token", &ada, body).await;
    assert_eq!((status, &answer["participant_identity"]), (StatusCode::CREATED, &json!("ada")), "{answer}");

    let (status, answer) = house.ask(Method::POST, "/v1/rooms/token", &ada, None).await;
    assert_eq!(status, StatusCode::CREATED, "nothing need be said: {answer}");
    let fresh = answer["room_name"].as_str().unwrap();
    let (_, again) = house.ask(Method::POST, "/v1/rooms/token", &ada, None).await;
    assert_ne!(again["room_name"], json!(fresh), "and each time it is another room");
    let rooms = house.admin().list_rooms().await.unwrap();
    assert!(rooms.contains(&format!("acme/{fresh}")), "{rooms:?}");
}

#[tokio::test]
async fn nobody_can_put_another_out_of_a_room_or_come_as_the_agent() {
    let house = house().await;
    let (ada, bob) = (house.page_token("acme", "ada"), house.page_token("acme", "bob"));
    let token = async |who: &str, identity: &str| {
        let body = json!({ "room_name": "kitchen", "participant_identity": identity });
        house.post("/v1/rooms/token", who, body).await
    };
    let (_, answer) = token(&ada, "phone").await;
    let phone = answer["participant_identity"].as_str().unwrap().to_owned();
    let _ada = house.enter(&answer).await;
    for wish in ["phone", &phone, "ada"] {
        let (status, answer) = token(&bob, wish).await;
        assert_eq!(status, StatusCode::CREATED);
        let _bob = house.enter(&answer).await;
        let there = present(&house, "kitchen").await;
        assert_eq!(there[&phone]["aether.person"], "ada", "bob asked for {wish}");
        assert_eq!(there[answer["participant_identity"].as_str().unwrap()]["aether.person"], "bob");
    }
    let (_, again) = token(&ada, &phone).await;
    assert_eq!(again["participant_identity"], json!(phone), "who comes back is who they were");

    let (status, problem) = token(&bob, "agent-kitchen").await;
    assert_eq!((status, &problem["error"]["param"]), (StatusCode::BAD_REQUEST, &json!("participant_identity")));

    // A program that speaks for several people says for whom.
    let (_, answer) = token(&house.admin_token("acme"), "carol").await;
    let _carol = house.enter(&answer).await;
    assert_eq!(present(&house, "kitchen").await["carol"]["aether.person"], "carol");
}

#[tokio::test]
async fn rooms_of_any_name_are_made_listed_and_spoken_to() {
    let house = house().await;
    let (ada, admin) = (house.page_token("acme", "ada"), house.admin_token("acme"));
    for name in NAMES {
        let (status, answer) = house.post("/v1/rooms/token", &ada, json!({ "room_name": name })).await;
        assert_eq!((status, &answer["room_name"]), (StatusCode::CREATED, &json!(name)), "{answer}");
        let person = house.enter(&answer).await;
        assert_eq!(parse_room_name(person.room.name()), Ok((acme(), room(name))));

        let mut agent = StandIn::take(&house, &acme(), &room(name), &["ada"]).await;
        let (status, reply) = house.post(&path_of(name), &ada, json!({ "say": { "text": "hello" } })).await;
        assert_eq!(status, StatusCode::OK, "{name}: {reply}");
        assert_eq!((&reply["holder"], &reply["agentState"]), (&json!("agent/stand-in"), &json!("LISTENING")));
        let said = agent.asked.recv().await.unwrap().action;
        assert!(matches!(said, Some(room_control::Action::Say(say)) if say.text == "hello"));
        let (_, rooms) = house.ask(Method::GET, "/v1/rooms", &admin, None).await;
        assert_eq!(rooms["data"][0]["room"], json!(name), "{rooms}");
        assert_eq!((&rooms["data"][0]["people"], &rooms["data"][0]["muted"]), (&json!(["ada"]), &json!(false)));
        agent.leave().await;
        person.leave().await;
    }
    let (_, rooms) = house.ask(Method::GET, "/v1/rooms", &admin, None).await;
    assert_eq!(rooms, json!({ "data": [] }), "a room that was left is not listed");
}

#[tokio::test]
async fn a_person_sees_and_speaks_to_their_own_rooms_only() {
    let house = house().await;
    let mut kitchen = StandIn::take(&house, &acme(), &room("kitchen"), &["ada"]).await;
    let _attic = StandIn::take(&house, &acme(), &room("attic"), &["bob", "ada"]).await;
    let _elsewhere = StandIn::take(&house, &tenant("globex"), &room("kitchen"), &["bob"]).await;
    let names = async |token: &str| {
        let (status, rooms) = house.ask(Method::GET, "/v1/rooms", token, None).await;
        assert_eq!(status, StatusCode::OK);
        let rooms = rooms["data"].as_array().unwrap().clone();
        rooms.iter().map(|room| room["room"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&house.page_token("acme", "ada")).await, ["attic", "kitchen"]);
    assert_eq!(names(&house.page_token("acme", "bob")).await, ["attic"]);
    assert_eq!(names(&house.admin_token("acme")).await, ["attic", "kitchen"]);
    assert_eq!(names(&house.page_token("globex", "ada")).await, Vec::<String>::new());

    let look = async |token: &str, name: &str| house.post(&path_of(name), token, json!({ "look": {} })).await;
    assert_eq!(look(&house.page_token("acme", "ada"), "kitchen").await.0, StatusCode::OK);
    assert_eq!(look(&house.admin_token("acme"), "kitchen").await.0, StatusCode::OK);
    let refusals = [
        look(&house.page_token("acme", "bob"), "kitchen").await,
        look(&house.page_token("globex", "ada"), "kitchen").await,
        look(&house.admin_token("globex"), "attic").await,
        look(&house.admin_token("acme"), "cellar").await,
        look(&house.admin_token("acme"), &"x".repeat(200)).await,
    ];
    for (status, problem) in &refusals {
        assert_eq!((*status, problem), (StatusCode::NOT_FOUND, &refusals[0].1), "all look the same");
    }

    let body = json!({ "write": { "text": "it is me", "personId": "bob" } });
    let (status, _) = house.post(&path_of("kitchen"), &house.page_token("acme", "ada"), body.clone()).await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = house.post(&path_of("kitchen"), &house.admin_token("acme"), body).await;
    assert_eq!(status, StatusCode::OK);
    let mut writers = Vec::new();
    for _ in 0..2 {
        let Some(room_control::Action::Write(write)) = kitchen.asked.recv().await.unwrap().action else {
            panic!("something was written")
        };
        writers.push(write.person_id);
    }
    assert_eq!(writers, ["ada", "bob"], "a person writes as themselves, a program as whom it says");
}

#[tokio::test]
async fn what_is_wrong_is_said_of_the_field_that_is() {
    let house = house().await;
    let admin = house.admin_token("acme");
    let _agent = StandIn::take(&house, &acme(), &room("kitchen"), &["ada"]).await;
    let control = path_of("kitchen");
    let long = "x".repeat(200_000);
    let cases: [(&str, Value, u16, Value); 15] = [
        ("/v1/rooms/token", json!([]), 400, Value::Null),
        ("/v1/rooms/token", json!({ "room_name": 7 }), 400, json!("room_name")),
        ("/v1/rooms/token", json!({ "roomName": "a\nb" }), 400, json!("roomName")),
        ("/v1/rooms/token", json!({ "participant_attributes": { "a": 1 } }), 400, json!("participant_attributes.a")),
        ("/v1/rooms/token", json!({ "participant_metadata": long }), 400, json!("participant_metadata")),
        (
            "/v1/rooms/token",
            json!({ "room_config": { "agents": [{}, { "agentName": "eve" }] } }),
            400,
            json!("room_config.agents[1].agentName"),
        ),
        ("/v1/rooms/token", json!({ "room_config": { "egress": {} } }), 400, json!("room_config.egress")),
        (&control, json!({}), 400, Value::Null),
        (&control, json!({ "say": { "text": "a" }, "look": {} }), 400, Value::Null),
        (&control, json!({ "dance": {} }), 400, json!("dance")),
        (&control, json!({ "say": { "text": " " } }), 400, json!("say.text")),
        (&control, json!({ "say": { "text": long } }), 413, json!("say.text")),
        (&control, json!({ "mute": { "muted": "yes" } }), 400, json!("mute.muted")),
        (&control, json!({ "write": { "text": "hello" } }), 400, json!("write.personId")),
        (&control, json!({ "say": { "text": "busy" } }), 409, Value::Null),
    ];
    for (path, body, expected, param) in cases {
        let (status, problem) = house.post(path, &admin, body.clone()).await;
        let shown = body.to_string();
        assert_eq!(status.as_u16(), expected, "{}: {problem}", &shown[..shown.len().min(80)]);
        assert_eq!(problem["error"]["param"], param, "{}: {problem}", &shown[..shown.len().min(80)]);
    }
}

#[tokio::test]
async fn an_agent_with_a_name_is_called_once_for_a_room() {
    let house = house_with_agent("helper").await;
    let ada = house.page_token("acme", "ada");
    for _ in 0..2 {
        let (status, answer) = house.post("/v1/rooms/token", &ada, json!({ "room_name": "kitchen" })).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
    }
    let mut calls = house.admin().list_dispatches(&room_name(&acme(), &room("kitchen"))).await.unwrap();
    calls.retain(|call| !call.agent_name.is_empty());
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!((calls[0].agent_name.as_str(), calls[0].metadata.as_str()), ("helper", r#"{"returning":false}"#));
}

#[tokio::test]
async fn while_livekit_or_redis_is_away_it_is_said_so() {
    let mut house = house().await;
    let ada = house.page_token("acme", "ada");
    house.livekit.kill().await;
    let (status, problem) = house.post("/v1/rooms/token", &ada, json!({})).await;
    assert_eq!((status, &problem["error"]["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")));
    house.redis.kill().await;
    let (status, problem) = house.ask(Method::GET, "/v1/rooms", &ada, None).await;
    assert_eq!((status, &problem["error"]["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")));
    house.livekit.restart().await;
    eventually("rooms are made again", 5, || async {
        house.post("/v1/rooms/token", &ada, json!({})).await.0 == StatusCode::CREATED
    })
    .await;
}
