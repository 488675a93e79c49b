//! The NVIDIA card, as ggml sees it.

use std::path::Path;
use std::ptr;

use aether_onnx::Processor;
use whisper_rs::whisper_rs_sys::{
    ggml_backend_dev_by_type, ggml_backend_dev_memory, ggml_backend_dev_type_GGML_BACKEND_DEVICE_TYPE_GPU,
};

use super::transcriber::Error;

/// Beside its weights: what CUDA takes for the process, and the buffers of a decode.
const BESIDE_THE_WEIGHTS: u64 = 600_000_000;

/// Whether this model can be tried there. whisper.cpp itself would take the processor without a word, or call a whole file broken
/// that finds no room.
pub(super) fn check(model: &Path, processor: Processor) -> Result<(), Error> {
    if processor == Processor::Cpu {
        return Ok(());
    }
    if !cfg!(feature = "cuda") {
        return Err(Error::BuiltWithoutCuda);
    }
    let free = free_bytes().ok_or(Error::NoCard)?;
    let needed = std::fs::metadata(model).map_or(0, |file| file.len()) + BESIDE_THE_WEIGHTS;
    if needed > free {
        return Err(Error::CardFull { needed_mb: needed / 1_000_000, free_mb: free / 1_000_000 });
    }
    Ok(())
}

/// Of the first card; `None` where there is none.
#[expect(unsafe_code, reason = "there is no safe wrapper of ggml's devices")]
fn free_bytes() -> Option<u64> {
    let (mut free, mut total) = (0, 0);
    // SAFETY: takes a plain number, and answers with a device that lives as long as the process, or with null.
    let card = unsafe { ggml_backend_dev_by_type(ggml_backend_dev_type_GGML_BACKEND_DEVICE_TYPE_GPU) };
    if card.is_null() {
        return None;
    }
    // SAFETY: `card` is a device of ggml's; both numbers outlive the call.
    unsafe { ggml_backend_dev_memory(card, ptr::from_mut(&mut free), ptr::from_mut(&mut total)) };
    Some(free as u64)
}
