//! Reading back what an `as_str` wrote.

use thiserror::Error;

/// A text that names none of them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is no {kind}")]
pub struct UnknownName {
    kind: &'static str,
    text: String,
}

pub(crate) fn find<T: Copy>(
    kind: &'static str,
    all: &[T],
    name: fn(T) -> &'static str,
    text: &str,
) -> Result<T, UnknownName> {
    let found = all.iter().copied().find(|one| name(*one) == text);
    found.ok_or_else(|| UnknownName { kind, text: text.to_owned() })
}

/// That serde writes and reads the same names.
#[cfg(test)]
pub(crate) fn assert_names<T>(all: &[T], name: fn(T) -> &'static str)
where
    T: Copy + PartialEq + std::fmt::Debug + std::str::FromStr<Err = UnknownName> + serde::de::DeserializeOwned,
{
    use serde::de::IntoDeserializer as _;
    use serde::de::value::{Error, StrDeserializer};

    for &one in all {
        let text: StrDeserializer<'_, Error> = name(one).into_deserializer();
        assert_eq!(T::deserialize(text), Ok(one));
        assert_eq!(name(one).parse(), Ok(one));
    }
    assert!("".parse::<T>().is_err());
}
