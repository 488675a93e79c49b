//! A text's place in the space of meanings.

/// A vector of unit length, so that the cosine of two is their dot product.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding(Vec<f32>);

/// Why numbers are not an [`Embedding`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EmbeddingError {
    #[error("an embedding has {} dimensions, this has {found}", Embedding::DIMENSIONS)]
    Dimensions { found: usize },
    #[error("an embedding needs a direction, this one has the length {length}")]
    Length { length: f32 },
}

impl Embedding {
    /// Width of the column `agents.memories.embedding`.
    pub const DIMENSIONS: usize = 384;

    /// Scales `values` to unit length.
    pub fn new(mut values: Vec<f32>) -> Result<Self, EmbeddingError> {
        if values.len() != Self::DIMENSIONS {
            return Err(EmbeddingError::Dimensions { found: values.len() });
        }
        let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
        if !length.is_normal() {
            return Err(EmbeddingError::Length { length });
        }
        for value in &mut values {
            *value /= length;
        }
        Ok(Self(values))
    }

    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// Cosine of the angle between two: 1 means the same direction, 0 unrelated.
    pub fn similarity(&self, other: &Self) -> f32 {
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedding_has_384_dimensions_and_unit_length() {
        let embedding = Embedding::new(vec![2.0; Embedding::DIMENSIONS]).unwrap();
        assert!((embedding.similarity(&embedding) - 1.0).abs() < 1e-5);
        assert_eq!(Embedding::new(vec![1.0; 3]), Err(EmbeddingError::Dimensions { found: 3 }));
        assert_eq!(Embedding::new(vec![0.0; Embedding::DIMENSIONS]), Err(EmbeddingError::Length { length: 0.0 }));
        assert!(matches!(Embedding::new(vec![f32::NAN; Embedding::DIMENSIONS]), Err(EmbeddingError::Length { .. })));
    }
}
