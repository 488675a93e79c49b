//! Why an agent was called into a room: what a job's metadata says.

use serde::Deserialize;

/// Written by whoever looks after the rooms; a job that LiveKit made by itself has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Summons {
    /// An agent was here before, and was lost.
    #[serde(default)]
    pub returning: bool,
    /// The lease of this epoch is held by nobody alive: the room may be taken from it.
    #[serde(default)]
    pub dead_epoch: Option<u64>,
}

impl Summons {
    /// What can't be read calls for nothing special.
    pub(crate) fn read(metadata: &str) -> Self {
        serde_json::from_str(metadata).unwrap_or_default()
    }

    /// Whether the conversation that was going on is to be continued.
    pub(crate) const fn goes_on(self) -> bool {
        self.returning || self.dead_epoch.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_may_be_anything() {
        let table = [
            ("", Summons::default()),
            ("a caller's own words", Summons::default()),
            ("[1]", Summons::default()),
            (r#"{"something":"else"}"#, Summons::default()),
            (r#"{"returning":true}"#, Summons { returning: true, dead_epoch: None }),
            (r#"{"returning":true,"dead_epoch":null}"#, Summons { returning: true, dead_epoch: None }),
            (
                r#"{"returning":true,"dead_epoch":1764000000000000}"#,
                Summons { returning: true, dead_epoch: Some(1_764_000_000_000_000) },
            ),
        ];
        for (metadata, expected) in table {
            assert_eq!(Summons::read(metadata), expected, "{metadata}");
        }
    }
}
