//! At most one holder per room, by a clock that both trust; and what Redis being away does to it.

use std::time::Duration;

use aether_proto::{RoomName, SessionId, TenantId, TurnId};
use aether_store::{AcquireError, LastHeard, LeaseError, OpenTurn, Renewal, RoomState, Rooms, RoomsError};
use aether_testkit as testkit;
use redis::AsyncCommands as _;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(150);

fn kitchen() -> (TenantId, RoomName) {
    (TenantId::new("acme").unwrap(), RoomName::new("kitchen").unwrap())
}

fn open_turn() -> OpenTurn {
    OpenTurn {
        turn: TurnId::generate(),
        person: "ada".to_owned(),
        person_name: "Ada".to_owned(),
        identity: "ada-x1".to_owned(),
        words: "where is my dog?".to_owned(),
    }
}

#[tokio::test]
async fn a_held_room_is_refused_to_others_and_free_after_release() {
    let redis = testkit::redis().await;
    let rooms = Rooms::connect(&redis.url).unwrap();
    let (tenant, room) = kitchen();
    let first = rooms.acquire(&tenant, &room, "first", LONG).await.unwrap();
    let held = rooms.acquire(&tenant, &room, "second", LONG).await.unwrap_err();
    assert!(matches!(&held, AcquireError::Held(by) if by.holder == "first" && by.epoch == first.epoch()), "{held:?}");
    assert_eq!(rooms.holder(&tenant, &room).await.unwrap().unwrap().holder, "first");

    // The same name elsewhere is another room.
    let elsewhere = TenantId::new("globex").unwrap();
    rooms.acquire(&elsewhere, &room, "second", LONG).await.unwrap();

    assert_eq!(first.renew().await.unwrap(), Renewal::Kept);
    let epoch = first.epoch();
    first.release().await.unwrap();
    assert_eq!(rooms.holder(&tenant, &room).await.unwrap(), None);
    let second = rooms.acquire(&tenant, &room, "second", LONG).await.unwrap();
    assert!(second.epoch() > epoch);
}

#[tokio::test]
async fn an_expired_room_is_taken_with_a_higher_epoch_and_the_old_holder_learns_of_it() {
    let redis = testkit::redis().await;
    let rooms = Rooms::connect(&redis.url).unwrap();
    let (tenant, room) = kitchen();
    let old = rooms.acquire(&tenant, &room, "old", SHORT).await.unwrap();
    testkit::eventually("the lease to expire", 5, || async { rooms.holder(&tenant, &room).await.unwrap().is_none() })
        .await;
    let new = rooms.acquire(&tenant, &room, "new", LONG).await.unwrap();
    assert!(new.epoch() > old.epoch());

    let lost = old.renew().await.unwrap_err();
    assert!(matches!(&lost, LeaseError::Lost(Some(by)) if by.holder == "new" && by.epoch == new.epoch()), "{lost:?}");
    assert!(matches!(old.write_state(&RoomState::default()).await, Err(LeaseError::Lost(_))));
    assert!(matches!(old.clone().release().await, Err(LeaseError::Lost(_))), "not the old holder's to give back");
    assert_eq!(new.renew().await.unwrap(), Renewal::Kept);

    new.release().await.unwrap();
    let lost = old.renew().await.unwrap_err();
    assert!(matches!(lost, LeaseError::Lost(None)), "taken and left again is lost too: {lost:?}");
}

#[tokio::test]
async fn an_expired_lease_that_nobody_took_is_taken_back() {
    let redis = testkit::redis().await;
    let rooms = Rooms::connect(&redis.url).unwrap();
    let (tenant, room) = kitchen();
    let lease = rooms.acquire(&tenant, &room, "agent", SHORT).await.unwrap();
    testkit::eventually("the lease to expire", 5, || async { rooms.holder(&tenant, &room).await.unwrap().is_none() })
        .await;
    assert_eq!(lease.renew().await.unwrap(), Renewal::Retaken);
    assert_eq!(rooms.holder(&tenant, &room).await.unwrap().unwrap().epoch, lease.epoch());
}

#[tokio::test]
async fn the_state_of_a_room_is_its_holders_and_ends_when_it_is_given_back() {
    let redis = testkit::redis().await;
    let rooms = Rooms::connect(&redis.url).unwrap();
    let (tenant, room) = kitchen();
    assert_eq!(rooms.state(&tenant, &room).await.unwrap(), None);
    let lease = rooms.acquire(&tenant, &room, "agent", LONG).await.unwrap();
    let state = RoomState {
        agent_state: "SPEAKING".to_owned(),
        participants: vec!["ada".to_owned()],
        last_heard: Some(LastHeard { turn: TurnId::generate(), text_bytes: 42 }),
        session: Some(SessionId::generate()),
        people: vec!["ada".to_owned()],
        greeted: vec!["ada".to_owned(), "ben".to_owned()],
        muted: true,
        off_the_record: true,
        open_turn: Some(open_turn()),
    };
    lease.write_state(&state).await.unwrap();
    assert_eq!(rooms.state(&tenant, &room).await.unwrap(), Some(state));
    lease.release().await.unwrap();
    assert_eq!(rooms.state(&tenant, &room).await.unwrap(), None);
}

