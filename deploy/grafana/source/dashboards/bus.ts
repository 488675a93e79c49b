import { bars, lines, type Page, timeline } from "../panels.js";
import { count, happened, percentile, rate } from "../queries.js";

export const bus: Page = {
  uid: "bus",
  title: "Bus",
  description: "What the services ask of each other over NATS, how long it takes them, and what fails.",
  sections: [
    {
      title: "Requests and calls, where they are answered",
      panels: [
        lines({
          title: "How many",
          description: "A second, by subject. A subject that is missing although it is asked: nobody answers it, see `nats micro ls`.",
          unit: "ops",
          width: 12,
          queries: { "{{subject}}": rate("aether_bus_handled_total", { by: ["subject"] }) },
        }),
        bars({
          title: "How they ended, other than well",
          description:
            "Within the window. `cancelled` is usual: it is how speculative work ends. `overloaded`: the workers hold as many calls as they may, " +
            "start another process. `…_unavailable`: a part is away, see the page Rooms. `internal`, `protocol`: a defect, see the log.",
          width: 12,
          queries: { "{{subject}}: {{outcome}}": happened("aether_bus_handled_total", { of: '{outcome!="ok"}', by: ["subject", "outcome"] }) },
        }),
        lines({
          title: "Share that failed",
          description:
            "Of what a service took, without what was cancelled or asked wrongly. Above the line for a quarter of an hour, and more than a few: a ticket.",
          unit: "percentunit",
          width: 12,
          limit: 0.1,
          queries: {
            "{{service}}: {{subject}}":
              "aether:bus_failed:increase15m / sum by (service, subject) (increase(aether_bus_handled_total[15m]))",
          },
        }),
        lines({
          title: "In progress, on average",
          description: "Calls that workers hold, by subject. A turn's call is held until its answer has been played: one for each room is usual.",
          unit: "short",
          width: 12,
          queries: { "{{subject}}": rate("aether_bus_handled_seconds_sum", { by: ["subject"] }) },
        }),
        lines({
          title: "How long they took, p50",
          description:
            "From arrival to end. Requests that only look something up take milliseconds; calls last as long as the answer or the speech.",
          unit: "s",
          width: 12,
          queries: { "{{subject}}": percentile(0.5, "aether_bus_handled_seconds", { by: ["subject"] }) },
        }),
        lines({
          title: "How long they took, p95",
          description:
            "From arrival to end. Grown for one subject: the engine or store behind it. Grown for all of one service: it has too little processor.",
          unit: "s",
          width: 12,
          queries: { "{{subject}}": percentile(0.95, "aether_bus_handled_seconds", { by: ["subject"] }) },
        }),
      ],
    },
    {
      title: "The same, where they are asked",
      panels: [
        lines({
          title: "There and back, p95",
          description:
            "From a question to its reply, and of a call until a worker takes it. Much longer than it took where it was answered: NATS, the " +
            "network, or a worker that is not given the processor.",
          unit: "s",
          width: 12,
          queries: { "{{service}}: {{subject}}": percentile(0.95, "aether_bus_round_trip_seconds", { by: ["service", "subject"] }) },
        }),
        bars({
          title: "What did not come back well",
          description:
            "Within the window. `unavailable`: nobody answers that subject, or NATS is away. `deadline_exceeded`: it came too late. Rooms without " +
            "an agent are asked for one: `room.*.*.control` is `unavailable` until it is there.",
          width: 12,
          queries: {
            "{{service}}: {{subject}}: {{outcome}}": count("aether_bus_round_trip_seconds_count", {
              of: '{outcome!="ok"}',
              by: ["service", "subject", "outcome"],
            }),
          },
        }),
      ],
    },
    {
      title: "NATS itself",
      panels: [
        timeline({
          title: "Connected",
          description: "Red: that service has no connection to NATS. All red: the server is away, and what people say waits on disk.",
          unit: "bool_on_off",
          width: 24,
          limit: 1,
          isFloor: true,
          queries: { "{{service}}": 'min by (service) (part_up{part="nats"})' },
        }),
      ],
    },
  ],
};
