//! How packets get to LiveKit: a connectivity check of ICE, as a browser makes it, to each place where the server says that it
//! takes them; and whether the TURN servers that it names are there.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::time::timeout;

use crate::doctor::Finding;
use crate::doctor::Section::Network;
use crate::doctor::numbers::milliseconds;
use crate::doctor::wire::signal::{Candidate, Credentials, Join, Signal};
use crate::doctor::wire::stun::{self, Transaction};
use crate::doctor::wire::{Error, place};

const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// A lost packet is sent again, as ICE does.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Candidates trickle in; when none came for so long, those are all.
const QUIET_AFTER: Duration = Duration::from_millis(400);
const MOST_CANDIDATES: usize = 12;
const PACKET: usize = 1500;

/// One way that was tried.
#[derive(Debug)]
struct Try {
    candidate: Candidate,
    round_trip: Option<Duration>,
}

pub async fn look(signal: &mut Signal, url: &str, join: &Join) -> Vec<Finding> {
    let mut findings = match exchange(signal).await {
        Ok((ours, theirs, candidates)) => {
            let tries = candidates.into_iter().map(|candidate| reach(candidate, &ours, &theirs));
            judge(&futures::future::join_all(tries).await, url)
        }
        Err(error) => {
            vec![Network.problem(
                "ICE",
                format!("the server does not say where it takes packets: {error}"),
                "look at LiveKit's log",
            )]
        }
    };
    findings.extend(futures::future::join_all(turn_servers(join).into_iter().map(turn_server)).await);
    findings
}

/// Makes an offer and gathers what comes back.
async fn exchange(signal: &mut Signal) -> Result<(Credentials, Credentials, Vec<Candidate>), Error> {
    let ours = Credentials::random().ok_or_else(|| Error::Broken("no random numbers".to_owned()))?;
    signal.offer(&ours).await?;
    let (mut theirs, mut candidates) = (None, Vec::new());
    loop {
        let patience = if theirs.is_some() && !candidates.is_empty() { QUIET_AFTER } else { ANSWER_WITHIN };
        let Ok(said) = timeout(patience, signal.next()).await else { break };
        let said = said?;
        if let Some(answer) = said.answer {
            theirs = Credentials::read(&answer.sdp);
            candidates.extend(Candidate::read_all(&answer.sdp));
        }
        candidates.extend(said.trickle.and_then(|trickle| Candidate::read(&trickle.candidate)));
    }
    let mut seen = HashSet::new();
    candidates.retain(|candidate| seen.insert(candidate.clone()));
    candidates.truncate(MOST_CANDIDATES);
    let theirs = theirs.ok_or_else(|| Error::Broken("no answer to an offer".to_owned()))?;
    Ok((ours, theirs, candidates))
}

async fn reach(candidate: Candidate, ours: &Credentials, theirs: &Credentials) -> Try {
    let user = format!("{}:{}", theirs.user, ours.user);
    let attempt = async {
        let address: IpAddr = candidate.address.parse().ok()?;
        let address = SocketAddr::from((address, candidate.port));
        let transaction = transaction()?;
        let question = stun::connectivity_check(transaction, &user, &theirs.password);
        let is_answer = |packet: &[u8]| stun::is_reachable(packet, transaction, &theirs.password);
        if candidate.is_udp {
            over_udp(address, &question, is_answer).await
        } else {
            over_tcp(address, &question, is_answer).await
        }
    };
    let round_trip = timeout(ANSWER_WITHIN, attempt).await.ok().flatten();
    Try { candidate, round_trip }
}