#[tokio::test]
async fn what_a_dead_holder_wrote_stays_for_the_next() {
    let redis = testkit::redis().await;
    let rooms = Rooms::connect(&redis.url).unwrap();
    let (tenant, room) = kitchen();
    let dead = rooms.acquire(&tenant, &room, "dead", SHORT).await.unwrap();
    let state = RoomState { open_turn: Some(open_turn()), ..RoomState::default() };
    dead.write_state(&state).await.unwrap();
    testkit::eventually("the lease to expire", 5, || async { rooms.holder(&tenant, &room).await.unwrap().is_none() })
        .await;
    assert_eq!(rooms.state(&tenant, &room).await.unwrap(), Some(state.clone()));

    let next = rooms.acquire(&tenant, &room, "next", LONG).await.unwrap();
    assert_eq!(rooms.state(&tenant, &room).await.unwrap(), Some(state));
    next.write_state(&RoomState::default()).await.unwrap();
    assert_eq!(rooms.state(&tenant, &room).await.unwrap(), Some(RoomState::default()));
}

#[tokio::test]
async fn nothing_in_redis_stays_for_ever_and_renewing_keeps_all_of_it() {
    let redis = testkit::redis().await;
    let rooms = Rooms::connect(&redis.url).unwrap();
    let (tenant, room) = kitchen();
    let lease = rooms.acquire(&tenant, &room, "agent", LONG).await.unwrap();
    lease.write_state(&RoomState::default()).await.unwrap();
    let mut connection = redis::Client::open(redis.url.as_str()).unwrap().get_connection_manager().await.unwrap();
    let minute = 60_000;
    let lasting = [("lease", minute), ("state", 2 * minute), ("epoch", 24 * 60 * minute)];
    for renewed in [false, true] {
        if renewed {
            for (name, _) in lasting {
                let shortened: bool =
                    connection.pexpire(format!("aether:acme:room:kitchen:{name}"), 5_000).await.unwrap();
                assert!(shortened, "{name}");
            }
            assert_eq!(lease.renew().await.unwrap(), Renewal::Kept);
        }
        for (name, milliseconds) in lasting {
            let left: i64 = connection.pttl(format!("aether:acme:room:kitchen:{name}")).await.unwrap();
            assert!((milliseconds - 10_000..=milliseconds).contains(&left), "{name}: {left} ms, renewed: {renewed}");
        }
    }
    let keys: Vec<String> = connection.keys("*").await.unwrap();
    assert_eq!(keys.len(), lasting.len(), "{keys:?}");
}

#[tokio::test]
async fn a_room_is_taken_over_from_the_dead_and_from_nobody_else() {
    let redis = testkit::redis().await;
    let rooms = Rooms::connect(&redis.url).unwrap();
    let (tenant, room) = kitchen();
    let dead = rooms.acquire(&tenant, &room, "dead", LONG).await.unwrap();
    let state = RoomState { session: Some(SessionId::generate()), ..RoomState::default() };
    dead.write_state(&state).await.unwrap();

    let wrong = rooms.take_over(&tenant, &room, "next", LONG, dead.epoch() - 1).await.unwrap_err();
    assert!(matches!(&wrong, AcquireError::Held(by) if by.holder == "dead" && by.epoch == dead.epoch()), "{wrong:?}");

    let next = rooms.take_over(&tenant, &room, "next", LONG, dead.epoch()).await.unwrap();
    assert!(next.epoch() > dead.epoch());
    assert_eq!(rooms.state(&tenant, &room).await.unwrap(), Some(state), "there is something to go on with");

    // Two were asked to take over: the second finds that the first did.
    let second = rooms.take_over(&tenant, &room, "second", LONG, dead.epoch()).await.unwrap_err();
    assert!(matches!(&second, AcquireError::Held(by) if by.holder == "next" && by.epoch == next.epoch()), "{second:?}");
    // Who was taken for dead and isn't learns it at its next beat, and changes nothing.
    let lost = dead.renew().await.unwrap_err();
    assert!(matches!(&lost, LeaseError::Lost(Some(by)) if by.epoch == next.epoch()), "{lost:?}");
    assert!(matches!(dead.write_state(&RoomState::default()).await, Err(LeaseError::Lost(_))));
    assert!(matches!(dead.clone().release().await, Err(LeaseError::Lost(_))));
    assert_eq!(next.renew().await.unwrap(), Renewal::Kept);

    let epoch = next.epoch();
    next.release().await.unwrap();
    let last = rooms.take_over(&tenant, &room, "last", LONG, dead.epoch()).await.unwrap();
    assert!(last.epoch() > epoch, "nobody held it");
}

