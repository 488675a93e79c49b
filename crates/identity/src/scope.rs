//! What a caller may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One thing that a route may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Ask the agent in writing.
    Chat,
    /// Enter rooms, and see and control what happens there.
    Talk,
    /// Read what was said.
    History,
    /// Speak for the whole tenant: its people and its keys.
    Admin,
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::Chat, Self::Talk, Self::History, Self::Admin];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Talk => "talk",
            Self::History => "history",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no [`Scope`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no scope; expected some of chat, talk, history and admin")]
pub struct UnknownScope(pub String);

impl FromStr for Scope {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// A set of scopes. As text: their names in the order of [`Scope::ALL`] with a space between them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scopes(u8);

impl Scopes {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self(Scope::Chat.bit() | Scope::Talk.bit() | Scope::History.bit() | Scope::Admin.bit());
    /// What a person at the page needs.
    pub const PAGE: Self = Self(Scope::Chat.bit() | Scope::Talk.bit() | Scope::History.bit());

    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether all of these are among `others`: nobody may give away what they don't have.
    pub const fn is_within(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    /// Those that are in both.
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | scope.bit()))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{scope}")?;
        }
        Ok(())
    }
}

impl FromStr for Scopes {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        text.split_whitespace().map(str::parse).collect()
    }
}

impl TryFrom<String> for Scopes {
    type Error = UnknownScope;
    fn try_from(text: String) -> Result<Self, UnknownScope> {
        text.parse()
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> Self {
        scopes.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_set_reads_as_its_names() {
        for (scopes, text) in [
            (Scopes::NONE, ""),
            (Scopes::PAGE, "chat talk history"),
            (Scopes::ALL, "chat talk history admin"),
            (Scopes::from_iter([Scope::Admin, Scope::Chat, Scope::Admin]), "chat admin"),
        ] {
            assert_eq!(scopes.to_string(), text);
            assert_eq!(text.parse(), Ok(scopes));
        }
        assert_eq!("  admin\tchat admin".parse(), Ok(Scopes::from_iter([Scope::Chat, Scope::Admin])));
    }

    #[test]
    fn what_is_no_scope_is_named() {
        for wrong in ["Chat", "root", "chat,talk"] {
            assert_eq!(wrong.parse::<Scopes>(), Err(UnknownScope(wrong.to_owned())));
            assert_eq!(format!("talk {wrong}").parse::<Scopes>(), Err(UnknownScope(wrong.to_owned())));
        }
        assert!(serde_json::from_str::<Scopes>("\"chat root\"").is_err());
    }

    proptest! {
        #[test]
        fn sets_are_sets(a in prop::collection::vec(0..4_usize, 0..6), b in prop::collection::vec(0..4_usize, 0..6)) {
            let set = |indexes: &[usize]| indexes.iter().map(|index| Scope::ALL[*index]).collect::<Scopes>();
            let (first, second) = (set(&a), set(&b));
            prop_assert_eq!(first.to_string().parse(), Ok(first));
            prop_assert_eq!(serde_json::from_value::<Scopes>(serde_json::json!(first)).ok(), Some(first));
            prop_assert_eq!(first.iter().collect::<Scopes>(), first);
            for (index, scope) in Scope::ALL.into_iter().enumerate() {
                prop_assert_eq!(first.contains(scope), a.contains(&index));
                prop_assert_eq!(first.and(second).contains(scope), a.contains(&index) && b.contains(&index));
            }
            prop_assert_eq!(first.is_within(second), first.and(second) == first);
            prop_assert_eq!(first.is_empty(), a.is_empty());
        }
    }
}
