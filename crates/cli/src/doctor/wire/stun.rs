//! STUN (RFC 8489), as far as a connectivity check of ICE and a knock on a TURN server's door go. Pure.

use ring::hmac;

const MAGIC: [u8; 4] = 0x2112_A442_u32.to_be_bytes();
const HEADER: usize = 20;

const BINDING_REQUEST: u16 = 0x0001;
const ALLOCATE_REQUEST: u16 = 0x0003;
const BINDING_ANSWER: u16 = 0x0101;
const ALLOCATE_REFUSED: u16 = 0x0113;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const REQUESTED_TRANSPORT: u16 = 0x0019;
const PRIORITY: u16 = 0x0024;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLING: u16 = 0x802a;

/// Tells an answer from a stranger's packet.
pub type Transaction = [u8; 12];

/// Asks whether packets get through, as the side that made the offer would.
pub fn connectivity_check(transaction: Transaction, username: &str, password: &str) -> Vec<u8> {
    let mut message = header(BINDING_REQUEST, transaction);
    attribute(&mut message, USERNAME, username.as_bytes());
    // A peer-reflexive candidate's, as ICE recommends it.
    attribute(&mut message, PRIORITY, &0x6e00_01ff_u32.to_be_bytes());
    attribute(&mut message, ICE_CONTROLLING, &transaction[..8]);
    let signature = integrity(&mut message, password);
    attribute(&mut message, MESSAGE_INTEGRITY, &signature);
    let fingerprint = fingerprint(&mut message);
    attribute(&mut message, FINGERPRINT, &fingerprint);
    message
}

/// Asks a TURN server for a relay, without a password: one that works refuses.
pub fn allocation(transaction: Transaction) -> Vec<u8> {
    let mut message = header(ALLOCATE_REQUEST, transaction);
    attribute(&mut message, REQUESTED_TRANSPORT, &[17, 0, 0, 0]); // UDP
    message
}

/// Whether this packet is the other side's yes to a connectivity check, signed with the password that only it knows.
pub fn is_reachable(packet: &[u8], transaction: Transaction, password: &str) -> bool {
    let Some((BINDING_ANSWER, attributes)) = read(packet, transaction) else { return false };
    let Some((at, signature)) =
        attributes.iter().find(|(kind, ..)| *kind == MESSAGE_INTEGRITY).map(|(_, at, value)| (*at, *value))
    else {
        return false;
    };
    let mut signed = packet[..at].to_vec();
    integrity(&mut signed, password).as_slice() == signature
}

/// The code with which a TURN server refuses; 401 means that it asks who we are.
pub fn refusal(packet: &[u8], transaction: Transaction) -> Option<u16> {
    let Some((ALLOCATE_REFUSED, attributes)) = read(packet, transaction) else { return None };
    let (.., value) = attributes.into_iter().find(|(kind, ..)| *kind == ERROR_CODE)?;
    Some(u16::from(*value.get(2)? & 7) * 100 + u16::from(*value.get(3)?))
}

type Attributes<'a> = Vec<(u16, usize, &'a [u8])>;

/// The kind of a message of this transaction, and its attributes with the place where each begins.
fn read(packet: &[u8], transaction: Transaction) -> Option<(u16, Attributes<'_>)> {
    let head = packet.get(..HEADER)?;
    if head[4..8] != MAGIC || head[8..] != transaction {
        return None;
    }
    let mut attributes = Vec::new();
    let mut at = HEADER;
    while let Some(start) = packet.get(at..at + 4) {
        let kind = u16::from_be_bytes([start[0], start[1]]);
        let length = usize::from(u16::from_be_bytes([start[2], start[3]]));
        attributes.push((kind, at, packet.get(at + 4..at + 4 + length)?));
        at += 4 + length.next_multiple_of(4);
    }
    Some((u16::from_be_bytes([head[0], head[1]]), attributes))
}

fn header(kind: u16, transaction: Transaction) -> Vec<u8> {
    [kind.to_be_bytes().as_slice(), &[0, 0], &MAGIC, &transaction].concat()
}

fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend(kind.to_be_bytes());
    message.extend(u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
    let length = message.len() - HEADER;
    set_length(message, length);
}

/// The signature over all before it, with the length that the message has once it is in.
fn integrity(message: &mut [u8], password: &str) -> Vec<u8> {
    let length = message.len() - HEADER + 24;
    set_length(message, length);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    hmac::sign(&key, message).as_ref().to_vec()
}

fn fingerprint(message: &mut [u8]) -> [u8; 4] {
    let length = message.len() - HEADER + 8;
    set_length(message, length);
    (crc32(message) ^ 0x5354_554e).to_be_bytes()
}

fn set_length(message: &mut [u8], length: usize) {
    let length = u16::try_from(length).unwrap_or_default().to_be_bytes();
    message[2..4].copy_from_slice(&length);
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
    const TRANSACTION: Transaction = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

    /// The request of RFC 5769, section 2.1, without its last two attributes.
    fn example() -> Vec<u8> {
        let mut message = header(BINDING_REQUEST, TRANSACTION);
        attribute(&mut message, 0x8022, b"STUN test client");
        attribute(&mut message, PRIORITY, &[0x6e, 0x00, 0x01, 0xff]);
        attribute(&mut message, 0x8029, &[0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36]);
        attribute(&mut message, USERNAME, b"evtj:h6vY");
        let end = message.len();
        message[end - 3..].fill(b' '); // the example pads with spaces
        message
    }

    #[test]
    fn the_signature_and_the_fingerprint_of_rfc_5769_come_out() {
        let mut message = example();
        let signature = integrity(&mut message, PASSWORD);
        let expected = [
            0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49, 0xc1, 0xb5,
            0x71, 0xa2,
        ];
        assert_eq!(signature, expected);
        attribute(&mut message, MESSAGE_INTEGRITY, &signature);
        assert_eq!(fingerprint(&mut message), [0xe5, 0x7a, 0x3b, 0xcf]);
    }

    #[test]
    fn only_a_signed_answer_to_this_question_counts() {
        let mut answer = connectivity_check(TRANSACTION, "a:b", PASSWORD);
        assert!(!is_reachable(&answer, TRANSACTION, PASSWORD), "a question is no answer");
        answer.truncate(HEADER);
        answer[..2].copy_from_slice(&BINDING_ANSWER.to_be_bytes());
        assert!(!is_reachable(&answer, TRANSACTION, PASSWORD), "it is not signed");
        let signature = integrity(&mut answer, PASSWORD);
        attribute(&mut answer, MESSAGE_INTEGRITY, &signature);
        assert!(is_reachable(&answer, TRANSACTION, PASSWORD));
        assert!(!is_reachable(&answer, TRANSACTION, "another"));
        assert!(!is_reachable(&answer, [0; 12], PASSWORD));
        for length in 0..answer.len() {
            assert!(!is_reachable(&answer[..length], TRANSACTION, PASSWORD), "{length}");
        }
    }

    #[test]
    fn a_turn_server_that_asks_who_we_are_is_one() {
        let mut packet = header(ALLOCATE_REFUSED, TRANSACTION);
        attribute(&mut packet, ERROR_CODE, &[0, 0, 4, 1]);
        assert_eq!(refusal(&packet, TRANSACTION), Some(401));
        assert_eq!(refusal(&packet[..HEADER + 5], TRANSACTION), None);
        assert_eq!(refusal(&allocation(TRANSACTION), TRANSACTION), None);
    }
}
