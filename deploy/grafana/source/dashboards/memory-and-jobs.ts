import { LIMITS } from "../limits.js";
import { bars, figure, lines, type Page } from "../panels.js";
import { count, happened, percentile } from "../queries.js";

export const memoryAndJobs: Page = {
  uid: "memory-and-jobs",
  title: "Memory and jobs",
  description: "What is remembered, what is done later, and who is told.",
  sections: [
    {
      title: "Memory",
      panels: [
        lines({
          title: "Recalling for a turn",
          description:
            "`embed` is the sentence model, `search` is Postgres. Either of them grown delays every first token. `search` alone: look at the " +
            "database's load and at how many memories one person has.",
          unit: "s",
          width: 12,
          queries: {
            "{{stage}}, p50": percentile(0.5, "aether_memory_recall_seconds", { by: ["stage"] }),
            "{{stage}}, p95": percentile(0.95, "aether_memory_recall_seconds", { by: ["stage"] }),
          },
        }),
        lines({
          title: "What others ask of memory",
          description:
            "p95 of embedding texts, keeping facts and summaries, and making up for what was said without a sentence model. Slow: Postgres or " +
            "the sentence model.",
          unit: "s",
          width: 12,
          queries: {
            "{{subject}}": percentile(0.95, "aether_bus_handled_seconds", {
              of: '{subject=~"embed.request|facts.keep|summaries.keep|embeddings.backfill"}',
              by: ["subject"],
            }),
          },
        }),
      ],
    },
    {
      title: "Tools",
      panels: [
        bars({
          title: "Tools that were run",
          description:
            "Within the window. Many `failed` of one: what it needs is away, the scheduler for reminders, Postgres for what is remembered.",
          width: 24,
          queries: { "{{tool}}: {{outcome}}": happened("aether_tool_calls_total", { by: ["tool", "outcome"] }) },
        }),
      ],
    },
    {
      title: "Jobs",
      panels: [
        figure({
          title: "Oldest that people wait for",
          description: "How long the oldest interactive job has been due; reminders are among them. Above a minute somebody is told too late.",
          unit: "s",
          width: 6,
          limit: 60,
          queries: { interactive: 'max(aether_jobs_oldest_waiting_seconds{pool="interactive"})' },
        }),
        figure({
          title: "Oldest in the background",
          description: "Facts and summaries of conversations. Hours: the background never gets its turn, or its jobs fail again and again.",
          unit: "s",
          width: 6,
          limit: 3600,
          queries: { background: 'max(aether_jobs_oldest_waiting_seconds{pool="background"})' },
        }),
        figure({
          title: "Being done",
          description: "By all scheduler processes. At the number of workers for long: there are too few, see AETHER_KERNEL_WORKERS_….",
          unit: "short",
          width: 6,
          queries: { jobs: "sum(aether_jobs_running)" },
        }),
        figure({
          title: "Waiting for a person",
          description: "Jobs that were given up and need a look: `aether task list`, then `aether task replay` or `cancel`.",
          unit: "short",
          width: 6,
          limit: 1,
          queries: { jobs: 'sum(max by (pool) (aether_jobs{state="HUMAN_REVIEW"}))' },
        }),
        lines({
          title: "Jobs by state",
          description:
            "All that have not ended. SCHEDULED ones with a later time are no backlog. RETRYING that grows: a kind of job fails, see below.",
          unit: "short",
          width: 12,
          stacked: true,
          queries: { "{{pool}}: {{state}}": "max by (pool, state) (aether_jobs) > 0" },
        }),
        lines({
          title: "From due to begun, p95",
          description:
            "P0 is to begin within 1 s, P1 within 10 s, P2 within 60 s. P0 above the line: the interactive workers are all taken, or the " +
            "scheduler is not woken over the bus.",
          unit: "s",
          width: 12,
          limit: 1,
          queries: { "{{priority}}": percentile(0.95, "aether_job_start_delay_seconds", { by: ["priority"] }) },
        }),
        bars({
          title: "Attempts that did not succeed",
          description:
            "Within the window. `failed` is tried again, `impossible` is not, `not_now` only waits. One kind alone: what that kind needs is away.",
          width: 12,
          queries: { "{{kind}}: {{outcome}}": happened("aether_job_attempts_total", { of: '{outcome!="done"}', by: ["kind", "outcome"] }) },
        }),
        lines({
          title: "Attempts that succeeded",
          description: "Within the window. None of a kind that there always was: nothing submits it any more.",
          unit: "short",
          width: 12,
          queries: { "{{kind}}": count("aether_job_attempts_total", { of: '{outcome="done"}', by: ["kind"] }) },
        }),
      ],
    },
    {
      title: "Notifications",
      panels: [
        lines({
          title: "Deciding whether somebody is told",
          description:
            "p95, by who decides. Rules take milliseconds. `default` means that the language model did not answer in time; if it is the rule, " +
            "the model is too slow to be asked.",
          unit: "s",
          width: 8,
          limit: LIMITS.notificationDecision.p95,
          queries: { "{{by}}": percentile(0.95, "aether_notification_decision_seconds", { by: ["by"] }) },
        }),
        bars({
          title: "Notifications",
          description: "Events that became notifications within the window, as the first decision left them. A flood: mute its source on the page.",
          width: 8,
          queries: { "{{state}}": count("aether_notifications_total", { by: ["state"] }) },
        }),
        bars({
          title: "Deliveries",
          description:
            "Attempts by push, mail and webhook within the window. `failed` on one channel: its server is away or refuses us; tried again for an hour.",
          width: 8,
          queries: { "{{channel}}: {{outcome}}": happened("aether_notification_deliveries_total", { by: ["channel", "outcome"] }) },
        }),
      ],
    },
  ],
};