#[tokio::test]
async fn the_held_rooms_of_a_tenant_are_listed() {
    let redis = testkit::redis().await;
    let rooms = Rooms::connect(&redis.url).unwrap();
    let acme = TenantId::new("acme").unwrap();
    assert_eq!(rooms.rooms(&acme).await.unwrap(), []);
    // Among them a name that looks like the key of a lease, and more rooms than Redis shows at a time.
    let mut names: Vec<_> = ["a:b", "floor 2.kitchen > *", "küche 🍲", "x:lease"].map(str::to_owned).into();
    names.extend((0..1500).map(|number| format!("room {number}")));
    let mut leases = Vec::new();
    for name in &names {
        let room = RoomName::new(name.as_str()).unwrap();
        leases.push(rooms.acquire(&acme, &room, "agent", LONG).await.unwrap());
    }
    let left = rooms.acquire(&acme, &RoomName::new("left").unwrap(), "agent", LONG).await.unwrap();
    left.release().await.unwrap();
    // Tenants whose names would mean more to Redis than themselves.
    for sly in ["*", "acm?", "[a]cme", "acme:room:x"] {
        let sly = TenantId::new(sly).unwrap();
        assert_eq!(rooms.rooms(&sly).await.unwrap(), [], "{sly}");
        let own = RoomName::new("own").unwrap();
        rooms.acquire(&sly, &own, "agent", LONG).await.unwrap();
        assert_eq!(rooms.rooms(&sly).await.unwrap(), [own], "{sly}");
    }
    names.sort();
    let listed: Vec<_> = rooms.rooms(&acme).await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(listed, names);
}

#[test]
fn the_state_of_an_older_agent_can_be_read_and_words_are_not_shown() {
    let older = r#"{"agent_state":"LISTENING","participants":["ada"],"last_heard":null}"#;
    let state: RoomState = serde_json::from_str(older).unwrap();
    assert_eq!((state.session, state.open_turn, state.muted), (None, None, false));
    let shown = format!("{:?}", RoomState { open_turn: Some(open_turn()), ..state });
    assert!(shown.contains("ada") && !shown.contains("dog"), "{shown}");
}

#[tokio::test]
async fn redis_being_away_is_reported_and_forgotten_when_it_is_back() {
    let mut redis = testkit::redis().await;
    let rooms = Rooms::connect(&redis.url).unwrap();
    let (tenant, room) = kitchen();
    let lease = rooms.acquire(&tenant, &room, "agent", LONG).await.unwrap();

    redis.kill().await;
    assert!(matches!(lease.renew().await, Err(LeaseError::Unavailable(_))));
    assert!(matches!(rooms.ready().await, Err(RoomsError::Unavailable(_))));
    let other = rooms.acquire(&tenant, &room, "other", LONG).await;
    assert!(matches!(other, Err(AcquireError::Unavailable(_))));

    redis.restart().await;
    testkit::eventually("redis to answer again", 10, || async { rooms.ready().await.is_ok() }).await;
    // Whether the server kept the key or not, the room is still ours, under the same epoch.
    lease.renew().await.unwrap();
    let holder = rooms.holder(&tenant, &room).await.unwrap().unwrap();
    assert_eq!((holder.holder.as_str(), holder.epoch), ("agent", lease.epoch()));
}

#[tokio::test]
async fn epochs_grow_even_when_redis_forgets_everything() {
    let server = testkit::redis().await;
    let rooms = Rooms::connect(&server.url).unwrap();
    let (tenant, room) = kitchen();
    let forgotten = rooms.acquire(&tenant, &room, "forgotten", LONG).await.unwrap();
    let mut connection = redis::Client::open(server.url.as_str()).unwrap().get_connection_manager().await.unwrap();
    redis::cmd("FLUSHALL").exec_async(&mut connection).await.unwrap();

    let new = rooms.acquire(&tenant, &room, "new", LONG).await.unwrap();
    assert!(new.epoch() > forgotten.epoch());
    assert!(matches!(forgotten.renew().await, Err(LeaseError::Lost(Some(by))) if by.holder == "new"));
}

#[tokio::test]
async fn connecting_does_not_wait_and_a_bad_url_is_not_shown() {
    let rooms = Rooms::connect("redis://127.0.0.1:1").unwrap();
    assert!(matches!(rooms.ready().await, Err(RoomsError::Unavailable(_))));
    let error = Rooms::connect("http://user:secret@nowhere").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
}
