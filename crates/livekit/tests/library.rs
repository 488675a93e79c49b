//! The library before it is there. Alone in its file: once loaded, it stays.

use aether_livekit::ffi::{self, Error};
use aether_livekit::{EchoCanceller, NativeAudioSource, Room, RoomOptions};

#[tokio::test]
async fn a_missing_or_wrong_library_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("liblivekit_ffi.so");
    let missing = ffi::init(&path).unwrap_err();
    assert!(matches!(missing, Error::Unreadable { .. }));
    assert!(missing.to_string().contains(path.to_str().unwrap()));

    std::fs::write(&path, "not a library").unwrap();
    let wrong = ffi::init(&path).unwrap_err();
    assert!(matches!(&wrong, Error::WrongHash { expected, .. } if *expected == ffi::LIBRARY_SHA256), "{wrong}");

    let unloaded = Room::connect("ws://127.0.0.1:1", "token", RoomOptions::default()).await.unwrap_err();
    assert_eq!(unloaded.to_string(), "the livekit library is not loaded; call `ffi::init` first");
    assert!(NativeAudioSource::new(48_000, 1, 20).is_err());
    assert!(EchoCanceller::new(48_000, 1).is_err());
}
