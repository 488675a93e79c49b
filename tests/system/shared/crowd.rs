//! Many people, briefly: nobody who has gone leaves an agent behind.

use aether_cli::person::Person;
use aether_testkit::eventually;
use futures::future::join_all;
use serde_json::json;

use crate::house::{House, TENANT};

#[tokio::test(flavor = "multi_thread")]
async fn people_who_come_and_go_leave_no_agent_and_no_lease_behind() {
    let house = House::shared().await;
    house.until_empty().await;
    let name = |index: usize| format!("person-{index}");
    // Two who never come: only their rooms are made, and agents called.
    for index in 0..2 {
        let request = json!({ "room_name": format!("empty-{index}") });
        assert_eq!(house.caller(TENANT, "person-0").post("/v1/rooms/token", request).await.status, 201);
    }
    // One room, ten people, in pairs that overlap, so that it is never empty.
    let mut before = Vec::new();
    for pair in 0..5 {
        let callers = [2 * pair, 2 * pair + 1].map(|index| house.caller(TENANT, &name(index)));
        let people = join_all(callers.iter().map(|caller| house.visitor(caller, "hall", "Somebody"))).await;
        join_all(std::mem::replace(&mut before, people).into_iter().map(Person::leave)).await;
    }
    join_all(before.into_iter().map(Person::leave)).await;
    // A room each, at the same time; they go as soon as somebody listens.
    join_all((0..5).map(|index| {
        let (house, room) = (&house, format!("cell-{index}"));
        async move { house.visitor(&house.caller(TENANT, &name(index)), &room, "").await.leave().await }
    }))
    .await;

    let mut rooms: Vec<String> = (0..5).map(|index| format!("cell-{index}")).collect();
    rooms.extend(["hall".to_owned(), "empty-0".to_owned(), "empty-1".to_owned()]);
    for room in &rooms {
        eventually(&format!("nobody is left in {room}"), 60, || async { !house.occupied(room).await }).await;
        eventually(&format!("nobody holds {room}"), 10, || async { !house.leased(room).await }).await;
    }
    let listed = house.admin(TENANT).get("/v1/rooms").await.json;
    assert_eq!(listed["data"], json!([]), "{listed}");
    assert_eq!(house.conversations().await, 0);
}
