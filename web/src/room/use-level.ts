/** How loud a track is, written to a CSS variable so that nothing is rendered anew sixty times a second. */

import { useEffect, useRef, type RefObject } from "react";
import { createAudioAnalyser, TrackEvent, type LocalAudioTrack, type RemoteAudioTrack } from "livekit-client";

/** Sets `--level`, 0 to 1, on the element while the track lives. */
export function useLevel<E extends HTMLElement>(track: LocalAudioTrack | RemoteAudioTrack | undefined): RefObject<E | null> {
  const element = useRef<E>(null);
  useEffect(() => {
    if (!track) return;
    let stop = listen(track, element);
    const again = () => {
      stop();
      stop = listen(track, element);
    };
    // Another microphone was chosen.
    track.on(TrackEvent.Restarted, again);
    return () => {
      track.off(TrackEvent.Restarted, again);
      stop();
    };
  }, [track]);
  return element;
}

function listen(track: LocalAudioTrack | RemoteAudioTrack, element: RefObject<HTMLElement | null>): () => void {
  const { analyser, cleanup } = createAudioAnalyser(track, { fftSize: 1024, smoothingTimeConstant: 0 });
  const samples = new Float32Array(analyser.fftSize);
  let shown = 0;
  let frame = requestAnimationFrame(function measure() {
    analyser.getFloatTimeDomainData(samples);
    const level = levelOf(samples);
    // Up at once, down gently.
    shown = Math.max(level, shown * 0.86);
    element.current?.style.setProperty("--level", shown.toFixed(3));
    frame = requestAnimationFrame(measure);
  });
  return () => {
    cancelAnimationFrame(frame);
    element.current?.style.setProperty("--level", "0");
    void cleanup();
  };
}

/** Loudness as people hear it: −60 dB is nothing, −12 dB is full. */
export function levelOf(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const decibels = 10 * Math.log10(sum / Math.max(samples.length, 1) + 1e-12);
  return Math.min(1, Math.max(0, (decibels + 60) / 48));
}
