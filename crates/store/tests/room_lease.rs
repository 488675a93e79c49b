//! At most one holder per room, by a clock that both trust; and what Redis being away does to it.

#![expect(clippy::unwrap_used, reason = "a test whose names are refused has failed")]

use std::time::Duration;

use aether_proto::{RoomName, TenantId, TurnId};
use aether_store::{AcquireError, LastHeard, LeaseError, Renewal, RoomState, Rooms, RoomsError};
use aether_testkit as testkit;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(150);

fn kitchen() -> (TenantId, RoomName) {
    (TenantId::new("acme").unwrap(), RoomName::new("kitchen").unwrap())
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
async fn the_state_of_a_room_is_its_holders_and_ends_with_the_lease() {
    let redis = testkit::redis().await;
    let rooms = Rooms::connect(&redis.url).unwrap();
    let (tenant, room) = kitchen();
    assert_eq!(rooms.state(&tenant, &room).await.unwrap(), None);
    let lease = rooms.acquire(&tenant, &room, "agent", LONG).await.unwrap();
    let state = RoomState {
        agent_state: "SPEAKING".to_owned(),
        participants: vec!["ada".to_owned()],
        last_heard: Some(LastHeard { turn: TurnId::generate(), text_bytes: 42 }),
    };
    lease.write_state(&state).await.unwrap();
    assert_eq!(rooms.state(&tenant, &room).await.unwrap(), Some(state));
    lease.release().await.unwrap();
    assert_eq!(rooms.state(&tenant, &room).await.unwrap(), None);
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
