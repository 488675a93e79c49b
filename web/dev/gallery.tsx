/** The room in each of its states, without a room: for looking at, and for pictures. `?state=` names one. */

import { createRoot } from "react-dom/client";

import type { ClientEvent, TurnMetrics } from "../src/conversation/client-event";
import { next, NOTHING_SAID, slowest, type Conversation } from "../src/conversation/conversation";
import { BellButton } from "../src/inbox/bell-button";
import { Toasts } from "../src/inbox/toasts";
import { readNotification } from "../src/notifications/notification";
import { RoomView, type Notice } from "../src/room/room-view";
import type { AgentState } from "../src/room/use-presence";
import "../src/style/index.css";

const SELF = "ada-1";

function tell(conversation: Conversation, ...events: ClientEvent[]): Conversation {
  return events.reduce((so, event) => next(so, { kind: "told", event, now: Date.now() }), conversation);
}

const said = (text: string, final = true, speaker = SELF, speakerName = "Ada", modality = "voice"): ClientEvent => ({
  transcript: { speaker, text, final, speakerName, modality },
});
const answer = (turnId: string, text: string): ClientEvent => ({ turnId, textChunk: { text } });
const end = (turnId: string, reason = "completed"): ClientEvent => ({ turnId, streamEnd: { reason } });
const metrics = (turnId: string, turnMetrics: TurnMetrics): ClientEvent => ({ turnId, turnMetrics });

const QUICK = { endpointMs: 512, sttMs: 40, llmFirstTokenMs: 180, llmFirstChunkMs: 120, ttsFirstAudioMs: 64, totalMs: 934 };
const SLOW = { endpointMs: 506, sttMs: 210, llmFirstTokenMs: 720, llmFirstChunkMs: 340, ttsFirstAudioMs: 160, totalMs: 1985 };

const begun = tell(
  NOTHING_SAID,
  answer("0", "Hello, Ada! How can I help you?"),
  end("0"),
  said("What time is it in Lisbon right now?"),
  { status: { code: "looking", message: "Let me look." } },
  { toolResult: { name: "current_time", ok: true, summary: "Saturday, 21 November, 08:28 in Lisbon" } },
  answer("1", "It is almost half past eight in the morning in Lisbon, the same as here."),
  metrics("1", QUICK),
  end("1"),
);

const interrupted = tell(
  begun,
  said("What could I cook tonight?"),
  answer(
    "2",
    "You could make a simple risotto. Warm the stock, soften an onion in butter, and stir the rice in. Then add the stock one ladle at a time for about eighteen minutes.",
  ),
  { turnId: "2", interrupted: { heardText: "You could make a simple risotto." } },
  metrics("2", SLOW),
  end("2", "interrupted"),
  said("Something without rice, please.", true, SELF, "Ada", "text"),
  answer("3", "Then a tomato soup with roasted bread: twenty minutes, and most of it by itself."),
);

const many = tell(
  interrupted,
  end("3"),
  said("Is there soup for me too?", true, "ben-4", "Ben"),
  answer("4", "There is enough for two, Ben."),
  metrics("4", QUICK),
  end("4"),
  { status: { code: "off_the_record", message: "" } },
  said("Good. Don't tell anybody, but I never", false),
);

type State = { conversation: Conversation; agent: AgentState; notices?: Notice[]; voiceMuted?: boolean; microphone?: boolean };

const STATES: Record<string, State> = {
  empty: { conversation: NOTHING_SAID, agent: "coming" },
  partial: { conversation: tell(begun, said("And what could I", false)), agent: "listening" },
  thinking: { conversation: tell(begun, said("And what could I cook tonight?")), agent: "thinking" },
  interrupted: { conversation: interrupted, agent: "speaking" },
  record: { conversation: many, agent: "listening", voiceMuted: true },
  told: { conversation: begun, agent: "listening" },
  troubles: {
    conversation: interrupted,
    agent: "away",
    microphone: false,
    notices: [
      { text: "The agent is away for a moment. It is being called back.", mood: "calm" },
      {
        text: "The browser may not use the microphone. Allow it beside the address bar, then switch the microphone on. You can still type.",
        mood: "bad",
      },
      { text: "The browser holds the agent's voice back.", mood: "bad", action: { label: "Turn on sound", run: () => undefined } },
    ],
  },
};

const toasts = [
  { notification_id: "1", title: "The build of main failed", text: "3 of 412 tests fail.", url: "https://ci.example.org", urgency: "urgent" },
  { notification_id: "2", title: "A package arrives between 14:00 and 16:00", text: "" },
  {
    notification_id: "3",
    title: "A_title_without_a_single_space_that_is_much_longer_than_any_phone_is_wide_0123456789_0123456789",
    text: "And with words below it that need more than the two lines that there is room for, so that they end before their end.",
  },
]
  .map(readNotification)
  .filter((notification) => notification !== undefined);

const name = new URLSearchParams(location.search).get("state") ?? "interrupted";
const state = STATES[name] ?? { conversation: NOTHING_SAID, agent: "coming" };
const nothing = () => undefined;
const page = document.getElementById("page");
if (page) {
  createRoot(page).render(
    <>
      <RoomView
        roomName="home"
        isConnected
        agentState={state.agent}
        livekit={{ state: state.agent, captions: 0 }}
        voice={undefined}
        entries={state.conversation.entries}
        slowest={slowest(state.conversation)}
        self={SELF}
        notices={state.notices ?? []}
        microphone={{
          isOn: state.microphone ?? true,
          track: undefined,
          devices: [{ deviceId: "default", label: "Default microphone", groupId: "", kind: "audioinput", toJSON: nothing }],
          chosen: "default",
          set: nothing,
          choose: nothing,
        }}
        voiceMuted={state.voiceMuted ?? false}
        muteVoice={nothing}
        offTheRecord={state.conversation.offTheRecord}
        goOffTheRecord={nothing}
        interrupt={nothing}
        write={() => Promise.resolve(true)}
        showPast={nothing}
        bell={<BellButton count={name === "record" || name === "told" ? "12" : ""} open={nothing} />}
        leave={nothing}
      />
      <Toasts toasts={name === "told" ? toasts : []} answer={nothing} fade={nothing} />
    </>,
  );
}
