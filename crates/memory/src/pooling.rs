//! From one vector per token to one per text.

/// Means over the real tokens of each text of a batch. `hidden` is `[texts, tokens, width]`, `mask` is `[texts, tokens]` with
/// 1 for a token and 0 for padding.
pub(crate) fn mean_pool(hidden: &[f32], mask: &[i64], tokens: usize, width: usize) -> Vec<Vec<f32>> {
    hidden
        .chunks_exact(tokens * width)
        .zip(mask.chunks_exact(tokens))
        .map(|(text, mask)| {
            let mut mean = vec![0.0; width];
            let real = text.chunks_exact(width).zip(mask).filter(|(_, mask)| **mask != 0).map(|(token, _)| token);
            let mut count = 0.0_f32;
            for token in real {
                count += 1.0;
                for (sum, value) in mean.iter_mut().zip(token) {
                    *sum += value;
                }
            }
            for sum in &mut mean {
                *sum /= count.max(1.0);
            }
            mean
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_does_not_count() {
        let hidden = [1.0, 2.0, 3.0, 4.0, 9.0, 9.0, /* second text */ 5.0, 6.0, 9.0, 9.0, 9.0, 9.0];
        let mask = [1, 1, 0, 1, 0, 0];
        assert_eq!(mean_pool(&hidden, &mask, 3, 2), [[2.0, 3.0], [5.0, 6.0]]);
    }

    #[test]
    fn a_text_without_tokens_has_no_direction() {
        assert_eq!(mean_pool(&[1.0, 1.0], &[0], 1, 2), [[0.0, 0.0]]);
    }
}