/// Sends the question again and again until the answer comes.
async fn over_udp(address: SocketAddr, question: &[u8], is_answer: impl Fn(&[u8]) -> bool) -> Option<Duration> {
    let any: IpAddr = if address.is_ipv4() { [0, 0, 0, 0].into() } else { [0_u16; 8].into() };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(address).await.ok()?;
    let mut packet = [0; PACKET];
    loop {
        let sent = Instant::now();
        // A port without listener is told by the next call; one that is not there yet may come.
        let _ = socket.send(question).await;
        let answer = async {
            loop {
                match socket.recv(&mut packet).await {
                    Ok(length) if is_answer(&packet[..length]) => return true,
                    Ok(_) => {}
                    Err(_) => return false,
                }
            }
        };
        match timeout(AGAIN_AFTER, answer).await {
            Ok(true) => return Some(sent.elapsed()),
            Ok(false) => tokio::time::sleep(AGAIN_AFTER).await,
            Err(_) => {}
        }
    }
}

/// The same on a stream, where each packet follows its length.
async fn over_tcp(address: SocketAddr, question: &[u8], is_answer: impl Fn(&[u8]) -> bool) -> Option<Duration> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let sent = Instant::now();
    let length = u16::try_from(question.len()).ok()?.to_be_bytes();
    stream.write_all(&[&length, question].concat()).await.ok()?;
    loop {
        let mut packet = vec![0; usize::from(stream.read_u16().await.ok()?)];
        stream.read_exact(&mut packet).await.ok()?;
        if is_answer(&packet) {
            return Some(sent.elapsed());
        }
    }
}

fn judge(tries: &[Try], url: &str) -> Vec<Finding> {
    let is_here = is_loopback(&place(url, 7880).0);
    let mut findings = Vec::new();
    for Try { candidate: Candidate { is_udp, address, port }, round_trip } in tries {
        let transport = if *is_udp { "UDP" } else { "TCP" };
        let subject = format!("{transport} port {port}");
        findings.push(match round_trip {
            Some(took) => {
                let took = milliseconds(*took);
                Network.ok(subject, format!("{address} answers a connectivity check after {took:.1} ms")).with("round_trip_ms", took)
            }
            None if is_loopback(address) && !is_here => Network.problem(
                subject,
                format!("the server offers {address}, which only its own machine can reach"),
                "set rtc.node_ip (or rtc.use_external_ip) in LiveKit's configuration",
            ),
            // Sound can go over the other one, or over another address.
            None => Network.warning(
                subject,
                format!("{address} does not answer a connectivity check"),
                format!("open {transport} port {port} to it in every firewall between, or correct rtc.node_ip in LiveKit's configuration"),
            ),
        });
    }
    let over_udp = tries.iter().any(|one| one.candidate.is_udp && one.round_trip.is_some());
    let at_all = tries.iter().any(|one| one.round_trip.is_some());
    findings.push(match (over_udp, at_all) {
        (true, _) => Network.ok("ICE", "sound can travel by UDP"),
        (false, true) => {
            Network.warning("ICE", "sound can travel only by TCP, which stutters", "open LiveKit's UDP port (7882)")
        }
        (false, false) if tries.is_empty() => Network.problem(
            "ICE",
            "the server names no place that takes packets",
            "set rtc.udp_port and rtc.node_ip in LiveKit's configuration",
        ),
        (false, false) => Network.problem(
            "ICE",
            "no packet gets through: people join rooms in which nobody is heard",
            "open LiveKit's UDP port (7882), correct rtc.node_ip in its configuration, or set up a TURN server",
        ),
    });
    findings
}

/// A TURN server's URL, and what is known about it before asking.
#[derive(Debug, PartialEq, Eq)]
struct TurnServer {
    host: String,
    port: u16,
    is_udp: bool,
    url: String,
}

/// Those that the server tells its guests about. STUN servers alone relay nothing.
fn turn_servers(join: &Join) -> Vec<TurnServer> {
    let mut servers: Vec<_> =
        join.ice_servers.iter().flat_map(|server| &server.urls).filter_map(|url| parse_turn(url)).collect();
    servers.truncate(MOST_CANDIDATES);
    servers
}

/// `turn:host:3478?transport=udp`, `turns:host:443`.
fn parse_turn(url: &str) -> Option<TurnServer> {
    let (scheme, rest) = url.split_once(':')?;
    let is_encrypted = match scheme {
        "turn" => false,
        "turns" => true,
        _ => return None,
    };
    let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, if is_encrypted { 5349 } else { 3478 }),
    };
    let is_udp = !is_encrypted && !query.contains("transport=tcp");
    Some(TurnServer { host: host.trim_matches(['[', ']']).to_owned(), port, is_udp, url: url.to_owned() })
}

