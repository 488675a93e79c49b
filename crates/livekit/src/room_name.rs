//! LiveKit's room names are one flat list per server; ours belong to a tenant. This is the only place that maps one to the
//! other.
//!
//! The tenant comes first, then a slash, then the room's own name untouched. A slash or percent sign in the tenant is
//! escaped, so the first slash always ends it.

use aether_proto::{IdError, RoomName, TenantId};

use crate::ParticipantIdentity;

/// Why a LiveKit room is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoomNameError {
    #[error("room name {name:?} has no tenant; it should read tenant/room")]
    NoTenant { name: String },
    #[error("room name {name:?} escapes its tenant in a way that is never written")]
    BadEscape { name: String },
    #[error("room name {name:?}: {source}")]
    Id { name: String, source: IdError },
}

/// LiveKit's name of a tenant's room. At most three bytes for each of the tenant's and one for each of the room's, and a
/// slash: the server's `max_room_name_length` must allow 513.
pub fn room_name(tenant: &TenantId, room: &RoomName) -> String {
    let mut name = String::with_capacity(tenant.as_str().len() + room.as_str().len() + 1);
    for character in tenant.as_str().chars() {
        match character {
            '%' => name.push_str("%25"),
            '/' => name.push_str("%2F"),
            _ => name.push(character),
        }
    }
    name.push('/');
    name.push_str(room.as_str());
    name
}

/// Whose room that is, and what they call it. Accepts exactly what [`room_name`] writes.
///
/// # Errors
/// When the room was not made by us.
pub fn parse_room_name(name: &str) -> Result<(TenantId, RoomName), RoomNameError> {
    let Some((tenant, room)) = name.split_once('/') else {
        return Err(RoomNameError::NoTenant { name: name.to_owned() });
    };
    let mut pieces = tenant.split('%');
    let mut unescaped = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (character, rest) = if let Some(rest) = piece.strip_prefix("25") {
            ('%', rest)
        } else if let Some(rest) = piece.strip_prefix("2F") {
            ('/', rest)
        } else {
            return Err(RoomNameError::BadEscape { name: name.to_owned() });
        };
        unescaped.push(character);
        unescaped.push_str(rest);
    }
    let bad_id = |source| RoomNameError::Id { name: name.to_owned(), source };
    Ok((TenantId::new(unescaped).map_err(bad_id)?, RoomName::new(room).map_err(bad_id)?))
}

/// The agent's identity in a room. There is one per room, so an agent that joins takes the place of one that died.
pub fn agent_identity(room: &RoomName) -> ParticipantIdentity {
    format!("agent-{room}").into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_stay_readable() -> Result<(), IdError> {
        assert_eq!(room_name(&TenantId::new("acme")?, &RoomName::new("kitchen/table")?), "acme/kitchen/table");
        assert_eq!(room_name(&TenantId::new("a/b%")?, &RoomName::new("r")?), "a%2Fb%25/r");
        Ok(())
    }

    #[test]
    fn strangers_rooms_are_refused() {
        assert!(matches!(parse_room_name("lobby"), Err(RoomNameError::NoTenant { .. })));
        assert!(matches!(parse_room_name("/lobby"), Err(RoomNameError::Id { .. })));
        assert!(matches!(parse_room_name("acme/"), Err(RoomNameError::Id { .. })));
        assert!(matches!(parse_room_name("a%2fb/lobby"), Err(RoomNameError::BadEscape { .. })));
        assert!(matches!(parse_room_name("a%/lobby"), Err(RoomNameError::BadEscape { .. })));
    }

    fn id() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z0-9%/ .:é-]{1,40}", "\\PC{1,30}"]
            .prop_filter("printable and short", |text| text.len() <= 128 && !text.chars().any(char::is_control))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(tenant in id(), room in id()) {
            let (tenant, room) = (TenantId::new(tenant).unwrap(), RoomName::new(room).unwrap());
            prop_assert_eq!(parse_room_name(&room_name(&tenant, &room)), Ok((tenant, room)));
        }

        #[test]
        fn what_is_read_is_written_back(name in "[a-c%/2F5]{0,12}") {
            if let Ok((tenant, room)) = parse_room_name(&name) {
                prop_assert_eq!(room_name(&tenant, &room), name);
            }
        }
    }
}
