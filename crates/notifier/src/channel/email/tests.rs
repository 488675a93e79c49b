use proptest::prelude::*;

use super::server::{HANG_UP, MailServer, SILENCE};
use super::*;

fn email(server: &str) -> Email {
    Email::new(server, "Aether zu Hause <aether@example.org>").unwrap()
}

fn message() -> Message {
    Message {
        id: "00000000-0000-0000-0000-000000000007".parse().unwrap(),
        title: "The build failed".into(),
        text: "Two tests.\nSee there.".into(),
        url: "https://ci.example.org/7".into(),
        urgency: Urgency::Normal,
        created_unix_ms: 1_700_000_000_123,
    }
}

fn ada() -> Address {
    "ada@example.com".parse().unwrap()
}

/// The mail as it would be sent.
fn written(message: &Message) -> String {
    String::from_utf8(email("smtp://localhost").compose(&ada(), message).unwrap().formatted()).unwrap()
}

async fn failed(to: &'static str, answer: &'static str) -> Failure {
    let server = MailServer::start(to, answer).await;
    email(&format!("smtp://{}", server.address)).send(&ada(), &message()).await.unwrap_err()
}

#[tokio::test]
async fn a_mail_server_gets_the_mail() {
    let server = MailServer::start("NOTHING", "").await;
    email(&format!("smtp://{}/aether.example.org", server.address)).send(&ada(), &message()).await.unwrap();
    let lines = server.lines();
    assert_eq!(
        lines[..4],
        ["EHLO aether.example.org", "MAIL FROM:<aether@example.org>", "RCPT TO:<ada@example.com>", "DATA"]
    );
    let (head, body) = lines[4..].split_at(lines[4..].iter().position(String::is_empty).unwrap());
    for header in [
        "From: \"Aether zu Hause\" <aether@example.org>",
        "To: ada@example.com",
        "Subject: The build failed",
        "Date: Tue, 14 Nov 2023 22:13:20 +0000",
        "Message-ID: <00000000-0000-0000-0000-000000000007@example.org>",
        "Auto-Submitted: auto-generated",
        "Content-Type: text/plain; charset=utf-8",
    ] {
        assert!(head.iter().any(|line| line == header), "{header} in {head:#?}");
    }
    let end = body.iter().position(|line| line == ".").unwrap();
    assert_eq!(body[1..end], ["Two tests.", "See there.", "", "https://ci.example.org/7"]);
}

#[tokio::test]
async fn a_text_cannot_end_the_mail_and_go_on_with_commands() {
    for end in ["\n", "\r", "\r\n"] {
        let server = MailServer::start("NOTHING", "").await;
        let text = ["One.", ".", "RCPT TO:<eve@example.org>", "DATA"].join(end);
        let message = Message { text, url: String::new(), ..message() };
        email(&format!("smtp://{}", server.address)).send(&ada(), &message).await.unwrap();
        let lines = server.lines();
        let body = lines.iter().position(String::is_empty).unwrap() + 1;
        assert_eq!(lines[body..body + 5], ["One.", "..", "RCPT TO:<eve@example.org>", "DATA", "."], "{end:?}");
    }
}

#[tokio::test]
async fn user_and_password_are_told_to_the_server() {
    let server = MailServer::start("NOTHING", "").await;
    email(&format!("smtp://ada:p%40ss@{}", server.address)).send(&ada(), &message()).await.unwrap();
    let plain = "AUTH PLAIN AGFkYQBwQHNz"; // "\0ada\0p@ss"
    assert!(server.lines().iter().any(|line| line == plain), "{:?}", server.lines());
}

#[tokio::test]
async fn without_the_encryption_that_is_asked_for_nothing_is_sent() {
    let server = MailServer::start("NOTHING", "").await;
    let mail = email(&format!("smtp://ada:word@{}?tls=required", server.address));
    let failure = mail.send(&ada(), &message()).await.unwrap_err();
    assert_eq!(failure, Failure::temporary("the mail server lacks what it is asked for"));
    assert!(server.lines().iter().all(|line| !line.starts_with("AUTH") && !line.starts_with("MAIL")));
}

