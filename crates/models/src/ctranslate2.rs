//! Reads the model file of the CTranslate2 runtime: a list of named tensors, then names that mean the same tensor.

use std::collections::BTreeMap;

/// The newest layout of the container this reader was written for.
const NEWEST_VERSION: u32 = 6;

#[derive(Debug)]
pub(crate) struct Archive<'a> {
    /// What kind of model it says it is, e.g. `WhisperSpec`.
    pub(crate) specification: &'a str,
    tensors: BTreeMap<&'a str, Tensor<'a>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Tensor<'a> {
    pub(crate) shape: Vec<usize>,
    pub(crate) element: Element,
    /// Little-endian elements, row by row.
    pub(crate) bytes: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    I8,
    I16,
    I32,
    F16,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("the weights end in the middle of something, at byte {offset}")]
    Truncated { offset: usize },
    #[error("weights of container version {0}; versions 2 to {NEWEST_VERSION} can be read")]
    Version(u32),
    #[error("a name at byte {offset} is not text")]
    Name { offset: usize },
    #[error("tensor `{0}` has elements of an unknown type {1}")]
    ElementType(String, u8),
    #[error("tensor `{0}` has a shape that does not fit its {1} bytes")]
    Shape(String, usize),
    #[error("{0} bytes too many at the end of the weights")]
    Trailing(usize),
}

impl Element {
    pub(crate) fn size(self) -> usize {
        match self {
            Self::F32 | Self::I32 => 4,
            Self::I16 | Self::F16 => 2,
            Self::I8 => 1,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::F32,
            1 => Self::I8,
            2 => Self::I16,
            3 => Self::I32,
            4 => Self::F16,
            _ => return None,
        })
    }
}

impl<'a> Archive<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader { bytes, offset: 0 };
        let version = reader.u32()?;
        if !(2..=NEWEST_VERSION).contains(&version) {
            return Err(Error::Version(version));
        }
        let specification = reader.text()?;
        let _revision = reader.u32()?;
        let mut tensors = BTreeMap::new();
        for _ in 0..reader.u32()? {
            let (name, tensor) = reader.tensor()?;
            tensors.insert(name, tensor);
        }
        if version >= 3 {
            for _ in 0..reader.u32()? {
                let (alias, name) = (reader.text()?, reader.text()?);
                if let Some(tensor) = tensors.get(name).cloned() {
                    tensors.insert(alias, tensor);
                }
            }
        }
        match bytes.len() - reader.offset {
            0 => Ok(Self { specification, tensors }),
            trailing => Err(Error::Trailing(trailing)),
        }
    }

    pub(crate) fn tensor(&self, name: &str) -> Option<&Tensor<'a>> {
        self.tensors.get(name)
    }

    /// Whether any tensor's name begins so.
    pub(crate) fn has_folder(&self, prefix: &str) -> bool {
        self.tensors.range(prefix..).next().is_some_and(|(name, _)| name.starts_with(prefix))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let end = self.offset.checked_add(length);
        let taken =
            end.and_then(|end| self.bytes.get(self.offset..end)).ok_or(Error::Truncated { offset: self.offset })?;
        self.offset += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let offset = self.offset;
        self.take(N)?.try_into().map_err(|_| Error::Truncated { offset })
    }

    fn u8(&mut self) -> Result<u8, Error> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Length with the closing zero, then the text.
    fn text(&mut self) -> Result<&'a str, Error> {
        let length = u16::from_le_bytes(self.array()?);
        let offset = self.offset;
        let text = std::str::from_utf8(self.take(length.into())?).map_err(|_| Error::Name { offset })?;
        Ok(text.strip_suffix('\0').unwrap_or(text))
    }

    fn tensor(&mut self) -> Result<(&'a str, Tensor<'a>), Error> {
        let name = self.text()?;
        let rank = self.u8()?;
        let shape = (0..rank).map(|_| self.u32().map(|dimension| dimension as usize)).collect::<Result<Vec<_>, _>>()?;
        let code = self.u8()?;
        let element = Element::from_code(code).ok_or_else(|| Error::ElementType(name.to_owned(), code))?;
        let length = self.u32()? as usize;
        let expected = shape.iter().try_fold(element.size(), |product, dimension| product.checked_mul(*dimension));
        if expected != Some(length) {
            return Err(Error::Shape(name.to_owned(), length));
        }
        Ok((name, Tensor { shape, element, bytes: self.take(length)? }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(out: &mut Vec<u8>, text: &str) {
        out.extend(u16::try_from(text.len() + 1).unwrap().to_le_bytes());
        out.extend(text.as_bytes());
        out.push(0);
    }

    fn archive() -> Vec<u8> {
        let mut out = 6_u32.to_le_bytes().to_vec();
        text(&mut out, "WhisperSpec");
        out.extend(3_u32.to_le_bytes());
        out.extend(1_u32.to_le_bytes());
        text(&mut out, "weight");
        out.push(2);
        out.extend(2_u32.to_le_bytes());
        out.extend(1_u32.to_le_bytes());
        out.push(4);
        out.extend(4_u32.to_le_bytes());
        out.extend([1, 2, 3, 4]);
        out.extend(1_u32.to_le_bytes());
        text(&mut out, "same");
        text(&mut out, "weight");
        out
    }

    #[test]
    fn tensors_are_found_by_name_and_by_alias() {
        let bytes = archive();
        let archive = Archive::parse(&bytes).unwrap();
        assert_eq!(archive.specification, "WhisperSpec");
        for name in ["weight", "same"] {
            let tensor = archive.tensor(name).unwrap();
            assert_eq!(
                (&tensor.shape[..], tensor.element, tensor.bytes),
                (&[2, 1][..], Element::F16, &[1, 2, 3, 4][..])
            );
        }
    }

    #[test]
    fn every_truncation_and_any_addition_is_an_error() {
        let bytes = archive();
        for length in 0..bytes.len() {
            assert!(Archive::parse(&bytes[..length]).is_err(), "{length}");
        }
        assert_eq!(Archive::parse(&[&bytes[..], &[0]].concat()).unwrap_err(), Error::Trailing(1));
        assert_eq!(Archive::parse(&[9, 0, 0, 0]).unwrap_err(), Error::Version(9));
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..80, value: u8) {
            let _ = Archive::parse(&bytes);
            let mut bytes = archive();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            let _ = Archive::parse(&bytes);
        }
    }
}
