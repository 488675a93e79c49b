use std::path::{Path, PathBuf};

/// A recorded clip of `tests/audio`, whole, as it lies there.
pub fn audio(name: &str) -> Vec<u8> {
    let path = audio_path(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn audio_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/audio").join(name)
}
