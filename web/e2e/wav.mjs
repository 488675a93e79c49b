/** 16-bit mono WAV, there and back, as far as a microphone needs it. */

const HEADER = 44;

export function encode(samples, rate) {
  const data = Buffer.alloc(samples.length * 2);
  samples.forEach((sample, index) => {
    data.writeInt16LE(Math.round(Math.max(-1, Math.min(1, sample)) * 32_767), index * 2);
  });
  return Buffer.concat([header(data.length, 1, rate), data]);
}

/** The same recording after so much silence. */
export function withSilenceBefore(wav, milliseconds) {
  const { channels, rate, data } = decode(wav);
  const silence = Buffer.alloc(Math.round((rate * milliseconds) / 1_000) * channels * 2);
  const whole = Buffer.concat([silence, data]);
  return Buffer.concat([header(whole.length, channels, rate), whole]);
}

function decode(wav) {
  if (wav.toString("latin1", 0, 4) !== "RIFF" || wav.toString("latin1", 8, 12) !== "WAVE") throw new Error("this is no WAV file");
  let format;
  for (let at = 12; at + 8 <= wav.length; ) {
    const name = wav.toString("latin1", at, at + 4);
    const length = wav.readUInt32LE(at + 4);
    const body = wav.subarray(at + 8, at + 8 + length);
    if (name === "fmt ") {
      format = { channels: body.readUInt16LE(2), rate: body.readUInt32LE(4), bits: body.readUInt16LE(14) };
    }
    if (name === "data") {
      if (format?.bits !== 16) throw new Error("this WAV file is not of 16 bits");
      return { channels: format.channels, rate: format.rate, data: body };
    }
    at += 8 + length + (length % 2);
  }
  throw new Error("this WAV file has no sound");
}

function header(length, channels, rate) {
  const bytes = Buffer.alloc(HEADER);
  bytes.write("RIFF", 0, "latin1");
  bytes.writeUInt32LE(HEADER - 8 + length, 4);
  bytes.write("WAVEfmt ", 8, "latin1");
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(channels, 22);
  bytes.writeUInt32LE(rate, 24);
  bytes.writeUInt32LE(rate * channels * 2, 28);
  bytes.writeUInt16LE(channels * 2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write("data", 36, "latin1");
  bytes.writeUInt32LE(length, 40);
  return bytes;
}
