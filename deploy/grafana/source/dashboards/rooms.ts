import { bars, figure, lines, type Page, timeline } from "../panels.js";
import { count, percentile, rate } from "../queries.js";

export const rooms: Page = {
  uid: "rooms",
  title: "Rooms",
  description: "Who is there to talk with: services, their parts, and what goes on in the rooms.",
  sections: [
    {
      title: "Services and parts",
      panels: [
        figure({
          title: "Rooms with an agent",
          description: "All that agents are in at the moment. People in rooms and none here: no agent takes their job, look below.",
          unit: "short",
          width: 6,
          height: 8,
          queries: { rooms: "sum(voice_session_active)" },
        }),
        timeline({
          title: "Services",
          description: "Red: Prometheus got no answer from that process. It died, or is too busy to answer within ten seconds.",
          unit: "bool_on_off",
          width: 18,
          limit: 1,
          isFloor: true,
          queries: { "{{service}} {{instance}}": 'up{job="aether"}' },
        }),
        timeline({
          title: "Parts, as the services see them",
          description:
            "Red: that service is without that part, or waits for it. Its /health says what is missing and what to do. All services " +
            "without one: the part itself is away. One service alone: its settings, or the way between them.",
          unit: "bool_on_off",
          width: 24,
          height: 12,
          limit: 1,
          isFloor: true,
          queries: { "{{service}}: {{part}}": "min by (service, part) (part_up)" },
        }),
        lines({
          title: "Memory of each process",
          description:
            "What it has in the machine. Models take most of it, and what an agent takes grows with its rooms. Grown for days without more " +
            "rooms: a leak; restart that process.",
          unit: "bytes",
          width: 12,
          queries: { "{{service}} {{instance}}": 'sum by (service, instance) (process_resident_memory_bytes{job="aether"})' },
        }),
        lines({
          title: "Processors of each process",
          description:
            "How many it keeps busy, of those that the machine has. All together near that number: everything gets slow, Whisper first. Much " +
            "while nobody speaks: something spins.",
          unit: "short",
          width: 12,
          queries: { "{{service}} {{instance}}": rate("process_cpu_seconds_total", { of: '{job="aether"}', by: ["service", "instance"] }) },
        }),
      ],
    },
    {
      title: "What goes on in them",
      panels: [
        lines({
          title: "Rooms by agent process",
          description: "Very unequal with several processes: one of them takes no jobs, look at its /health and log.",
          unit: "short",
          width: 8,
          stacked: true,
          queries: { "{{instance}}": "sum by (instance) (voice_session_active)" },
        }),
        lines({
          title: "Turns",
          description: "Within the window, by process. Rooms but no turns: nobody speaks, or nobody is heard; see the part `speech`.",
          unit: "short",
          width: 8,
          queries: { "{{instance}}": count("voice_turns_total", { of: '{end!="withdrawn"}', by: ["instance"] }) },
        }),
        lines({
          title: "Joining a room",
          description:
            "From an agent's beginning to the session with all who are there. Seconds: LiveKit is slow to let it in, or the way for sound (UDP) " +
            "is found only after others were tried; see `aether doctor`.",
          unit: "s",
          width: 8,
          queries: { p50: percentile(0.5, "voice_room_join_seconds"), p95: percentile(0.95, "voice_room_join_seconds") },
        }),
        bars({
          title: "Interruptions",
          description: "Answers that somebody stopped by speaking, within the window. All from one process: listen in one of its rooms.",
          width: 8,
          stacked: false,
          queries: { "{{instance}}": count("voice_interruption_count_total", { by: ["instance"] }) },
        }),
        lines({
          title: "Frames dropped",
          description:
            "Frames of 10 ms of what people said that a lane could not take in time, within the window. Any: words may be missing, the " +
            "agent does not get enough processor.",
          unit: "short",
          width: 8,
          limit: 100,
          queries: { "{{instance}}": count("voice_lane_dropped_frames_total", { by: ["instance"] }) },
        }),
        lines({
          title: "Client events dropped",
          description:
            "Captions, states and numbers that nobody took in time, within the window. Any: pages show less than was said; the bus or " +
            "LiveKit's data channel is slow.",
          unit: "short",
          width: 8,
          limit: 10,
          queries: { "{{instance}}": count("voice_dropped_client_events_total", { by: ["instance"] }) },
        }),
        lines({
          title: "Syntheses in progress",
          description: "Texts that a tts process is speaking. Much more than there are rooms: it is slower than speech, see the page Engines.",
          unit: "short",
          width: 8,
          queries: { "{{instance}}": "sum by (instance) (voice_synthesis_active)" },
        }),
      ],
    },
    {
      title: "The gateway",
      panels: [
        lines({
          title: "Requests",
          description: "A second, by how they ended. `4xx`: asked wrongly or without a key. `5xx`: a part is away, or a defect; see the log.",
          unit: "ops",
          width: 8,
          queries: { "{{status}}": rate("http_server_request_duration_seconds_count", { by: ["status"] }) },
        }),
        bars({
          title: "Requests that failed",
          description: "Within the window, by route. One route alone: the service behind it, see the page Bus. All: a store, see the parts above.",
          width: 8,
          queries: {
            "{{http_route}}": count("http_server_request_duration_seconds_count", { of: '{status="5xx"}', by: ["http_route"] }),
          },
        }),
        lines({
          title: "Until an answer begins, p95",
          description:
            "By route. Answers of the agent begin with their first token unless they are asked for as a whole. Others take milliseconds; grown " +
            "for all: Postgres, or the gateway's processor.",
          unit: "s",
          width: 8,
          exemplars: true,
          queries: { "{{http_route}}": percentile(0.95, "http_server_request_duration_seconds", { by: ["http_route"] }) },
        }),
        lines({
          title: "Open WebSockets",
          description: "Pages and programs that are told what happens. Suddenly none: the gateway was restarted, or its proxy closes what is idle.",
          unit: "short",
          width: 8,
          queries: { "{{instance}}": "sum by (instance) (aether_websockets_open)" },
        }),
      ],
    },
  ],
};
