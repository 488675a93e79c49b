//! Writes OpenAI Whisper weights, published for CTranslate2 in fp16, in the format of whisper.cpp.
//!
//! The output depends on nothing but the input: its hash is pinned in the manifest.

use std::io::{self, Write};

use crate::{
    ctranslate2::{self, Archive, Element},
    mel_filters::{FREQUENCY_BINS, mel_filters},
    whisper_tokens::{self, text_tokens},
};

const MAGIC: u32 = 0x6767_6d6c;
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Archive(#[from] ctranslate2::Error),
    #[error("the weights are a `{0}`, not a Whisper model")]
    NotWhisper(String),
    #[error("the weights lack `{0}`")]
    MissingTensor(String),
    #[error("`{name}` has the shape {found:?}, expected {expected:?}")]
    Shape { name: String, found: Vec<usize>, expected: Vec<usize> },
    #[error("`{0}` is not stored as 16-bit floats")]
    NotF16(String),
    #[error(transparent)]
    Tokenizer(#[from] whisper_tokens::Error),
    #[error("can't write the converted model: {0}")]
    Write(#[from] io::Error),
}

#[derive(Debug, Clone, Copy)]
struct Dimensions {
    vocabulary: usize,
    state: usize,
    audio_context: usize,
    audio_heads: usize,
    audio_layers: usize,
    text_context: usize,
    text_heads: usize,
    text_layers: usize,
    mels: usize,
}

pub(crate) fn convert(weights: &[u8], tokenizer: &[u8], output: &mut impl Write) -> Result<(), Error> {
    let archive = Archive::parse(weights)?;
    if archive.specification != "WhisperSpec" {
        return Err(Error::NotWhisper(archive.specification.to_owned()));
    }
    let dimensions = Dimensions::of(&archive)?;
    let tokens = text_tokens(tokenizer)?;
    let mut writer = Writer { archive, output };
    writer.header(&dimensions, &tokens)?;
    writer.encoder(&dimensions)?;
    writer.decoder(&dimensions)?;
    writer.output.flush()?;
    Ok(())
}

impl Dimensions {
    fn of(archive: &Archive<'_>) -> Result<Self, Error> {
        let matrix = |name: &str, rank: usize| match archive.tensor(name) {
            Some(tensor) if tensor.shape.len() == rank => Ok(tensor.shape.clone()),
            Some(tensor) => Err(shape_error(name, &tensor.shape, &vec![0; rank])),
            None => Err(Error::MissingTensor(name.to_owned())),
        };
        let heads = |name: &str| match archive.tensor(name).map(|tensor| tensor.bytes) {
            Some([low, high]) => Ok(usize::from(u16::from_le_bytes([*low, *high]))),
            _ => Err(Error::MissingTensor(name.to_owned())),
        };
        let layers =
            |half: &str| (0..).take_while(|layer| archive.has_folder(&format!("{half}/layer_{layer}/"))).count();
        let embeddings = matrix("decoder/embeddings/weight", 2)?;
        Ok(Self {
            vocabulary: embeddings[0],
            state: embeddings[1],
            audio_context: matrix("encoder/position_encodings/encodings", 2)?[0],
            audio_heads: heads("encoder/num_heads")?,
            audio_layers: layers("encoder"),
            text_context: matrix("decoder/position_encodings/encodings", 2)?[0],
            text_heads: heads("decoder/num_heads")?,
            text_layers: layers("decoder"),
            mels: matrix("encoder/conv1/weight", 3)?[1],
        })
    }
}

struct Writer<'a, W> {
    archive: Archive<'a>,
    output: &'a mut W,
}

impl<W: Write> Writer<'_, W> {
    fn header(&mut self, dimensions: &Dimensions, tokens: &[Vec<u8>]) -> Result<(), Error> {
        let Dimensions { vocabulary, state, mels, .. } = *dimensions;
        let f16_weights = 1;
        self.u32(MAGIC as usize)?;
        for value in [
            vocabulary,
            dimensions.audio_context,
            state,
            dimensions.audio_heads,
            dimensions.audio_layers,
            dimensions.text_context,
            state,
            dimensions.text_heads,
            dimensions.text_layers,
            mels,
            f16_weights,
            mels,
            FREQUENCY_BINS,
        ] {
            self.u32(value)?;
        }
        for filter in mel_filters(mels) {
            self.output.write_all(&filter.to_le_bytes())?;
        }
        self.u32(tokens.len())?;
        for token in tokens {
            self.u32(token.len())?;
            self.output.write_all(token)?;
        }
        Ok(())
    }

    fn encoder(&mut self, dimensions: &Dimensions) -> Result<(), Error> {
        let Dimensions { state, mels, audio_context, .. } = *dimensions;
        self.f32("encoder.positional_embedding", "encoder/position_encodings/encodings", &[audio_context, state])?;
        for (convolution, inputs) in [("conv1", mels), ("conv2", state)] {
            self.f16(
                &format!("encoder.{convolution}.weight"),
                &format!("encoder/{convolution}/weight"),
                &[state, inputs, 3],
            )?;
            // One column, so that it can be added to every frame.
            let bias = self.rows(&format!("encoder/{convolution}/bias"), &[state], 0..state)?;
            self.tensor(&format!("encoder.{convolution}.bias"), &[state, 1], &widen(bias), Element::F32)?;
        }
        for layer in 0..dimensions.audio_layers {
            let (from, to) = (format!("encoder/layer_{layer}"), format!("encoder.blocks.{layer}"));
            self.self_attention(&from, &to, state)?;
            self.feed_forward(&from, &to, state)?;
        }
        self.norm("encoder/layer_norm", "encoder.ln_post", state)
    }

    fn decoder(&mut self, dimensions: &Dimensions) -> Result<(), Error> {
        let Dimensions { state, vocabulary, text_context, .. } = *dimensions;
        self.f32("decoder.positional_embedding", "decoder/position_encodings/encodings", &[text_context, state])?;
        self.f16("decoder.token_embedding.weight", "decoder/embeddings/weight", &[vocabulary, state])?;
        for layer in 0..dimensions.text_layers {
            let (from, to) = (format!("decoder/layer_{layer}"), format!("decoder.blocks.{layer}"));
            self.self_attention(&from, &to, state)?;
            self.cross_attention(&from, &to, state)?;
            self.feed_forward(&from, &to, state)?;
        }
        self.norm("decoder/layer_norm", "decoder.ln", state)
    }

    /// Query, key and value are stacked in one matrix. Whisper's key has no bias: theirs is zero, whisper.cpp's is absent.
    fn self_attention(&mut self, from: &str, to: &str, state: usize) -> Result<(), Error> {
        let stacked = format!("{from}/self_attention/linear_0");
        for (part, name) in ["query", "key", "value"].into_iter().enumerate() {
            self.projection(&stacked, part..3, &format!("{to}.attn.{name}"), state, name != "key")?;
        }
        self.projection(&format!("{from}/self_attention/linear_1"), 0..1, &format!("{to}.attn.out"), state, true)?;
        self.norm(&format!("{from}/self_attention/layer_norm"), &format!("{to}.attn_ln"), state)
    }

    fn cross_attention(&mut self, from: &str, to: &str, state: usize) -> Result<(), Error> {
        let (from, to) = (format!("{from}/attention"), format!("{to}.cross_attn"));
        self.projection(&format!("{from}/linear_0"), 0..1, &format!("{to}.query"), state, true)?;
        self.projection(&format!("{from}/linear_1"), 0..2, &format!("{to}.key"), state, false)?;
        self.projection(&format!("{from}/linear_1"), 1..2, &format!("{to}.value"), state, true)?;
        self.projection(&format!("{from}/linear_2"), 0..1, &format!("{to}.out"), state, true)?;
        self.norm(&format!("{from}/layer_norm"), &format!("{to}_ln"), state)
    }

    fn feed_forward(&mut self, from: &str, to: &str, state: usize) -> Result<(), Error> {
        let wide = 4 * state;
        for (source, target, shape) in [("linear_0", "mlp.0", [wide, state]), ("linear_1", "mlp.2", [state, wide])] {
            self.f16(&format!("{to}.{target}.weight"), &format!("{from}/ffn/{source}/weight"), &shape)?;
            self.f32(&format!("{to}.{target}.bias"), &format!("{from}/ffn/{source}/bias"), &shape[..1])?;
        }
        self.norm(&format!("{from}/ffn/layer_norm"), &format!("{to}.mlp_ln"), state)
    }

    fn norm(&mut self, from: &str, to: &str, state: usize) -> Result<(), Error> {
        self.f32(&format!("{to}.weight"), &format!("{from}/gamma"), &[state])?;
        self.f32(&format!("{to}.bias"), &format!("{from}/beta"), &[state])
    }

    /// The square matrix number `part.start` of `part.end` stacked ones.
    fn projection(
        &mut self,
        from: &str,
        part: std::ops::Range<usize>,
        to: &str,
        state: usize,
        with_bias: bool,
    ) -> Result<(), Error> {
        let rows = part.start * state..(part.start + 1) * state;
        let weight = self.rows(&format!("{from}/weight"), &[part.end * state, state], rows.clone())?;
        self.tensor(&format!("{to}.weight"), &[state, state], weight, Element::F16)?;
        if with_bias {
            let bias = self.rows(&format!("{from}/bias"), &[part.end * state], rows)?;
            self.tensor(&format!("{to}.bias"), &[state], &widen(bias), Element::F32)?;
        }
        Ok(())
    }

    fn f16(&mut self, to: &str, from: &str, shape: &[usize]) -> Result<(), Error> {
        let bytes = self.rows(from, shape, 0..shape[0])?;
        self.tensor(to, shape, bytes, Element::F16)
    }

    fn f32(&mut self, to: &str, from: &str, shape: &[usize]) -> Result<(), Error> {
        let bytes = self.rows(from, shape, 0..shape[0])?;
        self.tensor(to, shape, &widen(bytes), Element::F32)
    }
}

