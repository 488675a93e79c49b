import { LIMITS, OBJECTIVE } from "../limits.js";
import { bars, figure, heatmap, lines, type Page, traces } from "../panels.js";
import { count, mean, percentile, share } from "../queries.js";

export const turnLatency: Page = {
  uid: "turn-latency",
  title: "Turn latency",
  description: "How long people wait for an answer, where that time goes, and how often the agent is spoken over.",
  sections: [
    {
      title: "How it is",
      panels: [
        figure({
          title: "Whole turn, p95",
          description:
            "From the last speech sample to the first sound handed to the room. One person in twenty waits longer than this. Red: " +
            "look below at which stage grew; if all did, the machine has too much to do.",
          unit: "s",
          width: 4,
          limit: LIMITS.wholeTurn.p95,
          queries: { p95: percentile(0.95, "voice_turn_total_seconds") },
        }),
        figure({
          title: "Whole turn, p50",
          description: "What people usually wait. Far below the p95: single turns are slow, and their traces say why.",
          unit: "s",
          width: 4,
          queries: { p50: percentile(0.5, "voice_turn_total_seconds") },
        }),
        figure({
          title: "Turns within 1 s",
          description: "The share of turns that began to be heard within a second. Below 95 % the objective is missed.",
          unit: "percentunit",
          width: 4,
          limit: OBJECTIVE,
          isFloor: true,
          queries: { "within 1 s": share('voice_turn_total_seconds_bucket{le=~"1|1[.]0"}', "voice_turn_total_seconds_count") },
        }),
        figure({
          title: "Turns",
          description: "How many ended within the window. With a handful, percentiles say little: choose a longer window.",
          unit: "short",
          width: 4,
          queries: { turns: count("voice_turns_total", { of: '{end!="withdrawn"}' }) },
        }),
        figure({
          title: "Turns that failed",
          description: "The person heard an apology. Red: see which part is away on the page Rooms, and what fails on the page Bus.",
          unit: "percentunit",
          width: 4,
          limit: 1 - OBJECTIVE,
          queries: { failed: share('voice_turns_total{end="error"}', 'voice_turns_total{end!="withdrawn"}') },
        }),
        figure({
          title: "Answers spoken over",
          description:
            "The share of turns that the person stopped by speaking. Some is conversation. Much: answers are too long, or what is " +
            "no interruption, an echo for example, is taken for one.",
          unit: "percentunit",
          width: 4,
          queries: { interrupted: share("voice_interruption_count_total", 'voice_turns_total{end!="withdrawn"}') },
        }),
      ],
    },
    {
      title: "Where the time goes",
      panels: [
        lines({
          title: "Mean of each stage",
          description:
            "One above the other, about what a turn takes; what lies between the first token and the first clause is not among them. " +
            "The stage that grew is the one to look at.",
          unit: "s",
          width: 12,
          height: 9,
          stacked: true,
          queries: {
            "waiting for the end": mean("voice_turn_endpoint_seconds"),
            "transcript after it": mean("voice_turn_stt_seconds"),
            "first token": mean("voice_turn_llm_first_token_seconds"),
            "first sound": mean("voice_turn_tts_first_audio_seconds"),
          },
        }),
        lines({
          title: "Objectives: how fast their budget burns",
          description:
            "Of each hundred turns, decodes and so on, five may miss their limit; at 1 just so many do. Above 6 for hours or above " +
            "14.4 for an hour somebody is woken, if it concerns whole turns. A line is missing where there were fewer than ten.",
          unit: "short",
          width: 12,
          height: 9,
          limit: 1,
          queries: { "{{objective}}, 1 h": "aether:objective_burn:rate1h", "{{objective}}, 6 h": "aether:objective_burn:rate6h" },
        }),
        lines({
          title: "Waiting for the end of speech",
          description:
            "From the last speech sample to the decision that the person is done. It is meant to be long where people pause. Grown for " +
            "everybody: the end-of-turn model or the language model, which judge a pause, answer late or not at all.",
          unit: "s",
          width: 8,
          queries: {
            p50: percentile(0.5, "voice_turn_endpoint_seconds"),
            p95: percentile(0.95, "voice_turn_endpoint_seconds"),
          },
        }),
        lines({
          title: "Transcript, after the decision",
          description:
            "What the wait for the end did not hide of the last transcription; mostly nothing. Above it: Whisper falls behind, see " +
            "the page Engines.",
          unit: "s",
          width: 8,
          queries: { p50: percentile(0.5, "voice_turn_stt_seconds"), p95: percentile(0.95, "voice_turn_stt_seconds") },
        }),
        lines({
          title: "First token, after the transcript",
          description:
            "Memory, prompt and the language model's first token, less what was made ahead. Above the line: the model is too large for " +
            "the machine, its cache is lost between turns, or too many ask it at once.",
          unit: "s",
          width: 8,
          limit: LIMITS.firstToken.p95,
          queries: {
            p50: percentile(0.5, "voice_turn_llm_first_token_seconds"),
            p95: percentile(0.95, "voice_turn_llm_first_token_seconds"),
          },
        }),
        lines({
          title: "First sound, after the first chunk",
          description:
            "From the first clause sent to tts to its first PCM, as the agent sees it. Above the line: tts works on too much at once, or " +
            "the bus between them is slow.",
          unit: "s",
          width: 8,
          limit: LIMITS.firstAudio.p95,
          queries: {
            p50: percentile(0.5, "voice_turn_tts_first_audio_seconds"),
            p95: percentile(0.95, "voice_turn_tts_first_audio_seconds"),
          },
        }),
        lines({
          title: "Overhead",
          description:
            "What of a turn no wait, model or network took: Aether's own. More than some tens of milliseconds: the agent does not get " +
            "the processor when it needs it.",
          unit: "s",
          width: 8,
          queries: {
            p50: percentile(0.5, "voice_turn_overhead_seconds"),
            p95: percentile(0.95, "voice_turn_overhead_seconds"),
          },
        }),
        lines({
          title: "First token of written answers",
          description:
            "From a question's arrival at the gateway to the first token that leaves it. Above the line although that of spoken turns is not: " +
            "prompts are longer, or nothing could be made ahead; a spoken question is read while it is said.",
          unit: "s",
          width: 8,
          limit: LIMITS.chatFirstToken.p95,
          exemplars: true,
          queries: {
            p50: percentile(0.5, "aether_chat_first_token_seconds"),
            p95: percentile(0.95, "aether_chat_first_token_seconds"),
          },
        }),
        lines({
          title: "Recalling memories",
          description:
            "Part of the first token. Grown `search`: Postgres is slow, or somebody has very many memories. Grown `embed`: the sentence " +
            "model shares its processor with others.",
          unit: "s",
          width: 8,
          queries: { "{{stage}}, p95": percentile(0.95, "aether_memory_recall_seconds", { by: ["stage"] }) },
        }),
      ],
    },
    {
      title: "The slow ones",
      panels: [
        heatmap({
          title: "Whole turns",
          description:
            "How many took how long. Two bands apart: two kinds of turns, for example with and without a tool. A red dot, where there is " +
            "one, is a turn; it leads to its trace.",
          unit: "s",
          width: 12,
          queries: { "{{le}}": "sum by (le) (increase(voice_turn_total_seconds_bucket[$__rate_interval]))" },
        }),
        lines({
          title: "Whole turn over time",
          description: "Above the line somebody waited too long. The dots, where there are some, lead to the traces of those turns.",
          unit: "s",
          width: 12,
          height: 9,
          limit: LIMITS.wholeTurn.p95,
          exemplars: true,
          queries: {
            p50: percentile(0.5, "voice_turn_total_seconds"),
            p95: percentile(0.95, "voice_turn_total_seconds"),
            p99: percentile(0.99, "voice_turn_total_seconds"),
          },
        }),
        traces({
          title: "Long turns",
          description:
            "Turns whose trace lasted longer than 10 s, from opening it to its end, playing included. Open one: its spans are the stages. " +
            "Empty although turns are slow: no traces are collected, see OTEL_EXPORTER_OTLP_ENDPOINT.",
          service: "agent",
          operation: "turn",
          slowerThan: "10s",
          width: 24,
        }),
      ],
    },
    {
      title: "Cut-offs and interruptions",
      panels: [
        bars({
          title: "Cut-offs and interruptions",
          description:
            "Within the window. A cut-off: words that somebody began within two seconds after what had been taken for all they wanted to say. " +
            "Many: the silences that are waited for are too short for them, see AETHER_ENDPOINT_LONGEST_MS.",
          width: 12,
          stacked: false,
          queries: {
            "cut-offs": count("voice_cut_off_total"),
            interruptions: count("voice_interruption_count_total"),
          },
        }),
        bars({
          title: "How turns ended",
          description:
            "Within the window. Many `withdrawn`: the agent began where it was only a pause, or only noise. Nobody heard that, but it " +
            "cost work. `error`: an apology.",
          width: 12,
          queries: { "{{end}}": count("voice_turns_total", { by: ["end"] }) },
        }),
        bars({
          title: "Sounds that were not answered",
          description:
            "Within the window. `no_speech`: noise, coughs, what Whisper makes up. `backchannel`: an \"mm-hm\" over the agent's voice. Many " +
            "in a quiet room: a microphone hears the agent, try AETHER_ECHO_CANCELLATION=on.",
          width: 12,
          queries: { "{{reason}}": count("voice_utterance_ignored_total", { by: ["reason"] }) },
        }),
        bars({
          title: "Work that came to nothing",
          description:
            "Within the window: what was dropped because its turn had moved on, in brain by kind, and queued speech in the agent. It is the " +
            "price of answering early. More than there are turns: pauses are mistaken for ends.",
          width: 12,
          queries: {
            "{{what}}": count("voice_turn_stale_total", { by: ["what"] }),
            "queued speech": count("voice_playout_stale_items_total"),
          },
        }),
      ],
    },
  ],
};
