import { useCallback, useEffect, useMemo, useState, type ReactNode } from "react";
import {
  RoomAudioRenderer,
  RoomContext,
  useConnectionState,
  useLocalParticipant,
  useMediaDeviceSelect,
  useTranscriptions,
} from "@livekit/components-react";
import { ConnectionState, RoomEvent, type LocalAudioTrack, type Room } from "livekit-client";

import { slowest } from "../conversation/conversation";
import type { Gateway } from "../gateway/gateway";
import { RoomView, type Notice } from "./room-view";
import type { CallControl } from "./use-call";
import { useControls } from "./use-controls";
import { usePresence } from "./use-presence";

type Props = { gateway: Gateway; control: CallControl; room: Room; showPast: () => void; bell: ReactNode };

/** In the room: joins what LiveKit, the agent and the gateway know into what is seen. */
export function RoomScreen(props: Props) {
  return (
    <RoomContext.Provider value={props.room}>
      <Inside {...props} />
    </RoomContext.Provider>
  );
}

/** LiveKit's topic for what people write to an agent. */
const CHAT_TOPIC = "lk.chat";

function Inside({ gateway, control, room, showPast, bell }: Props) {
  const { call, conversation, tell, join, leave, setMicrophone, chooseMicrophone } = control;
  const onLeft = useCallback(() => {
    tell({ kind: "agentLeft" });
  }, [tell]);
  const presence = usePresence(onLeft);
  const isHere = presence.state !== "coming" && presence.state !== "away";
  const controls = useControls(gateway, call.roomName, isHere, tell);
  const captions = useTranscriptions();
  const connection = useConnectionState(room);
  const { localParticipant, isMicrophoneEnabled, microphoneTrack } = useLocalParticipant();
  const { devices, activeDeviceId } = useMediaDeviceSelect({ kind: "audioinput", room });
  const sound = useSound(room);

  useEffect(() => {
    const timer = setInterval(() => {
      tell({ kind: "tick", now: Date.now() });
    }, 5_000);
    return () => {
      clearInterval(timer);
    };
  }, [tell]);

  const write = useCallback(
    async (text: string) => {
      tell({ kind: "typed", speaker: localParticipant.identity, text, now: Date.now() });
      try {
        await localParticipant.sendText(text, { topic: CHAT_TOPIC });
        return true;
      } catch {
        tell({ kind: "unsent", text });
        return false;
      }
    },
    [localParticipant, tell],
  );

  const notices = useMemo(() => {
    const found: Notice[] = [];
    if (call.phase === "lost") {
      const again = () => void join(call.roomName, localParticipant.name ?? "");
      found.push({ text: call.problem ?? "", mood: "bad", action: { label: "Join again", run: again } });
      return found;
    }
    if (connection === ConnectionState.Reconnecting || connection === ConnectionState.SignalReconnecting) {
      found.push({ text: "Reconnecting…", mood: "calm" });
    } else if (presence.absence !== undefined) {
      found.push({ text: presence.absence, mood: "calm" });
    }
    if (sound.isBlocked) {
      const action = { label: "Turn on sound", run: sound.start };
      found.push({ text: "The browser holds the agent's voice back.", mood: "bad", action });
    }
    if (call.microphoneProblem !== undefined) found.push({ text: call.microphoneProblem, mood: "bad" });
    if (controls.problem !== undefined) found.push({ text: controls.problem, mood: "bad" });
    for (const sentence of conversation.troubles.values()) found.push({ text: sentence, mood: "calm" });
    return found;
  }, [call, connection, controls.problem, conversation.troubles, join, localParticipant, presence.absence, sound]);

  return (
    <>
      <RoomView
        roomName={call.roomName}
        isConnected={call.phase === "inside"}
        agentState={presence.state}
        livekit={{ state: presence.livekitState, captions: captions.length }}
        voice={presence.voice}
        entries={conversation.entries}
        slowest={slowest(conversation)}
        self={localParticipant.identity}
        notices={notices}
        microphone={{
          isOn: isMicrophoneEnabled,
          track: microphoneTrack?.track as LocalAudioTrack | undefined,
          devices,
          chosen: activeDeviceId,
          set: (on) => void setMicrophone(on),
          choose: (id) => void chooseMicrophone(id),
        }}
        voiceMuted={conversation.voiceMuted}
        muteVoice={controls.muteVoice}
        offTheRecord={conversation.offTheRecord}
        goOffTheRecord={controls.goOffTheRecord}
        interrupt={controls.interrupt}
        write={write}
        showPast={showPast}
        bell={bell}
        leave={() => void leave()}
      />
      <RoomAudioRenderer volume={conversation.voiceMuted ? 0 : 1} />
    </>
  );
}

/** Some browsers play nothing before somebody has touched the page. */
function useSound(room: Room) {
  const [isBlocked, setIsBlocked] = useState(!room.canPlaybackAudio);
  useEffect(() => {
    const look = () => {
      setIsBlocked(!room.canPlaybackAudio);
    };
    room.on(RoomEvent.AudioPlaybackStatusChanged, look);
    return () => {
      room.off(RoomEvent.AudioPlaybackStatusChanged, look);
    };
  }, [room]);
  return useMemo(() => ({ isBlocked, start: () => void room.startAudio() }), [isBlocked, room]);
}
