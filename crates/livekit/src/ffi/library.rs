//! The four C functions of the library, and every line of `unsafe` in this crate.
#![expect(unsafe_code, reason = "this file is the boundary to a C library")]

use std::ffi::c_char;
use std::io::Read as _;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::mpsc::SyncSender;

use prost::Message as _;
use sha2::{Digest as _, Sha256};

use super::wire::{
    self, AudioFrameBufferInfo, FfiRequest, FfiResponse, OwnedAudioFrameBuffer, OwnedBuffer, ffi_request,
};
use super::{Error, Handle, Runtime};
use crate::AudioFrame;

/// The release whose messages `proto/livekit_ffi` describes.
pub const LIBRARY_VERSION: &str = "1.2.0";
/// The hash of the `liblivekit_ffi.so` of that release for Linux on this processor. Messages change between releases, so
/// another file is refused instead of being misunderstood.
pub const LIBRARY_SHA256: &str = if cfg!(target_arch = "aarch64") {
    "1851e0a2b740be6041e5a8bf66f419f78f0a424348b4d44d52bf2ece231ab740"
} else {
    "b0e3b91dcf42b486045b6acca4863b132e3c4d114d5701b5759c7661c04ea1eb"
};

type EventCallback = unsafe extern "C" fn(*const u8, usize);
type Initialize = unsafe extern "C" fn(EventCallback, bool, *const c_char, *const c_char);
type Request = unsafe extern "C" fn(*const u8, usize, *mut *const u8, *mut usize) -> u64;
type DropHandle = unsafe extern "C" fn(u64) -> bool;

/// Where the callback puts what it gets. The C function takes no context argument, so this must be a static.
static EVENTS: OnceLock<SyncSender<Vec<u8>>> = OnceLock::new();

/// The loaded library. Never unloaded: its threads run until the process ends.
#[derive(Debug)]
pub(super) struct Library {
    request: Request,
    drop_handle: DropHandle,
    _library: libloading::Library,
}

impl Library {
    /// Checks the file's hash, loads it and lets it send its events to `events`. Called once per process.
    pub(super) fn load(path: &Path, events: SyncSender<Vec<u8>>) -> Result<Self, Error> {
        verify(path)?;
        let unloadable =
            |error: libloading::Error| Error::Unloadable { path: path.to_path_buf(), reason: error.to_string() };
        // SAFETY: the file's hash is that of a library whose initialisers are known to be harmless.
        let library = unsafe { libloading::Library::new(path) }.map_err(unloadable)?;
        // SAFETY: the types are those of the C header of exactly this library (the hash was checked), and the function
        // pointers are kept only beside the library that they point into.
        let (initialize, request, drop_handle) = unsafe {
            (
                *library.get::<Initialize>(b"livekit_ffi_initialize\0").map_err(unloadable)?,
                *library.get::<Request>(b"livekit_ffi_request\0").map_err(unloadable)?,
                *library.get::<DropHandle>(b"livekit_ffi_drop_handle\0").map_err(unloadable)?,
            )
        };
        if EVENTS.set(events).is_err() {
            return Err(Error::Unloadable { path: path.to_path_buf(), reason: "it is loaded already".to_owned() });
        }
        // SAFETY: `on_event` lives as long as the program and does not unwind; both strings end with a NUL.
        unsafe { initialize(on_event, true, c"rust".as_ptr(), c"aether".as_ptr()) };
        Ok(Self { request, drop_handle, _library: library })
    }

    pub(super) fn request(&self, operation: &'static str, message: ffi_request::Message) -> Result<FfiResponse, Error> {
        let request = FfiRequest { message: Some(message) }.encode_to_vec();
        let mut answer = std::ptr::null();
        let mut length = 0_usize;
        // SAFETY: `request` is valid for its length during the call, and the library writes both out-pointers when it
        // returns a handle.
        let handle = unsafe { (self.request)(request.as_ptr(), request.len(), &raw mut answer, &raw mut length) };
        if handle == 0 {
            return Err(Error::Refused { operation });
        }
        let response = if answer.is_null() || length == 0 {
            Ok(FfiResponse::default())
        } else {
            // SAFETY: the library keeps `length` bytes at `answer` until the handle is dropped, which is below.
            FfiResponse::decode(unsafe { std::slice::from_raw_parts(answer, length) })
        };
        self.drop_handle(handle);
        Ok(response?)
    }

    pub(super) fn drop_handle(&self, handle: u64) -> bool {
        // SAFETY: any number may be passed; the library answers false to one that it does not know.
        unsafe { (self.drop_handle)(handle) }
    }

