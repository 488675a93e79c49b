use std::io::Cursor;

use hound::{SampleFormat, WavSpec, WavWriter};
use proptest::prelude::*;

use super::*;

/// A file written by somebody else's code.
fn foreign(spec: WavSpec, samples: &[f32]) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut file, spec).unwrap();
    for &sample in samples {
        match spec.sample_format {
            SampleFormat::Float => writer.write_sample(sample).unwrap(),
            SampleFormat::Int => {
                let scale = 2f64.powi(i32::from(spec.bits_per_sample) - 1);
                writer.write_sample((f64::from(sample) * scale).round().min(scale - 1.0) as i32).unwrap();
            }
        }
    }
    writer.finalize().unwrap();
    file.into_inner()
}

fn spec(channels: u16, sample_rate: u32, bits_per_sample: u16, sample_format: SampleFormat) -> WavSpec {
    WavSpec { channels, sample_rate, bits_per_sample, sample_format }
}

const WAVE: [f32; 6] = [0.0, 0.5, -0.5, 0.25, -1.0, 0.99];

#[test]
fn every_usual_encoding_and_rate_is_read() {
    for (bits, format) in [
        (8, SampleFormat::Int),
        (16, SampleFormat::Int),
        (24, SampleFormat::Int),
        (32, SampleFormat::Int),
        (32, SampleFormat::Float),
    ] {
        for rate_hz in [8_000, 22_050, 48_000] {
            let wav = read(&foreign(spec(1, rate_hz, bits, format), &WAVE)).unwrap();
            assert_eq!(wav.sample_rate_hz, rate_hz);
            for (got, wanted) in wav.samples.iter().zip(WAVE) {
                assert!((got - wanted).abs() < 0.01, "{bits} bits: {got} instead of {wanted}");
            }
            assert_eq!(wav.samples.len(), WAVE.len());
        }
    }
}

#[test]
fn stereo_is_mixed_down() {
    let wav = read(&foreign(spec(2, 48_000, 16, SampleFormat::Int), &[0.5, 0.0, -0.5, 0.5, 0.25, 0.25])).unwrap();
    assert_eq!(wav.samples, [0.25, 0.0, 0.25]);
}

#[test]
fn what_is_cut_short_is_refused_with_both_lengths() {
    let file = write(16_000, &[1; 100]);
    assert_eq!(
        read(&file[..144]).unwrap_err().to_string(),
        "the WAV file is cut short: its sound should have 200 bytes and has 100; copy or record it again"
    );
    for len in 1..file.len() {
        assert!(read(&file[..len]).is_err(), "{len} bytes were accepted");
    }
}

#[test]
fn what_is_no_wav_is_refused_by_what_it_starts_with() {
    assert_eq!(read(b"").unwrap_err(), Error::Empty);
    let mp3 = read(b"ID3\x04\x00\x00\x00\x00\x00\x00\x00").unwrap_err().to_string();
    assert_eq!(mp3, "not a WAV file: it starts with \"ID3\\x04\\x00\\x00\\x00\\x00\" instead of RIFF…WAVE");
    assert!(matches!(read(b"RIFF\0\0\0\0AVI LIST"), Err(Error::NotWav { .. })));
}

#[test]
fn nonsense_in_the_format_is_refused_by_name() {
    let good = write(16_000, &[0; 10]);
    let with = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        read(&bad).unwrap_err()
    };
    assert_eq!(with(20, &[7, 0]), Error::Encoding { encoding: 7, bits: 16 });
    assert_eq!(with(34, &[12, 0]), Error::Encoding { encoding: 1, bits: 12 });
    assert_eq!(with(22, &[0, 0]), Error::Channels(0));
    assert_eq!(with(24, &[0; 4]), Error::SampleRate(0));
    assert_eq!(with(24, &[0xff; 4]), Error::SampleRate(u32::MAX));
    assert_eq!(with(12, b"junk"), Error::MissingChunk { chunk: "fmt " });
    assert_eq!(with(36, b"junk"), Error::MissingChunk { chunk: "data" });
}

#[test]
fn a_stream_of_unknown_length_is_read_to_its_end() {
    let mut file = streaming_header(22_050).to_vec();
    file.extend(crate::pcm16::to_bytes(&[100, -100, 5]));
    let wav = read(&file).unwrap();
    assert_eq!(wav.sample_rate_hz, 22_050);
    assert_eq!(crate::pcm16::from_f32(&wav.samples), [100, -100, 5]);
}

#[test]
fn somebody_else_can_read_what_is_written() {
    let file = write(48_000, &[1, -2, 3]);
    let mut reader = hound::WavReader::new(Cursor::new(file)).unwrap();
    assert_eq!(reader.spec(), spec(1, 48_000, 16, SampleFormat::Int));
    assert_eq!(reader.samples::<i16>().map(Result::unwrap).collect::<Vec<_>>(), [1, -2, 3]);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
    }

    #[test]
    fn a_damaged_file_is_read_or_refused(
        samples in prop::collection::vec(any::<i16>(), 0..50),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut file = write(16_000, &samples);
        for (place, byte) in damage {
            let at = place.index(file.len());
            file[at] = byte;
        }
        if let Ok(wav) = read(&file) {
            prop_assert!(wav.samples.iter().all(|sample| (-1.0..=1.0).contains(sample)));
            prop_assert!((1..=MAX_RATE_HZ).contains(&wav.sample_rate_hz));
        }
    }

    #[test]
    fn what_is_written_is_read_back(samples in prop::collection::vec(any::<i16>(), 0..200)) {
        let wav = read(&write(22_050, &samples)).unwrap();
        prop_assert_eq!(crate::pcm16::from_f32(&wav.samples), samples);
    }
}
