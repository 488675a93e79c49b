//! Names that used to mean something. Whoever still sets one expects an effect that will not come, so they are told.

pub(crate) const OBSOLETE: &[(&str, &str)] = &[
    ("USE_FASTER_WHISPER", "speech is transcribed in-process by whisper.cpp; choose the model with WHISPER_MODEL"),
    ("PIPER_SAMPLE_RATE", "the sample rate is read from the voice's own configuration"),
    ("TTS_SAMPLE_RATE_CONVERSION", "speech is always resampled once, to the rate of the room"),
];
