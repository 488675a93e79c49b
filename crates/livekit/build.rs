//! Generates the messages that cross the boundary to liblivekit_ffi from `proto/livekit_ffi`, without a protoc on the
//! machine.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../../proto/livekit_ffi");
    println!("cargo:rerun-if-changed={}", root.display());
    let descriptors = protox::compile(["ffi.proto"], [&root])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
