//! WAV files: what people bring is read into mono `f32`, what Aether gives is mono PCM16.
//!
//! Reading accepts integers of 8, 16, 24 and 32 bits and floats of 32 and 64, any rate, any number of channels (mixed
//! down to one). Anything else is refused with an error that names what was found. A recording that was cut short is
//! refused too: half a question gets half an answer, and nobody would know why.

use crate::resampler::MAX_RATE_HZ;

/// A length that says "until the end": written by programs that stream and can't know.
const UNKNOWN_LEN: u32 = u32::MAX;

/// Encodings in a format chunk.
const PCM: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xfffe;

/// A clip: its rate, and its samples as one channel from -1 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Wav {
    pub sample_rate_hz: u32,
    pub samples: Vec<f32>,
}

impl Wav {
    pub fn duration(&self) -> std::time::Duration {
        std::time::Duration::from_secs_f64(self.samples.len() as f64 / f64::from(self.sample_rate_hz.max(1)))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the file is empty")]
    Empty,
    #[error("not a WAV file: it starts with \"{}\" instead of RIFF…WAVE", start.escape_ascii())]
    NotWav { start: Vec<u8> },
    #[error(
        "the WAV file is cut short: its {part} should have {expected} bytes and has {found}; copy or record it again"
    )]
    Truncated { part: &'static str, expected: u64, found: u64 },
    #[error("the WAV file has no `{chunk}` chunk, so there is nothing to play; record it again")]
    MissingChunk { chunk: &'static str },
    #[error(
        "WAV encoding {encoding} with {bits} bits per sample can't be read; convert it to PCM of 8, 16, 24 or 32 bits"
    )]
    Encoding { encoding: u16, bits: u16 },
    #[error("the WAV file says it has {0} channels; one or more are needed")]
    Channels(u16),
    #[error("the WAV file says its sample rate is {0} Hz; 1 to {MAX_RATE_HZ} Hz can be read")]
    SampleRate(u32),
}

/// Reads a whole WAV file.
pub fn read(bytes: &[u8]) -> Result<Wav, Error> {
    if bytes.is_empty() {
        return Err(Error::Empty);
    }
    let is_wav = bytes.get(..4) == Some(b"RIFF") && bytes.get(8..12).is_none_or(|kind| kind == b"WAVE");
    if !is_wav {
        return Err(Error::NotWav { start: bytes[..bytes.len().min(8)].to_vec() });
    }
    let mut rest = bytes.get(12..).ok_or(truncated("header", 12, bytes.len()))?;
    let mut format = None;
    while let Some((chunk, after)) = Chunk::next(rest)? {
        match &chunk.id {
            b"fmt " => format = Some(Format::parse(chunk.body()?)?),
            b"data" => {
                let format = format.ok_or(Error::MissingChunk { chunk: "fmt " })?;
                return Ok(Wav { sample_rate_hz: format.sample_rate_hz, samples: format.mono(chunk.sound()?) });
            }
            _ => {}
        }
        rest = after;
    }
    Err(Error::MissingChunk { chunk: if format.is_none() { "fmt " } else { "data" } })
}

/// A mono PCM16 file of these samples.
pub fn write(sample_rate_hz: u32, samples: &[i16]) -> Vec<u8> {
    let len = u32::try_from(samples.len() * 2).unwrap_or(UNKNOWN_LEN);
    let mut file = header(sample_rate_hz, len).to_vec();
    file.extend(crate::pcm16::to_bytes(samples));
    file
}

/// The 44 bytes before mono PCM16 whose length nobody knows yet; players read such a file to its end.
pub fn streaming_header(sample_rate_hz: u32) -> [u8; 44] {
    header(sample_rate_hz, UNKNOWN_LEN)
}

fn header(sample_rate_hz: u32, data_len: u32) -> [u8; 44] {
    let mut header = [0; 44];
    let fields: [&[u8]; 13] = [
        b"RIFF",
        &data_len.saturating_add(36).to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16u32.to_le_bytes(),
        &PCM.to_le_bytes(),
        &1u16.to_le_bytes(),
        &sample_rate_hz.to_le_bytes(),
        &sample_rate_hz.saturating_mul(2).to_le_bytes(),
        &2u16.to_le_bytes(),
        &16u16.to_le_bytes(),
        b"data",
        &data_len.to_le_bytes(),
    ];
    for (place, byte) in header.iter_mut().zip(fields.into_iter().flatten()) {
        *place = *byte;
    }
    header
}