async fn turn_server(server: TurnServer) -> Finding {
    let attempt = async {
        let address = lookup_host((server.host.as_str(), server.port)).await.ok()?.next()?;
        let transaction = transaction()?;
        if server.is_udp {
            // One that works asks for a password, which is an answer.
            over_udp(address, &stun::allocation(transaction), |packet| stun::refusal(packet, transaction).is_some())
                .await
        } else {
            let began = Instant::now();
            TcpStream::connect(address).await.ok()?;
            Some(began.elapsed())
        }
    };
    match timeout(ANSWER_WITHIN, attempt).await.ok().flatten() {
        Some(took) => {
            let took = milliseconds(took);
            Network.ok("TURN", format!("{} answers after {took:.1} ms", server.url)).with("round_trip_ms", took)
        }
        None => Network.problem(
            "TURN",
            format!("{} does not answer", server.url),
            format!("start it and open its port {}, or take it out of LiveKit's configuration", server.port),
        ),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn transaction() -> Option<Transaction> {
    let mut transaction = Transaction::default();
    SystemRandom::new().fill(&mut transaction).ok()?;
    Some(transaction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    fn tried(is_udp: bool, address: &str, answered: bool) -> Try {
        let candidate = Candidate { is_udp, address: address.to_owned(), port: 7882 };
        Try { candidate, round_trip: answered.then_some(Duration::from_millis(1)) }
    }

    #[test]
    fn what_gets_through_is_judged_as_a_whole() {
        let here = "ws://127.0.0.1:7880";
        let there = "wss://livekit.example";
        for (tries, url, status) in [
            (vec![tried(true, "127.0.0.1", true), tried(false, "127.0.0.1", true)], here, Status::Ok),
            (vec![tried(true, "192.0.2.1", false), tried(true, "127.0.0.1", true)], here, Status::Ok),
            (vec![tried(true, "192.0.2.1", false), tried(false, "192.0.2.1", true)], there, Status::Warning),
            (vec![tried(true, "192.0.2.1", false)], there, Status::Problem),
            (vec![], here, Status::Problem),
        ] {
            let findings = judge(&tries, url);
            assert_eq!(findings.last().map(|finding| finding.status), Some(status), "{tries:?}");
        }
        let findings = judge(&[tried(true, "127.0.0.1", false)], there);
        assert!(findings[0].remedy.as_ref().unwrap().contains("node_ip"), "{findings:?}");
    }

    #[test]
    fn turn_servers_are_told_from_stun_servers() {
        let turn = |host: &str, port, is_udp, url: &str| {
            Some(TurnServer { host: host.to_owned(), port, is_udp, url: url.to_owned() })
        };
        for (url, expected) in [
            ("stun:127.0.0.1:3478", None),
            ("turn:turn.example?transport=udp", turn("turn.example", 3478, true, "turn:turn.example?transport=udp")),
            (
                "turn:turn.example:80?transport=tcp",
                turn("turn.example", 80, false, "turn:turn.example:80?transport=tcp"),
            ),
            ("turns:turn.example", turn("turn.example", 5349, false, "turns:turn.example")),
            ("turn:[::1]:3478", turn("::1", 3478, true, "turn:[::1]:3478")),
            ("turn:turn.example:x", None),
            ("rubbish", None),
        ] {
            assert_eq!(parse_turn(url), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_given_up() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let candidate =
            Candidate { is_udp: true, address: "127.0.0.1".to_owned(), port: silent.local_addr().unwrap().port() };
        let credentials = Credentials { user: "u".to_owned(), password: "p".to_owned() };
        let began = Instant::now();
        assert!(reach(candidate, &credentials, &credentials).await.round_trip.is_none());
        assert!(began.elapsed() < ANSWER_WITHIN * 2);
    }
}