#[tokio::test]
async fn a_refused_mailbox_is_permanent_and_all_else_may_pass() {
    for (to, answer) in
        [("RCPT", "550 5.1.1 no ada@example.com here"), ("RCPT", "553 what"), (".", "554 spam"), ("MAIL", "550 no")]
    {
        let Failure::Permanent { reason } = failed(to, answer).await else { panic!("{to} {answer}") };
        assert!(reason.contains(&answer[..3]) && !reason.contains("ada"), "{reason}");
    }
    for (to, answer) in [
        ("", "421 too busy"),
        ("", HANG_UP),
        ("", "HTTP/1.1 400 Bad Request"),
        ("EHLO", HANG_UP),
        ("MAIL", "451 later"),
        ("RCPT", "451 greylisted"),
        ("RCPT", "552 full"),
        ("DATA", HANG_UP),
        (".", "451 later"),
        (".", HANG_UP),
        ("RCPT", "530 who are you"),
    ] {
        let failure = failed(to, answer).await;
        assert!(matches!(failure, Failure::Temporary { retry_after: None, .. }), "{to} {answer}: {failure:?}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_not_the_mailboxes_fault() {
    let server = MailServer::start("AUTH", "535 no").await;
    let mail = email(&format!("smtp://ada:word@{}", server.address));
    let failure = mail.send(&ada(), &message()).await.unwrap_err();
    assert_eq!(failure, Failure::temporary("the mail server does not let us in (answered 535)"));
}

#[tokio::test]
async fn a_server_that_is_silent_or_away_is_temporary() {
    let server = MailServer::start("RCPT", SILENCE).await;
    let mut impatient = email(&format!("smtp://{}", server.address));
    impatient.timeout = Duration::from_millis(300);
    let failure = impatient.send(&ada(), &message()).await.unwrap_err();
    assert_eq!(failure, Failure::temporary("the mail server took longer than 300ms"));
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let failure = email(&format!("smtp://{nobody}")).send(&ada(), &message()).await.unwrap_err();
    assert_eq!(failure, Failure::temporary("the mail server could not be reached, or broke off"));
}

#[test]
fn settings_that_cannot_work_or_tell_the_password_are_refused() {
    let new = |server| Email::new(server, "aether@example.org").map(drop);
    for server in [
        "smtps://ada:word@mail.example.org",
        "smtps://mail.example.org:4650",
        "smtp://mail.example.org",
        "smtp://mail.example.org:587?tls=opportunistic",
        "smtp://ada:word@mail.example.org?tls=required",
        "smtp://ada:word@localhost:1025",
    ] {
        assert_eq!(new(server), Ok(()), "{server}");
    }
    for (server, error) in [
        ("", EmailError::Server),
        ("mail.example.org", EmailError::Server),
        ("mail.example.org:25", EmailError::Server),
        ("https://mail.example.org", EmailError::Server),
        ("smtp://mail.example.org?tls=maybe", EmailError::Server),
        ("smtps:///", EmailError::Server),
        ("smtps://ada@mail.example.org", EmailError::NoPassword),
        ("smtp://ada:word@mail.example.org", EmailError::PasswordInTheClear),
        ("smtp://ada:word@mail.example.org?tls=opportunistic", EmailError::PasswordInTheClear),
    ] {
        assert_eq!(new(server), Err(error), "{server}");
    }
    for from in ["", "Aether", "Aether <aether>", "a\r\nBcc: eve@example.org <a@example.org>", "ä@example.org"] {
        assert_eq!(Email::new("smtp://localhost", from).map(drop), Err(EmailError::Address), "{from}");
    }
    let email = Email::new("smtps://ada:word@mail.example.org", "Aether <aether@example.org>").unwrap();
    assert_eq!(format!("{email:?}"), "Email(from Aether <aether@example.org>)");
}

#[test]
fn an_address_is_one_mailbox_and_nothing_else() {
    for good in ["ada@example.org", "ada.l+home@mail.example.org", "a@[192.0.2.1]", "ada@xn--bcher-kva.example"] {
        assert_eq!(good.parse::<Address>().unwrap().to_string(), good);
    }
    let long = format!("{}@example.org", "a".repeat(300));
    for bad in [
        "",
        "ada",
        "@example.org",
        "ada@",
        "ada@example.org, eve@example.org",
        "Ada <ada@example.org>",
        "<ada@example.org>",
        "ada@example.org\r\nDATA",
        "ada\n@example.org",
        "\"a da\"@example.org",
        "\"a>\"@example.org",
        "ada@exa mple.org",
        "ada@bücher.example",
        &long,
    ] {
        assert_eq!(bad.parse::<Address>(), Err(EmailError::Address), "{bad}");
    }
}

#[test]
fn what_is_urgent_says_so_and_a_time_beyond_all_calendars_is_bounded() {
    assert!(!written(&message()).contains("Importance"));
    assert!(written(&Message { urgency: Urgency::Urgent, ..message() }).contains("Importance: high\r\n"));
    assert!(written(&Message { created_unix_ms: i64::MIN, ..message() }).contains("01 Jan 1970"));
    assert!(written(&Message { created_unix_ms: i64::MAX, ..message() }).contains("31 Dec 9999"));
}

#[test]
fn an_empty_text_leaves_no_gap() {
    let mail = written(&Message { text: String::new(), ..message() });
    assert!(mail.ends_with("\r\n\r\nhttps://ci.example.org/7"), "{mail:?}");
}

proptest! {
    #[test]
    fn no_title_text_or_url_adds_a_header(
        title in "[ -~\r\n\u{0}\u{85}\u{2028}ä]{0,80}(\r\n|\n|\r)Bcc: eve@example.org[ -~\r\n]{0,300}",
        text in "[ -~\r\n.ä]{0,200}\r\n\\.\r\n[ -~]{0,40}",
        url in "[ -~\r\n\u{0}]{0,40}",
    ) {
        let mail = written(&Message { title, text, url, ..message() });
        let (head, _) = mail.split_once("\r\n\r\n").unwrap();
        let names: Vec<_> = head.split("\r\n").filter(|line| !line.starts_with(' ')).map(|line| line.split_once(": ").unwrap().0).collect();
        prop_assert_eq!(names, [
            "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding",
        ]);
        prop_assert!(!mail.replace("\r\n", "").contains(['\r', '\n', '\0']), "{:?}", mail);
    }

    #[test]
    fn no_address_or_server_makes_it_panic(text in ".{0,30}(@.{0,30})?", server in "(smtps?://)?.{0,40}") {
        if let Ok(address) = text.parse::<Address>() {
            prop_assert!(address.to_string().bytes().all(|byte| byte.is_ascii_graphic()));
        }
        let _ = Email::new(&server, &text);
    }
}
