import { LIMITS } from "../limits.js";
import { bars, lines, type Page } from "../panels.js";
import { count, percentile, rate } from "../queries.js";

const CHAT = '{gen_ai_operation_name="chat"}';
const SPEECH = '{gen_ai_operation_name="speech"}';

/** How long what is asked of each language model takes. */
function byModel(histogram: string): Record<string, string> {
  const selection = { of: CHAT, by: ["gen_ai_request_model"] };
  return {
    "{{gen_ai_request_model}}, p50": percentile(0.5, histogram, selection),
    "{{gen_ai_request_model}}, p95": percentile(0.95, histogram, selection),
  };
}

export const engines: Page = {
  uid: "engines",
  title: "Engines",
  description: "The models: Whisper, the language model and Piper, how fast they are and how much they have to do.",
  sections: [
    {
      title: "Whisper",
      panels: [
        lines({
          title: "One decode",
          description:
            "Partial and final transcripts alike. Above the line: too many people speak at once for this processor, or the model is too " +
            "large; WHISPER_MODEL chooses a smaller one.",
          unit: "s",
          width: 8,
          limit: LIMITS.transcription.p95,
          queries: {
            p50: percentile(0.5, "voice_stt_decode_seconds"),
            p95: percentile(0.95, "voice_stt_decode_seconds"),
          },
        }),
        lines({
          title: "Decodes",
          description: "A second, by process. They follow how many people speak; without speech there are none.",
          unit: "ops",
          width: 8,
          queries: { "{{instance}}": rate("voice_stt_decode_seconds_count", { by: ["instance"] }) },
        }),
        lines({
          title: "Decoders busy",
          description:
            "How many decodes were running on average. As many as there are decoders: each further one waits, and partial transcripts " +
            "come more rarely.",
          unit: "short",
          width: 8,
          queries: { "{{instance}}": rate("voice_stt_decode_seconds_sum", { by: ["instance"] }) },
        }),
        lines({
          title: "Waiting for a decoder",
          description:
            "From when a lane asks for a transcript to when a decoder takes it up. Final transcripts go before partial ones. As long as a " +
            "decode itself: more people speak at once than there are decoders for.",
          unit: "s",
          width: 8,
          queries: { p50: percentile(0.5, "voice_stt_wait_seconds"), p95: percentile(0.95, "voice_stt_wait_seconds") },
        }),
        lines({
          title: "Transcripts waiting",
          description: "How many waited for a decoder on average. Above 1 for long: this agent has more rooms than its processor has room for.",
          unit: "short",
          width: 8,
          queries: { "{{instance}}": rate("voice_stt_wait_seconds_sum", { by: ["instance"] }) },
        }),
        lines({
          title: "Real-time factor of Whisper",
          description:
            "Time spent for each second of speech that is read. What somebody says is read several times while they say it, so that at a third " +
            "one decoder is enough for few people at once. Grown: the processor does something else.",
          unit: "short",
          width: 8,
          limit: 1,
          queries: {
            "{{instance}}":
              `${rate("voice_stt_decode_seconds_sum", { by: ["instance"] })} / ` +
              rate("voice_stt_audio_seconds_sum", { by: ["instance"] }),
          },
        }),
      ],
    },
    {
      title: "Language model",
      panels: [
        lines({
          title: "First token",
          description:
            "From the request to the model's server to its first token, for everything that is asked: answers, facts, judgements. Above " +
            "the line in conversations: look at who asks on the page Bus (`llm.request`, `sentence.request`).",
          unit: "s",
          width: 8,
          limit: LIMITS.firstToken.p95,
          queries: byModel("gen_ai_server_time_to_first_token_seconds"),
        }),
        lines({
          title: "Whole answers",
          description: "From the request to its last token. Grown while the first token has not: answers became longer, or the model slower.",
          unit: "s",
          width: 8,
          queries: byModel("gen_ai_client_operation_duration_seconds"),
        }),
        lines({
          title: "Requests in progress",
          description:
            "On average, by model. As many as the server works on at once: each further one waits. Cancelled ones, answers that were made " +
            "for a pause that was no end, are not counted.",
          unit: "short",
          width: 8,
          queries: {
            "{{gen_ai_request_model}}": rate("gen_ai_client_operation_duration_seconds_sum", {
              of: CHAT,
              by: ["gen_ai_request_model"],
            }),
          },
        }),
        lines({
          title: "Tokens",
          description: "A second, read and written. Much read for little written: prompts are long, and their beginning is not in the cache.",
          unit: "short",
          width: 8,
          queries: {
            "{{gen_ai_request_model}}, {{gen_ai_token_type}}": rate("gen_ai_client_token_usage_sum", {
              by: ["gen_ai_request_model", "gen_ai_token_type"],
            }),
          },
        }),
        lines({
          title: "Tokens of one request, p95",
          description: "A prompt that grows and grows costs time before the first token. It should level off: history and memories are bounded.",
          unit: "short",
          width: 8,
          queries: {
            "{{gen_ai_token_type}}": percentile(0.95, "gen_ai_client_token_usage", { by: ["gen_ai_token_type"] }),
          },
        }),
        bars({
          title: "Failures",
          description:
            "Within the window, by what went wrong. After five in a row the model is not asked for a minute. See the log of brain and of " +
            "the model's server.",
          width: 8,
          queries: {
            "{{error_type}}": count("gen_ai_client_operation_duration_seconds_count", {
              of: '{gen_ai_operation_name="chat", error_type!=""}',
              by: ["error_type"],
            }),
          },
        }),
      ],
    },
    {
      title: "Piper",
      panels: [
        lines({
          title: "First sound of a chunk",
          description:
            "From a text's arrival at tts to its first PCM. Above the line: too many syntheses at once for this processor, or espeak-ng hangs.",
          unit: "s",
          width: 8,
          limit: LIMITS.chunk.p95,
          queries: {
            p50: percentile(0.5, "gen_ai_server_time_to_first_token_seconds", { of: SPEECH }),
            p95: percentile(0.95, "gen_ai_server_time_to_first_token_seconds", { of: SPEECH }),
          },
        }),
        lines({
          title: "Real-time factor",
          description:
            "Time spent for each second of speech. Near 1 the voice stutters; far below it there is room for more at once.",
          unit: "short",
          width: 8,
          limit: 1,
          queries: {
            "{{instance}}":
              `sum by (instance) (rate(gen_ai_client_operation_duration_seconds_sum${SPEECH}[$window])) / ` +
              `sum by (instance) (rate(voice_synthesis_audio_seconds_sum[$window]))`,
          },
        }),
        lines({
          title: "Syntheses in progress",
          description: "Beyond what a process may work on at once it refuses, and the agent asks another; see `tts.request` on the page Bus.",
          unit: "short",
          width: 8,
          queries: { "{{instance}}": "sum by (instance) (voice_synthesis_active)" },
        }),
        lines({
          title: "Speech made",
          description: "Seconds of speech a second. It follows the conversations; more than there are rooms is speech that nobody heard.",
          unit: "short",
          width: 8,
          queries: { "{{instance}}": rate("voice_synthesis_audio_seconds_sum", { by: ["instance"] }) },
        }),
        bars({
          title: "How syntheses ended otherwise",
          description:
            "Within the window. `cancelled`: somebody went on speaking, or spoke over it. `tts_unavailable`: the voice failed, see the log of tts.",
          width: 8,
          queries: {
            "{{error_type}}": count("gen_ai_client_operation_duration_seconds_count", {
              of: '{gen_ai_operation_name="speech", error_type!=""}',
              by: ["error_type"],
            }),
          },
        }),
      ],
    },
    {
      title: "Memory",
      panels: [
        lines({
          title: "Memory of the processes with models",
          description:
            "What they have in the machine: Whisper in each agent, Piper in each tts, the sentence model in brain. The language model's server " +
            "has its own; `aether doctor` says what fits.",
          unit: "bytes",
          width: 24,
          queries: {
            "{{service}} {{instance}}":
              'sum by (service, instance) (process_resident_memory_bytes{job="aether", service=~"agent|brain|tts"})',
          },
        }),
      ],
    },
  ],
};
