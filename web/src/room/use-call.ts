/**
 * Being in a room: from the press of Talk to leaving it, whether that was wished or not.
 *
 * The microphone is opened at Talk and not before. Without one the room is joined all the same, to type. What the agent tells
 * is taken from the first packet on, so the listener stands before the connection does.
 */

import { useCallback, useEffect, useReducer, useRef, useState } from "react";
import { createLocalAudioTrack, Room, RoomEvent, Track, type LocalAudioTrack } from "livekit-client";

import { EVENTS_TOPIC, readEvent } from "../conversation/client-event";
import { next, NOTHING_SAID, type Conversation, type Happening } from "../conversation/conversation";
import { GatewayError, type Gateway } from "../gateway/gateway";
import { disconnectProblem, INSECURE, microphoneProblem } from "./problems";

export type Call = {
  readonly phase: "outside" | "joining" | "inside" | "lost";
  readonly room: Room | undefined;
  readonly roomName: string;
  /** Why the room could not be joined, or was lost. */
  readonly problem: string | undefined;
  /** Why nothing is heard of this person. */
  readonly microphoneProblem: string | undefined;
};

const OUTSIDE: Call = {
  phase: "outside",
  room: undefined,
  roomName: "",
  problem: undefined,
  microphoneProblem: undefined,
};

/** What voices need; browsers do it well. */
const CAPTURE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true } as const;
const CHOSEN_MICROPHONE = "aether.microphone";

export type CallControl = {
  readonly call: Call;
  readonly conversation: Conversation;
  readonly tell: (happening: Happening) => void;
  readonly join: (roomName: string, name: string) => Promise<void>;
  readonly leave: () => Promise<void>;
  readonly setMicrophone: (on: boolean) => Promise<void>;
  readonly chooseMicrophone: (id: string) => Promise<void>;
};

export function useCall(gateway: Gateway): CallControl {
  const [call, setCall] = useState<Call>(OUTSIDE);
  const [conversation, tell] = useReducer(next, NOTHING_SAID);
  const joined = useRef<Room | undefined>(undefined);

  const join = useCallback(
    async (roomName: string, name: string) => {
      const room = new Room({ audioCaptureDefaults: CAPTURE, disconnectOnPageLeave: true });
      joined.current = room;
      const isCurrent = () => joined.current === room;
      setCall({ ...OUTSIDE, phase: "joining", roomName });

      room.on(RoomEvent.DataReceived, (packet, participant, _kind, topic) => {
        // Others in the room may send what they like; only the agent's word counts.
        if (topic !== EVENTS_TOPIC || !isCurrent() || participant?.isAgent === false) return;
        const event = readEvent(packet);
        if (event) tell({ kind: "told", event, now: Date.now() });
      });
      room.on(RoomEvent.Disconnected, (reason) => {
        const problem = disconnectProblem(reason);
        if (isCurrent() && problem !== undefined) setCall((before) => ({ ...before, phase: "lost", problem }));
      });

      // The browser asks for the microphone while the gateway makes the room.
      const [ticket, opened] = await Promise.allSettled([gateway.ticket(roomName, name), openMicrophone()]);
      const microphone = opened.status === "fulfilled" ? opened.value : undefined;
      const givenUp = (problem: string | undefined) => {
        microphone?.stop();
        void room.disconnect();
        if (isCurrent()) setCall({ ...OUTSIDE, problem });
      };
      if (ticket.status === "rejected") {
        givenUp(sentenceOf(ticket.reason));
        return;
      }
      const { server_url: server, participant_token: token, room_name: given } = ticket.value;
      try {
        await room.connect(server, token);
      } catch {
        givenUp(`The room server (LiveKit) can't be reached at ${server}. Is it running, and reachable from here?`);
        return;
      }
      if (!isCurrent()) {
        givenUp(undefined);
        return;
      }
      tell({ kind: "begin" });
      setCall({
        phase: "inside",
        room,
        roomName: given,
        problem: undefined,
        microphoneProblem: opened.status === "rejected" ? sentenceOf(opened.reason) : undefined,
      });
      if (microphone) {
        try {
          await room.localParticipant.publishTrack(microphone, { source: Track.Source.Microphone });
        } catch {
          setCall((before) => ({ ...before, microphoneProblem: "Your microphone did not reach the room. Switch it on again." }));
        }
      }
    },
    [gateway],
  );

  const leave = useCallback(async () => {
    const room = joined.current;
    joined.current = undefined;
    setCall(OUTSIDE);
    await room?.disconnect();
  }, []);

  const setMicrophone = useCallback(async (on: boolean) => {
    const room = joined.current;
    if (!room) return;
    try {
      if (on && !window.isSecureContext) throw new MicrophoneError(INSECURE);
      await room.localParticipant.setMicrophoneEnabled(on, CAPTURE);
      setCall((before) => ({ ...before, microphoneProblem: undefined }));
    } catch (error) {
      const problem = error instanceof MicrophoneError ? error.message : microphoneProblem(error);
      setCall((before) => ({ ...before, microphoneProblem: problem }));
    }
  }, []);

  const chooseMicrophone = useCallback(async (id: string) => {
    try {
      await joined.current?.switchActiveDevice("audioinput", id);
      localStorage.setItem(CHOSEN_MICROPHONE, id);
      setCall((before) => ({ ...before, microphoneProblem: undefined }));
    } catch (error) {
      setCall((before) => ({ ...before, microphoneProblem: microphoneProblem(error) }));
    }
  }, []);

  // Whoever closes the page has left.
  useEffect(
    () => () => {
      void joined.current?.disconnect();
    },
    [],
  );

  return { call, conversation, tell, join, leave, setMicrophone, chooseMicrophone };
}

class MicrophoneError extends Error {}

async function openMicrophone(): Promise<LocalAudioTrack> {
  if (!window.isSecureContext) throw new MicrophoneError(INSECURE);
  const chosen = localStorage.getItem(CHOSEN_MICROPHONE);
  try {
    return await createLocalAudioTrack({ ...CAPTURE, ...(chosen === null ? {} : { deviceId: { ideal: chosen } }) });
  } catch (error) {
    throw new MicrophoneError(microphoneProblem(error));
  }
}

function sentenceOf(reason: unknown): string {
  if (reason instanceof GatewayError && reason.trouble === "forbidden") {
    return "This link does not allow talking.";
  }
  return reason instanceof Error ? reason.message : String(reason);
}