impl<'a, W: Write> Writer<'a, W> {
    /// Some rows of a tensor that must have this shape.
    fn rows(&self, name: &str, shape: &[usize], rows: std::ops::Range<usize>) -> Result<&'a [u8], Error> {
        let tensor = self.archive.tensor(name).ok_or_else(|| Error::MissingTensor(name.to_owned()))?;
        if tensor.shape != shape {
            return Err(shape_error(name, &tensor.shape, shape));
        }
        if tensor.element != Element::F16 {
            return Err(Error::NotF16(name.to_owned()));
        }
        let row = shape[1..].iter().product::<usize>() * Element::F16.size();
        tensor.bytes.get(rows.start * row..rows.end * row).ok_or_else(|| shape_error(name, &tensor.shape, shape))
    }

    /// Rank, length of the name, element type, dimensions from the innermost, name, data.
    fn tensor(&mut self, name: &str, shape: &[usize], bytes: &[u8], element: Element) -> Result<(), Error> {
        self.u32(shape.len())?;
        self.u32(name.len())?;
        self.u32(usize::from(element == Element::F16))?;
        for dimension in shape.iter().rev() {
            self.u32(*dimension)?;
        }
        self.output.write_all(name.as_bytes())?;
        self.output.write_all(bytes)?;
        Ok(())
    }

    fn u32(&mut self, value: usize) -> Result<(), Error> {
        let value = u32::try_from(value).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(self.output.write_all(&value.to_le_bytes())?)
    }
}