    /// Queues a frame. The library copies the samples before this returns.
    pub(super) fn capture(&self, source: u64, frame: &AudioFrame, async_id: u64) -> Result<(), Error> {
        let num_channels = frame.num_channels.max(1);
        let samples_per_channel = frame.data.len() / num_channels as usize;
        let buffer = AudioFrameBufferInfo {
            data_ptr: frame.data.as_ptr() as u64,
            num_channels,
            sample_rate: frame.sample_rate,
            samples_per_channel: u32::try_from(samples_per_channel).unwrap_or(0),
        };
        let request =
            wire::CaptureAudioFrameRequest { source_handle: source, buffer, request_async_id: Some(async_id) };
        self.request("capture audio", ffi_request::Message::CaptureAudioFrame(request)).map(drop)
    }

    /// Takes the echo out of a piece of a microphone's audio. The library reads and writes `samples` during the call, while
    /// nobody else can, and keeps no pointer to them. It panics over a piece that is not 10 ms long.
    pub(super) fn process_stream(
        &self,
        apm: u64,
        samples: &mut [i16],
        sample_rate: u32,
        num_channels: u32,
    ) -> Result<FfiResponse, Error> {
        let request = wire::ApmProcessStreamRequest {
            apm_handle: apm,
            data_ptr: samples.as_mut_ptr() as u64,
            size: size_in_bytes(samples),
            sample_rate,
            num_channels,
        };
        self.request("cancel echo", ffi_request::Message::ApmProcessStream(request))
    }

    /// Shows what is played. Also written to: the library hands back what a loudspeaker should get.
    pub(super) fn process_reverse_stream(
        &self,
        apm: u64,
        samples: &mut [i16],
        sample_rate: u32,
        num_channels: u32,
    ) -> Result<FfiResponse, Error> {
        let request = wire::ApmProcessReverseStreamRequest {
            apm_handle: apm,
            data_ptr: samples.as_mut_ptr() as u64,
            size: size_in_bytes(samples),
            sample_rate,
            num_channels,
        };
        self.request("cancel echo", ffi_request::Message::ApmProcessReverseStream(request))
    }

    /// Sends a data packet. The library copies the bytes before this returns.
    pub(super) fn publish_data(&self, payload: &[u8], mut request: wire::PublishDataRequest) -> Result<(), Error> {
        request.data_ptr = payload.as_ptr() as u64;
        request.data_len = payload.len() as u64;
        self.request("publish data", ffi_request::Message::PublishData(request)).map(drop)
    }
}

fn size_in_bytes(samples: &[i16]) -> u32 {
    u32::try_from(size_of_val(samples)).unwrap_or(0)
}

/// Copies a frame out of the library and gives its buffer back.
pub(super) fn take_frame(runtime: &'static Runtime, frame: OwnedAudioFrameBuffer) -> AudioFrame {
    let buffer = Handle::new(runtime, frame.handle);
    let info = frame.info;
    let count = info.num_channels as usize * info.samples_per_channel as usize;
    let mut data = vec![0_i16; count];
    if info.data_ptr != 0 {
        // SAFETY: the event that carried this description promises `count` samples at `data_ptr` until the buffer's handle
        // is dropped, which happens below; bytes are copied, so the source needs no alignment.
        unsafe {
            std::ptr::copy_nonoverlapping(info.data_ptr as *const u8, data.as_mut_ptr().cast::<u8>(), count * 2);
        }
    }
    drop(buffer);
    AudioFrame::new(data, info.sample_rate, info.num_channels)
}

/// Copies a data packet out of the library and gives its buffer back.
pub(super) fn take_bytes(runtime: &'static Runtime, owned: OwnedBuffer) -> Vec<u8> {
    let buffer = Handle::new(runtime, owned.handle);
    let info = owned.data;
    let bytes = if info.data_ptr == 0 || info.data_len == 0 {
        Vec::new()
    } else {
        // SAFETY: the event that carried this description promises `data_len` bytes at `data_ptr` until the buffer's handle
        // is dropped, which happens below.
        unsafe { std::slice::from_raw_parts(info.data_ptr as *const u8, info.data_len as usize) }.to_vec()
    };
    drop(buffer);
    bytes
}

/// Called by the library on its own threads. A full queue makes the library wait, which loses nothing.
///
/// # Safety
/// `data` must be valid for `length` bytes during the call.
unsafe extern "C" fn on_event(data: *const u8, length: usize) {
    if data.is_null() {
        return;
    }
    // SAFETY: the library keeps the bytes for the length of this call.
    let event = unsafe { std::slice::from_raw_parts(data, length) }.to_vec();
    if let Some(events) = EVENTS.get() {
        // The other end is gone only when the process is ending.
        let _ = events.send(event);
    }
}

fn verify(path: &Path) -> Result<(), Error> {
    let unreadable = |source| Error::Unreadable { path: path.to_path_buf(), source };
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0_u8; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(unreadable)? {
            0 => break,
            length => hash.update(&buffer[..length]),
        }
    }
    let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found != LIBRARY_SHA256 {
        return Err(Error::WrongHash { path: path.to_path_buf(), expected: LIBRARY_SHA256, found });
    }
    Ok(())
}
