//! Names of the keys in Redis that belong to one room.

use aether_proto::{RoomName, TenantId, subject};

/// `aether:<tenant>:room:<room>:`, the start of all of a room's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoomKey(String);

impl RoomKey {
    pub(crate) fn new(tenant: &TenantId, room: &RoomName) -> Self {
        Self(format!("aether:{}:room:{}:", escape(tenant.as_str()), escape(room.as_str())))
    }

    /// Hash `holder`, `epoch`; expires with the lease.
    pub(crate) fn lease(&self) -> String {
        format!("{}lease", self.0)
    }

    /// The last epoch given out. Outlives every lease, by a day.
    pub(crate) fn epoch(&self) -> String {
        format!("{}epoch", self.0)
    }

    /// JSON of [`crate::RoomState`]; expires some time after the lease.
    pub(crate) fn state(&self) -> String {
        format!("{}state", self.0)
    }

    /// A pattern for the leases of all of the tenant's rooms.
    pub(crate) fn leases(tenant: &TenantId) -> String {
        let mut pattern = String::new();
        for character in format!("aether:{}:room:", escape(tenant.as_str())).chars() {
            // The tenant's name is meant literally. `*` is escaped in it already.
            if matches!(character, '?' | '[' | ']' | '\\') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern + "*:lease"
    }

    /// The room whose lease this key is.
    pub(crate) fn room_of_lease(tenant: &TenantId, key: &str) -> Option<RoomName> {
        let start = format!("aether:{}:room:", escape(tenant.as_str()));
        let room = key.strip_prefix(&start)?.strip_suffix(":lease")?;
        RoomName::new(subject::unescape(&room.replace("%3A", ":"))?).ok()
    }
}

/// A chosen name must not reach into a neighbour's keys by a `:` of its own. `%` is escaped first, so this can't collide.
fn escape(name: &str) -> String {
    subject::escape(name).replace(':', "%3A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_in_a_name_stays_in_its_name() {
        let tenant = TenantId::new("acme").unwrap();
        let key = RoomKey::new(&tenant, &RoomName::new("kitchen").unwrap());
        assert_eq!(key.lease(), "aether:acme:room:kitchen:lease");
        let sly = RoomKey::new(&TenantId::new("acme:room:kitchen").unwrap(), &RoomName::new("x").unwrap());
        assert_eq!(sly.lease(), "aether:acme%3Aroom%3Akitchen:room:x:lease");
        let escaped = RoomKey::new(&tenant, &RoomName::new("a%3Ab").unwrap());
        assert_ne!(escaped, RoomKey::new(&tenant, &RoomName::new("a:b").unwrap()));
    }

    #[test]
    fn a_lease_tells_its_room() {
        let tenant = TenantId::new("a?[b]:*\\").unwrap();
        assert_eq!(RoomKey::leases(&tenant), "aether:a\\?\\[b\\]%3A%2A\\\\:room:*:lease");
        for name in ["kitchen", "a:b", "a%3Ab", "a%b", "floor 2.kitchen > *", "küche 🍲", "x:lease", "%", ":"] {
            let room = RoomName::new(name).unwrap();
            let key = RoomKey::new(&tenant, &room);
            assert_eq!(RoomKey::room_of_lease(&tenant, &key.lease()), Some(room.clone()), "{name}");
            for other in [key.state(), key.epoch()] {
                assert_eq!(RoomKey::room_of_lease(&tenant, &other), None);
            }
            assert_eq!(RoomKey::room_of_lease(&TenantId::new("a").unwrap(), &key.lease()), None);
        }
    }
}
