//! The way into a LiveKit room, as far as the first exchange about how packets could travel: who we are, which servers may
//! help, an offer, its answer, and the places where the server takes packets.

use futures::{SinkExt, StreamExt};
use prost::Message as _;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use url::Url;

use super::{Error, place};

/// The signalling protocol that is spoken; servers speak older ones, too.
const PROTOCOL: &str = "15";
const LONGEST_WORD: usize = 24;

/// Of LiveKit's messages only what is read or written here; the rest is skipped.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Said {
    #[prost(message, optional, tag = "1")]
    pub join: Option<Join>,
    #[prost(message, optional, tag = "2")]
    pub answer: Option<Description>,
    #[prost(message, optional, tag = "4")]
    pub trickle: Option<Trickle>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Join {
    #[prost(string, tag = "4")]
    pub server_version: String,
    #[prost(message, repeated, tag = "5")]
    pub ice_servers: Vec<IceServer>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct IceServer {
    #[prost(string, repeated, tag = "1")]
    pub urls: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Description {
    #[prost(string, tag = "1")]
    pub kind: String,
    #[prost(string, tag = "2")]
    pub sdp: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Trickle {
    /// JSON.
    #[prost(string, tag = "1")]
    pub candidate: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Saying {
    #[prost(message, optional, tag = "1")]
    offer: Option<Description>,
    #[prost(message, optional, tag = "8")]
    leave: Option<Leave>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Leave {}

/// Half of what both sides of a connectivity check know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

/// A place where the server says that it takes packets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Candidate {
    pub is_udp: bool,
    pub address: String,
    pub port: u16,
}

/// A seat in a room, without any media.
pub struct Signal {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Signal {
    pub async fn connect(url: &str, token: &str) -> Result<Self, Error> {
        let mut address =
            Url::parse(&url.replacen("http", "ws", 1)).map_err(|_| Error::OtherProtocol("a URL of LiveKit"))?;
        let path = format!("{}/rtc", address.path().trim_end_matches('/'));
        address.set_path(&path);
        address.query_pairs_mut().extend_pairs([
            ("access_token", token),
            ("protocol", PROTOCOL),
            ("auto_subscribe", "0"),
            ("sdk", "rust"),
        ]);
        let (host, port) = place(url, 7880);
        match connect_async(address.as_str()).await {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(tungstenite::Error::Http(answer)) => {
                Err(Error::Refused(format!("it answers HTTP {}", answer.status().as_u16())))
            }
            Err(tungstenite::Error::Io(error)) => {
                Err(Error::Unreachable { host, port, reason: error.kind().to_string() })
            }
            // The text of others may repeat the address, and with it the token.
            Err(_) => Err(Error::OtherProtocol("LiveKit's signalling")),
        }
    }

    /// What the server says next that is of interest here.
    pub async fn next(&mut self) -> Result<Said, Error> {
        while let Some(message) = self.socket.next().await {
            match message {
                Ok(Message::Binary(bytes)) => {
                    return Said::decode(bytes).map_err(|_| Error::OtherProtocol("LiveKit's signalling"));
                }
                Ok(Message::Close(_)) | Err(_) => return Err(Error::HungUp),
                Ok(_) => {}
            }
        }
        Err(Error::HungUp)
    }

    /// Offers a channel for data, so that the server says where it takes packets.
    pub async fn offer(&mut self, ours: &Credentials) -> Result<(), Error> {
        let offer = Some(Description { kind: "offer".to_owned(), sdp: description(ours) });
        self.say(&Saying { offer, leave: None }).await
    }

    pub async fn leave(mut self) {
        // Whoever does not hear the goodbye notices that the connection is gone.
        let _ = self.say(&Saying { offer: None, leave: Some(Leave {}) }).await;
        let _ = self.socket.close(None).await;
    }

    async fn say(&mut self, saying: &Saying) -> Result<(), Error> {
        self.socket.send(Message::Binary(saying.encode_to_vec().into())).await.map_err(|_| Error::HungUp)
    }
}

impl Credentials {
    pub fn random() -> Option<Self> {
        let mut bytes = [0; 16];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let (user, password) = text.split_at(8);
        Some(Self { user: user.to_owned(), password: password.to_owned() })
    }

    /// Those of the other side, out of its description.
    pub fn read(sdp: &str) -> Option<Self> {
        let field = |name: &str| sdp.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::to_owned);
        Some(Self { user: field("a=ice-ufrag:")?, password: field("a=ice-pwd:")? })
    }
}

impl Candidate {
    /// `candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host`, also as a line of a description or as trickled JSON.
    pub fn read(text: &str) -> Option<Self> {
        let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
        let line = json.as_ref().and_then(|json| json["candidate"].as_str()).unwrap_or(text);
        let words: Vec<_> = line.trim().trim_start_matches("a=").split_whitespace().collect();
        let [foundation, _, transport, _, address, port, "typ", ..] = words.as_slice() else { return None };
        if !foundation.starts_with("candidate:") || address.len() > 2 * LONGEST_WORD {
            return None;
        }
        let is_udp = transport.eq_ignore_ascii_case("udp");
        if !is_udp && !transport.eq_ignore_ascii_case("tcp") {
            return None;
        }
        Some(Self { is_udp, address: (*address).to_owned(), port: port.parse().ok()? })
    }

    /// All that stand in a description.
    pub fn read_all(sdp: &str) -> Vec<Self> {
        sdp.lines().filter_map(Self::read).collect()
    }
}

/// A description with one channel for data, which is never opened: there is no key behind its fingerprint.
fn description(ours: &Credentials) -> String {
    let fingerprint = ["00"; 32].join(":");
    let Credentials { user, password } = ours;
    [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        &format!("a=ice-ufrag:{user}"),
        &format!("a=ice-pwd:{password}"),
        "a=ice-options:trickle",
        &format!("a=fingerprint:sha-256 {fingerprint}"),
        "a=setup:actpass",
        "a=mid:0",
        "a=sctp-port:5000",
        "a=max-message-size:262144",
        "",
    ]
    .join("\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_read_wherever_they_stand() {
        let udp = Candidate { is_udp: true, address: "192.0.2.1".to_owned(), port: 7882 };
        let line = "candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host ufrag abc";
        assert_eq!(Candidate::read(line), Some(udp.clone()));
        let json = serde_json::json!({ "candidate": line, "sdpMid": "0" }).to_string();
        assert_eq!(Candidate::read(&json), Some(udp.clone()));
        let sdp = format!("v=0\r\na={line}\r\na=candidate:2 1 tcp 1 ::1 7881 typ host tcptype passive\r\n");
        let tcp = Candidate { is_udp: false, address: "::1".to_owned(), port: 7881 };
        assert_eq!(Candidate::read_all(&sdp), [udp, tcp]);
    }

    #[test]
    fn what_is_no_candidate_is_none() {
        for text in ["", "{}", "candidate:1 1 udp 1 host", "candidate:1 1 udp 1 h x typ host", "x 1 udp 1 h 1 typ host"]
        {
            assert_eq!(Candidate::read(text), None, "{text}");
        }
    }

    #[test]
    fn our_own_description_says_who_we_are() {
        let ours = Credentials::random().unwrap();
        assert_eq!(Credentials::read(&description(&ours)), Some(ours));
        assert_eq!(Credentials::read("a=ice-ufrag:x"), None);
    }
}
