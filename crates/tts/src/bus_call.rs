//! `tts.request`: one call speaks one text. Marks come before the PCM they describe, the account at the end.

use aether_bus::{AudioFrame, CallEnded, IncomingCall};
use aether_proto::{Error, TtsInput, TtsOutput, tts_output};

use crate::request::Request;
use crate::synthesiser::{Piece, Synthesiser};

pub(crate) async fn speak(synthesiser: Synthesiser, call: IncomingCall<TtsInput, TtsOutput>) -> Result<(), Error> {
    let TtsInput { text, voice, speed } = call.open();
    let request = Request::new(text.as_str(), voice, *speed, synthesiser.voice_name())?;
    let sample_rate_hz = synthesiser.sample_rate_hz();
    let mut synthesis = synthesiser.start(&request)?;
    let over = call.cancelled();
    while let Some(piece) = over.run_until_cancelled(synthesis.next()).await.ok_or(CallEnded)?? {
        match piece {
            Piece::Pcm(pcm) => call.send_audio(AudioFrame { sample_rate_hz, channels: 1, pcm }).await?,
            Piece::Mark(mark) => call.send(&output(tts_output::Output::Mark(mark))).await?,
        }
    }
    call.send(&output(tts_output::Output::Done(synthesis.done()))).await?;
    Ok(())
}

fn output(output: tts_output::Output) -> TtsOutput {
    TtsOutput { output: Some(output) }
}