fn truncated(part: &'static str, expected: u64, found: usize) -> Error {
    Error::Truncated { part, expected, found: found as u64 }
}

struct Chunk<'a> {
    id: [u8; 4],
    len: u32,
    /// What the file holds of it: at most `len` bytes, fewer when the file ends early.
    held: &'a [u8],
}

impl<'a> Chunk<'a> {
    fn next(bytes: &'a [u8]) -> Result<Option<(Self, &'a [u8])>, Error> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let (head, rest) = bytes.split_first_chunk::<8>().ok_or(truncated("chunk header", 8, bytes.len()))?;
        let [a, b, c, d, len @ ..] = *head;
        let len = u32::from_le_bytes(len);
        let end = (len as usize).min(rest.len());
        // A chunk of odd length is followed by one byte of padding.
        let next = (end + end % 2).min(rest.len());
        Ok(Some((Self { id: [a, b, c, d], len, held: &rest[..end] }, &rest[next..])))
    }

    fn body(&self) -> Result<&'a [u8], Error> {
        if self.held.len() < self.len as usize {
            return Err(truncated("format", self.len.into(), self.held.len()));
        }
        Ok(self.held)
    }

    /// The samples' bytes, which may have been written by a program that did not know how many there would be.
    fn sound(&self) -> Result<&'a [u8], Error> {
        // sox and ffmpeg write a little less than the largest number, to leave room for the header.
        let unknown = self.len >= UNKNOWN_LEN - 4096 || (0x7fff_f000..=0x7fff_ffff).contains(&self.len);
        if !unknown && self.held.len() < self.len as usize {
            return Err(truncated("sound", self.len.into(), self.held.len()));
        }
        Ok(self.held)
    }
}

struct Format {
    encoding: u16,
    channels: u16,
    sample_rate_hz: u32,
    bits: u16,
}

impl Format {
    fn parse(body: &[u8]) -> Result<Self, Error> {
        let field = |at: usize| body.get(at..at + 2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let (Some(tag), Some(channels), Some(rate_low), Some(rate_high), Some(bits)) =
            (field(0), field(2), field(4), field(6), field(14))
        else {
            return Err(truncated("format", 16, body.len()));
        };
        // An extensible format names its real encoding in the first two bytes of a GUID.
        let encoding = if tag == EXTENSIBLE { field(24).ok_or(truncated("format", 40, body.len()))? } else { tag };
        let sample_rate_hz = u32::from(rate_high) << 16 | u32::from(rate_low);
        if channels == 0 {
            return Err(Error::Channels(channels));
        }
        if sample_rate_hz == 0 || sample_rate_hz > MAX_RATE_HZ {
            return Err(Error::SampleRate(sample_rate_hz));
        }
        match (encoding, bits) {
            (PCM, 8 | 16 | 24 | 32) | (FLOAT, 32 | 64) => Ok(Self { encoding, channels, sample_rate_hz, bits }),
            _ => Err(Error::Encoding { encoding, bits }),
        }
    }

    /// Decodes and mixes down. An incomplete last frame (a stream that ended between two bytes) is left out.
    fn mono(&self, bytes: &[u8]) -> Vec<f32> {
        let sample_len = usize::from(self.bits / 8);
        let frame_len = sample_len * usize::from(self.channels);
        bytes
            .chunks_exact(frame_len)
            .map(|frame| {
                let sum: f64 = frame.chunks_exact(sample_len).map(|sample| self.sample(sample)).sum();
                let mean = (sum / f64::from(self.channels)) as f32;
                if mean.is_finite() { mean.clamp(-1.0, 1.0) } else { 0.0 }
            })
            .collect()
    }

    fn sample(&self, bytes: &[u8]) -> f64 {
        match *bytes {
            // 8-bit PCM alone is unsigned.
            [a] => (f64::from(a) - 128.0) / 128.0,
            [a, b] => f64::from(i16::from_le_bytes([a, b])) / 32_768.0,
            [a, b, c] => f64::from(i32::from_le_bytes([0, a, b, c])) / 2_147_483_648.0,
            [a, b, c, d] if self.encoding == FLOAT => f32::from_le_bytes([a, b, c, d]).into(),
            [a, b, c, d] => f64::from(i32::from_le_bytes([a, b, c, d])) / 2_147_483_648.0,
            [a, b, c, d, e, f, g, h] => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests;