fn shape_error(name: &str, found: &[usize], expected: &[usize]) -> Error {
    Error::Shape { name: name.to_owned(), found: found.to_vec(), expected: expected.to_vec() }
}

/// Little-endian f16 to little-endian f32, exactly.
fn widen(halves: &[u8]) -> Vec<u8> {
    let halves = halves.chunks_exact(2).map(|half| u16::from_le_bytes([half[0], half[1]]));
    halves.flat_map(|half| f32_from_f16(half).to_le_bytes()).collect()
}

fn f32_from_f16(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let exponent = u32::from(half >> 10 & 0x1f);
    let mantissa = u32::from(half & 0x3ff);
    let magnitude = match exponent {
        // Zero and subnormal: a multiple of 2^-24, which f32 holds exactly.
        0 => (mantissa as f32 / 16_777_216.0).to_bits(),
        0x1f => 0x7f80_0000 | mantissa << 13,
        _ => (exponent + 112) << 23 | mantissa << 13,
    };
    f32::from_bits(sign | magnitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_widen_exactly() {
        for (half, value) in
            [(0x0000, 0.0), (0x8000, -0.0), (0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (0x7bff, 65_504.0)]
        {
            assert_eq!(f32_from_f16(half).to_bits(), f32::to_bits(value), "{half:#x}");
        }
        assert_eq!(f32_from_f16(0x0001), 2.0_f32.powi(-24));
        assert_eq!(f32_from_f16(0x03ff), 1023.0 * 2.0_f32.powi(-24));
        assert_eq!(f32_from_f16(0x7c00), f32::INFINITY);
        assert!(f32_from_f16(0x7e00).is_nan());
    }

    #[test]
    fn what_is_not_a_whisper_model_is_refused_with_its_reason() {
        let refused = |weights: &[u8]| convert(weights, b"{}", &mut Vec::new()).unwrap_err().to_string();
        assert!(refused(b"").contains("end in the middle"));
        let mut other = 6_u32.to_le_bytes().to_vec();
        other.extend([12, 0]);
        other.extend(b"Transformer\0");
        other.extend([0; 12]);
        assert!(refused(&other).contains("not a Whisper model"));
        let mut empty = 6_u32.to_le_bytes().to_vec();
        empty.extend([12, 0]);
        empty.extend(b"WhisperSpec\0");
        empty.extend([0; 12]);
        assert!(refused(&empty).contains("lack `decoder/embeddings/weight`"));
    }

    const STATE: usize = 2;

    /// Every tensor of a Whisper of one layer each way, width two and one mel band.
    fn shapes() -> Vec<(String, Vec<usize>)> {
        let mut shapes = vec![
            ("encoder/position_encodings/encodings".to_owned(), vec![3, STATE]),
            ("encoder/conv1/weight".to_owned(), vec![STATE, 1, 3]),
            ("encoder/conv1/bias".to_owned(), vec![STATE]),
            ("encoder/conv2/weight".to_owned(), vec![STATE, STATE, 3]),
            ("encoder/conv2/bias".to_owned(), vec![STATE]),
            ("decoder/position_encodings/encodings".to_owned(), vec![4, STATE]),
            ("decoder/embeddings/weight".to_owned(), vec![5, STATE]),
        ];
        let mut norm = |name: &str| {
            shapes.extend(["gamma", "beta"].map(|part| (format!("{name}/{part}"), vec![STATE])));
        };
        for half in ["encoder", "decoder"] {
            norm(&format!("{half}/layer_norm"));
            norm(&format!("{half}/layer_0/self_attention/layer_norm"));
            norm(&format!("{half}/layer_0/ffn/layer_norm"));
        }
        norm("decoder/layer_0/attention/layer_norm");
        let mut linear = |name: &str, rows: usize, columns: usize| {
            shapes.push((format!("{name}/weight"), vec![rows, columns]));
            shapes.push((format!("{name}/bias"), vec![rows]));
        };
        for half in ["encoder", "decoder"] {
            linear(&format!("{half}/layer_0/self_attention/linear_0"), 3 * STATE, STATE);
            linear(&format!("{half}/layer_0/self_attention/linear_1"), STATE, STATE);
            linear(&format!("{half}/layer_0/ffn/linear_0"), 4 * STATE, STATE);
            linear(&format!("{half}/layer_0/ffn/linear_1"), STATE, 4 * STATE);
        }
        linear("decoder/layer_0/attention/linear_0", STATE, STATE);
        linear("decoder/layer_0/attention/linear_1", 2 * STATE, STATE);
        linear("decoder/layer_0/attention/linear_2", STATE, STATE);
        shapes
    }

    /// The elements of each tensor are the f16 bit patterns 0, 1, 2 …
    fn weights(shapes: &[(String, Vec<usize>)]) -> Vec<u8> {
        fn text(out: &mut Vec<u8>, text: &str) {
            out.extend(u16::try_from(text.len() + 1).unwrap().to_le_bytes());
            out.extend([text.as_bytes(), b"\0"].concat());
        }
        let number = |out: &mut Vec<u8>, value: usize| out.extend(u32::try_from(value).unwrap().to_le_bytes());
        let mut out = 6_u32.to_le_bytes().to_vec();
        text(&mut out, "WhisperSpec");
        number(&mut out, 3);
        number(&mut out, shapes.len() + 2);
        for heads in ["encoder/num_heads", "decoder/num_heads"] {
            text(&mut out, heads);
            out.extend([0, 2, 2, 0, 0, 0, 1, 0]);
        }
        for (name, shape) in shapes {
            text(&mut out, name);
            out.push(u8::try_from(shape.len()).unwrap());
            shape.iter().for_each(|dimension| number(&mut out, *dimension));
            out.push(4);
            let elements = shape.iter().product::<usize>();
            number(&mut out, 2 * elements);
            out.extend((0..u16::try_from(elements).unwrap()).flat_map(u16::to_le_bytes));
        }
        number(&mut out, 0);
        out
    }

    fn tokenizer() -> Vec<u8> {
        let vocabulary: Vec<String> = (0..50_257).map(|id| format!("\"t{id}\":{id}")).collect();
        format!("{{\"model\":{{\"vocab\":{{{}}}}}}}", vocabulary.join(",")).into_bytes()
    }

    #[test]
    fn stacked_projections_are_taken_apart() {
        let mut output = Vec::new();
        convert(&weights(&shapes()), &tokenizer(), &mut output).unwrap();
        let data = |name: &str, length: usize| {
            let at = output.windows(name.len()).position(|window| window == name.as_bytes()).unwrap() + name.len();
            output[at..at + length].to_vec()
        };
        let halves = |range: std::ops::Range<u16>| range.flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let floats = |range: std::ops::Range<u16>| widen(&halves(range));
        for (name, first) in [("query", 0), ("key", 4), ("value", 8)] {
            assert_eq!(data(&format!("encoder.blocks.0.attn.{name}.weight"), 8), halves(first..first + 4), "{name}");
        }
        assert_eq!(data("encoder.blocks.0.attn.value.bias", 8), floats(4..6));
        assert_eq!(data("decoder.blocks.0.cross_attn.key.weight", 8), halves(0..4));
        assert_eq!(data("decoder.blocks.0.cross_attn.value.weight", 8), halves(4..8));
        assert_eq!(data("decoder.blocks.0.cross_attn.value.bias", 8), floats(2..4));
        assert_eq!(data("decoder.blocks.0.mlp.2.weight", 32), halves(0..16));
        assert!(!output.windows(8).any(|window| window == b"key.bias"));
    }

    #[test]
    fn a_tensor_that_is_absent_or_misshapen_is_named() {
        let (shapes, tokenizer) = (shapes(), tokenizer());
        for at in 0..shapes.len() {
            let mut fewer = shapes.clone();
            let (absent, _) = fewer.remove(at);
            match convert(&weights(&fewer), &tokenizer, &mut Vec::new()) {
                Err(Error::MissingTensor(name)) => assert_eq!(name, absent),
                other => panic!("{absent}: {other:?}"),
            }
            let mut longer = shapes.clone();
            longer[at].1.push(1);
            assert!(matches!(convert(&weights(&longer), &tokenizer, &mut Vec::new()), Err(Error::Shape { .. })));
        }
    }
}
