/** Listens to what the page plays of the agent: the samples that arrived over WebRTC, with the time of each. */

/** Louder than this is a voice, −46 dBFS; quieter for this long is silence. */
const VOICE = 0.005;
const SILENCE_MS = 300;

export class Ear {
  constructor(page, rate) {
    this.page = page;
    this.rate = rate;
  }

  /** Begins to listen. The agent's track is what LiveKit's renderer has put into an audio element. */
  static async open(page) {
    await page.waitForFunction(() => document.querySelector("audio")?.srcObject?.getAudioTracks().length > 0);
    const rate = await page.evaluate(() => {
      const context = new AudioContext();
      const gain = new GainNode(context, { gain: 0 });
      gain.connect(context.destination);
      // Needs no file of its own, which the page's content-security policy would not allow.
      const processor = context.createScriptProcessor(1024, 1, 1);
      processor.connect(gain);
      const ear = (window.ear = { blocks: [], streams: new Set() });
      processor.onaudioprocess = ({ inputBuffer }) => {
        const samples = inputBuffer.getChannelData(0).slice();
        let sum = 0;
        for (const sample of samples) sum += sample * sample;
        ear.blocks.push({ at: performance.now(), level: Math.sqrt(sum / samples.length), samples });
      };
      // An agent that comes back brings another track.
      const listen = () => {
        for (const element of document.querySelectorAll("audio")) {
          const stream = element.srcObject;
          if (!stream?.getAudioTracks().length || ear.streams.has(stream)) continue;
          ear.streams.add(stream);
          context.createMediaStreamSource(stream).connect(processor);
        }
      };
      listen();
      new MutationObserver(listen).observe(document.body, { childList: true, subtree: true });
      return context.sampleRate;
    });
    return new Ear(page, rate);
  }

  /** The page's clock, in milliseconds. */
  now() {
    return this.page.evaluate(() => performance.now());
  }

  /** Waits until a voice is heard. */
  async sound() {
    await this.page.waitForFunction(([voice]) => window.ear.blocks.at(-1)?.level > voice, [VOICE], { polling: 20 });
  }

  /** Waits for silence after this moment; when it began. */
  async silence(since) {
    const began = await this.page.waitForFunction(
      ([since, voice, length]) => {
        const blocks = window.ear.blocks;
        const last = blocks.at(-1);
        if (!last) return false;
        let loud = since;
        for (let index = blocks.length - 1; index >= 0 && blocks[index].at > since; index--) {
          if (blocks[index].level > voice) {
            loud = blocks[index].at;
            break;
          }
        }
        return last.at - loud > length ? { at: loud } : false;
      },
      [since, VOICE, SILENCE_MS],
      { polling: 20 },
    );
    return (await began.jsonValue()).at;
  }

  /** What has arrived since. */
  async samples(since) {
    const encoded = await this.page.evaluate((since) => {
      const blocks = window.ear.blocks.filter((block) => block.at >= since);
      const all = new Float32Array(blocks.reduce((sum, block) => sum + block.samples.length, 0));
      let place = 0;
      for (const block of blocks) {
        all.set(block.samples, place);
        place += block.samples.length;
      }
      const bytes = new Uint8Array(all.buffer);
      let text = "";
      for (let index = 0; index < bytes.length; index += 32_768) {
        text += String.fromCharCode(...bytes.subarray(index, index + 32_768));
      }
      return btoa(text);
    }, since);
    const bytes = Buffer.from(encoded, "base64");
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4).slice();
  }
}
