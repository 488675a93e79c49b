//! What a person wishes about it, and what their feedback teaches.

use aether_proto::{
    NotificationFeedback, NotificationSettings, NotificationSnooze, NotificationTarget, NotifyWork, NotifyWorkReply,
    Urgency, notify_control::Wish, notify_work::Work, subject,
};
use aether_store::RuleRow;
use jiff::{Timestamp, ToSpan as _};

use crate::house::{House, ada, event};
use crate::played::PlayedAgent;

async fn feedback(house: &House, title: &str, feedback: &str) -> String {
    let rows = house.notifications().await;
    let id = rows.iter().find(|row| row.title == title).unwrap().notification.to_string();
    let feedback = NotificationFeedback { notification_id: id, feedback: feedback.to_owned() };
    house.wish(Wish::Feedback(feedback)).await.unwrap().id
}

async fn rules(house: &House) -> Vec<RuleRow> {
    let mut transaction = house.store.tenant(&house.context.tenant).await.unwrap();
    transaction.rules(&house.context.agent, &ada()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_becomes_a_rule_that_decides_until_it_is_undone() {
    let house = House::build().await;
    let _notifier = house.notifier().await;
    let _kitchen = PlayedAgent::with(&house, "kitchen", "ada").await;
    for number in 1..=3 {
        let title = format!("Event {number}");
        house.happens(&event(&title, Urgency::Normal)).await;
        house.until(&title, "delivered").await;
        let learned = feedback(&house, &title, "dismissed").await;
        assert_eq!(learned.is_empty(), number < 3, "three make a habit");
    }
    house.happens(&event("Event 4", Urgency::Normal)).await;
    let row = house.until("Event 4", "digest").await;
    assert_eq!(row.reason, "you dismissed it 3 times in a row");

    let muting = feedback(&house, "Event 4", "muted").await;
    assert_eq!(rules(&house).await.len(), 1, "one rule about one thing");
    house.happens(&event("Event 5", Urgency::Urgent)).await;
    assert_eq!(house.until("Event 5", "never").await.reason, "you muted it");
    let other = aether_proto::PluginEvent { kind: "build.passed".into(), ..event("Event 6", Urgency::Normal) };
    house.happens(&other).await;
    house.until("Event 6", "delivered").await;

    house.wish(Wish::ForgetRule(muting.clone())).await.unwrap();
    assert!(rules(&house).await.is_empty());
    house.happens(&event("Event 7", Urgency::Normal)).await;
    house.until("Event 7", "delivered").await;
    assert!(feedback(&house, "Event 7", "dismissed").await.is_empty(), "what was undone is not learned again at once");
    let error = house.wish(Wish::ForgetRule(muting)).await.unwrap_err().to_string();
    assert!(error.contains("there is no rule"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_quiet_hours_only_what_is_urgent_is_told_and_a_digest_tells_the_rest() {
    let house = House::build().await;
    let _notifier = house.notifier().await;
    let kitchen = PlayedAgent::with(&house, "kitchen", "ada").await;
    let now = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let clock = |hours: i32| (&now + hours.hours()).strftime("%H:%M").to_string();
    let settings = NotificationSettings {
        quiet_from: clock(-1),
        quiet_until: clock(2),
        time_zone: "UTC".into(),
        digest_at: vec![clock(3)],
        most_per_hour: 6,
    };
    house.wish(Wish::Settings(settings.clone())).await.unwrap();
    house.happens(&event("In two hours", Urgency::High)).await;
    let row = house.until("In two hours", "waiting").await;
    assert_eq!(row.reason, "these are quiet hours");
    let due = Timestamp::from_second(row.due_at.unwrap().unix_timestamp()).unwrap();
    assert!(due > now.timestamp() + 1.hour() && due <= now.timestamp() + 2.hours(), "{due}");
    house.happens(&event("Now", Urgency::Urgent)).await;
    house.until("Now", "delivered").await;
    for title in ["Small", "Smaller"] {
        house.happens(&event(title, Urgency::Low)).await;
        house.until(title, "digest").await;
    }
    // The scheduler would say so in three hours; said twice it is one digest.
    for _ in 0..2 {
        let work = NotifyWork { work: Some(Work::Digest("ada".into())) };
        house.bus.request::<_, NotifyWorkReply>(&house.context, subject::NOTIFY_WORK, &work).await.unwrap();
    }
    let digest = house.until("2 things you may want to know", "delivered").await;
    assert_eq!(digest.text, "• Small (builds)\n• Smaller (builds)");
    house.until("Small", "delivered").await;
    let said = "2 things you may want to know: Small (builds), Smaller (builds).";
    assert_eq!(kitchen.told(), ["A message from builds: Now.", said]);

    for wrong in [
        NotificationSettings { quiet_until: String::new(), ..settings.clone() },
        NotificationSettings { time_zone: "Mars/Olympus".into(), ..settings.clone() },
        NotificationSettings { digest_at: vec![], ..settings },
    ] {
        assert!(house.wish(Wish::Settings(wrong)).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_snoozed_is_told_again_and_what_was_seen_is_not() {
    let house = House::build().await;
    let _notifier = house.notifier().await;
    let kitchen = PlayedAgent::with(&house, "kitchen", "ada").await;
    house.happens(&event("The build failed", Urgency::Normal)).await;
    let row = house.until("The build failed", "delivered").await;
    let id = row.notification.to_string();
    house.wish(Wish::Seen(id.clone())).await.unwrap();
    let snooze = NotificationSnooze { notification_id: id.clone(), minutes: 10 };
    house.wish(Wish::Snooze(snooze.clone())).await.unwrap();
    let row = house.until("The build failed", "waiting").await;
    assert_eq!((row.round, row.seen_at, row.reason.as_str()), (1, None, "you snoozed it"));
    // Ten minutes later.
    let delivery = aether_proto::NotifyDelivery { notification_id: id.clone(), round: 1 };
    let work = NotifyWork { work: Some(Work::Deliver(delivery)) };
    for _ in 0..2 {
        house.bus.request::<_, NotifyWorkReply>(&house.context, subject::NOTIFY_WORK, &work).await.unwrap();
    }
    house.until("The build failed", "delivered").await;
    assert_eq!(kitchen.told().len(), 2, "once in each round");

    house.wish(Wish::Snooze(snooze.clone())).await.unwrap();
    house.wish(Wish::Seen(id.clone())).await.unwrap();
    let delivery = aether_proto::NotifyDelivery { notification_id: id, round: 2 };
    let work = NotifyWork { work: Some(Work::Deliver(delivery)) };
    house.bus.request::<_, NotifyWorkReply>(&house.context, subject::NOTIFY_WORK, &work).await.unwrap();
    assert_eq!(kitchen.told().len(), 2);
    for minutes in [0, 7 * 24 * 60 + 1] {
        let error = house.wish(Wish::Snooze(NotificationSnooze { minutes, ..snooze.clone() })).await.unwrap_err();
        assert!(error.to_string().contains("snooze_minutes"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_wished_is_refused_with_the_reason() {
    let house = House::build().await;
    let _notifier = house.notifier().await;
    let target = |channel: &str, address: &str| {
        Wish::AddTarget(NotificationTarget {
            channel: channel.into(),
            address: address.into(),
            ..NotificationTarget::default()
        })
    };
    let feedback = |feedback: &str| {
        let notification_id = aether_proto::NotificationId::generate().to_string();
        Wish::Feedback(NotificationFeedback { notification_id, feedback: feedback.into() })
    };
    for (wish, said) in [
        (target("pigeon", "somewhere"), "`channel` must be"),
        (target("webhook", "ftp://files.example"), "neither http nor https"),
        (target("webhook", "https://me:word@example.org"), "user or a password"),
        (target("push", "https://push.example.net/abc"), "`subscription`"),
        (target("email", "ada@example.org"), "SMTP_URL"),
        (feedback("loved"), "`feedback` must be"),
        (feedback("muted"), "there is no notification"),
        (Wish::Seen("not an id".into()), "there is no notification"),
        (Wish::RemoveTarget("not an id".into()), "there is no target"),
        (Wish::AddSource("Big Name".into()), "lower-case"),
        (Wish::AddSource("reminder".into()), "name of ours"),
        (Wish::RemoveSource("builds-0".into()), "there is no source"),
    ] {
        let error = house.wish(wish).await.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
