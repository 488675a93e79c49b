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

    /// The last epoch given out. Outlives every lease.
    pub(crate) fn epoch(&self) -> String {
        format!("{}epoch", self.0)
    }

    /// JSON of [`crate::RoomState`]; expires with the lease.
    pub(crate) fn state(&self) -> String {
        format!("{}state", self.0)
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
}
