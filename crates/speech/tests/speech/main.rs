//! The real models on real recordings. Needs what `aether models get` and `aether up` fetch.

#[cfg(test)]
mod end_of_turn;
#[cfg(test)]
mod measure;
#[cfg(test)]
mod parts;
#[cfg(test)]
mod stt;
#[cfg(test)]
mod tts;
#[cfg(test)]
mod vad;
