//! Which kind of proof a text is, told by how it begins.

/// `aether_…`
pub(crate) const KEY: &str = "aether_";
/// `aetherpage_…`
pub(crate) const PAGE_TOKEN: &str = "aetherpage_";

/// The text behind `Authorization: Bearer`, sorted but not believed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bearer<'a> {
    /// For [`Keyring::read_key`](crate::Keyring::read_key).
    Key(&'a str),
    /// For [`Keyring::verify`](crate::Keyring::verify).
    PageToken(&'a str),
}

impl<'a> Bearer<'a> {
    /// `None`: nothing of ours begins like this.
    pub fn read(text: &'a str) -> Option<Self> {
        match text {
            text if text.starts_with(PAGE_TOKEN) => Some(Self::PageToken(text)),
            text if text.starts_with(KEY) => Some(Self::Key(text)),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Bearer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key(***)",
            Self::PageToken(_) => "PageToken(***)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_sorted_by_its_beginning() {
        assert_eq!(Bearer::read("aether_x"), Some(Bearer::Key("aether_x")));
        assert_eq!(Bearer::read("aetherpage_x"), Some(Bearer::PageToken("aetherpage_x")));
        for unknown in ["", "aether", "sk-aether_x", "Aether_x", " aether_x"] {
            assert_eq!(Bearer::read(unknown), None, "{unknown:?}");
        }
        assert_eq!(format!("{:?}", Bearer::read("aether_secret")), "Some(Key(***))");
    }
}
