//! Each service can do in Redis what it does with rooms, and is refused everything else.

use std::slice;
use std::time::Duration;

use aether_proto::{PersonId, RoomName, TenantId};
use aether_store::{REDIS_OWNER, RoomState, Rooms, redis_services, redis_users};
use aether_testkit as testkit;
use testkit::{Redis, Users};

const TTL: Duration = Duration::from_secs(60);

async fn server() -> Redis {
    let config = redis_users(password);
    testkit::redis_for(Users { config, owner: (REDIS_OWNER.to_owned(), password(REDIS_OWNER)) }).await
}

fn password(user: &str) -> String {
    format!("password-of-{user}")
}

fn url(server: &Redis, user: &str) -> String {
    server.url.replace("://", &format!("://{user}:{}@", password(user)))
}

fn kitchen() -> (TenantId, RoomName) {
    (TenantId::new("acme").unwrap(), RoomName::new("kitchen").unwrap())
}

/// What the server says to a command: `None` where it does it.
async fn refusal(url: &str, command: &[&str]) -> Option<String> {
    let client = redis::Client::open(url).unwrap();
    let mut connection = match client.get_multiplexed_async_connection().await {
        Ok(connection) => connection,
        Err(error) => return Some(error.to_string()),
    };
    let mut asked = redis::cmd(command[0]);
    for word in &command[1..] {
        asked.arg(*word);
    }
    asked.query_async::<redis::Value>(&mut connection).await.err().map(|error| error.to_string())
}

#[tokio::test]
async fn each_service_can_do_what_it_does_with_rooms() {
    let server = server().await;
    let rooms = |user: &str| Rooms::connect(&url(&server, user)).unwrap();
    for service in redis_services() {
        rooms(service).ready().await.unwrap();
    }
    let (tenant, room) = kitchen();
    let ada = PersonId::new("ada").unwrap();

    let agent = rooms("agent");
    let first = agent.acquire(&tenant, &room, "agent-1", TTL).await.unwrap();
    let second = agent.take_over(&tenant, &room, "agent-2", TTL, first.epoch()).await.unwrap();
    second.renew().await.unwrap();
    let state = RoomState { people: vec!["ada".to_owned()], ..RoomState::default() };
    second.write_state(&state).await.unwrap();
    assert_eq!(agent.state(&tenant, &room).await.unwrap(), Some(state.clone()));

    let gateway = rooms("gateway");
    assert_eq!(gateway.rooms(&tenant).await.unwrap(), slice::from_ref(&room));
    assert_eq!(gateway.holder(&tenant, &room).await.unwrap().unwrap().holder, "agent-2");
    assert_eq!(gateway.state(&tenant, &room).await.unwrap(), Some(state));

    assert_eq!(rooms("notifier").rooms_of(&tenant, &ada).await.unwrap(), slice::from_ref(&room));

    second.release().await.unwrap();
    assert_eq!(gateway.holder(&tenant, &room).await.unwrap(), None);
}

#[tokio::test]
async fn what_a_service_does_not_need_it_is_refused() {
    let server = server().await;
    let (lease, state) = ("aether:acme:room:kitchen:lease", "aether:acme:room:kitchen:state");
    let (tenant, room) = kitchen();
    let agent = Rooms::connect(&url(&server, "agent")).unwrap();
    let held = agent.acquire(&tenant, &room, "agent-1", TTL).await.unwrap();
    held.write_state(&RoomState::default()).await.unwrap();
    let owner = url(&server, REDIS_OWNER);
    assert_eq!(refusal(&owner, &["SET", "nodes", "of LiveKit"]).await, None);

    let writes: [&[&str]; 3] = [&["SET", state, "x"], &["HSET", lease, "colour", "red"], &["DEL", lease, state]];
    let nobody_may: [&[&str]; 13] = [
        &["GET", "nodes"],
        &["SET", "nodes", "x"],
        &["GETDEL", state],
        &["KEYS", "*"],
        &["FLUSHALL"],
        &["CONFIG", "GET", "*"],
        &["ACL", "LIST"],
        &["ACL", "SETUSER", "gateway", "+@all"],
        &["INFO"],
        &["MONITOR"],
        &["EVAL", "return 1", "0"],
        &["SHUTDOWN", "NOSAVE"],
        &["PUBLISH", "x", "y"],
    ];
    for service in redis_services() {
        let url = url(&server, service);
        for command in nobody_may {
            let said = refusal(&url, command).await.unwrap_or_default();
            assert!(said.contains("NOPERM") || said.contains("permission"), "{service}: {command:?}: {said}");
        }
        // Only the agent writes.
        for command in writes {
            let said = refusal(&url, command).await.unwrap_or_default();
            assert_eq!(said.is_empty(), service == "agent", "{service}: {command:?}: {said}");
        }
        held.renew().await.unwrap();
        held.write_state(&RoomState::default()).await.unwrap();
    }
    let notifier = url(&server, "notifier");
    assert_eq!(refusal(&notifier, &["GET", state]).await, None);
    assert!(refusal(&notifier, &["GET", lease]).await.is_some(), "who holds a room is not its business");
    assert!(refusal(&notifier, &["HMGET", lease, "holder"]).await.is_some());

    // Nor by way of a script.
    let client = redis::Client::open(url(&server, "agent")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    for line in ["return redis.call('SET', 'nodes', 'x')", "return redis.call('FLUSHALL')"] {
        let hidden = redis::Script::new(line).invoke_async::<_, redis::Value>(&mut connection).await;
        let said = hidden.unwrap_err().to_string();
        assert!(said.contains("script can't"), "{line}: {said}");
    }
    assert_eq!(refusal(&owner, &["GET", "nodes"]).await, None);
}

#[tokio::test]
async fn nobody_comes_in_without_a_password_of_their_own() {
    let server = server().await;
    let others = [
        server.url.clone(),
        server.url.replace("://", "://:guess@"),
        server.url.replace("://", "://gateway:guess@"),
        server.url.replace("://", &format!("://gateway:{}@", password("agent"))),
    ];
    for url in others {
        assert!(refusal(&url, &["PING"]).await.is_some(), "{url}");
    }
    assert_eq!(refusal(&url(&server, "gateway"), &["PING"]).await, None);
}
