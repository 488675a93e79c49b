import type { CSSProperties } from "react";

import type { TurnMetrics } from "./client-event";
import { barLength, latencyOf, spokenDuration } from "./latency";

/** How long the first word of an answer took and on what; the parts by name on request. */
export function LatencyBar({ metrics, slowest }: { metrics: TurnMetrics; slowest: number }) {
  const latency = latencyOf(metrics);
  if (latency.totalMilliseconds === 0) return null;
  const length = barLength(latency.totalMilliseconds, slowest);
  return (
    <details className="latency">
      <summary title="From your last word to the first one of the answer">
        <span className="stages" style={{ "--length": length } as CSSProperties} aria-hidden="true">
          {latency.stages.map((stage) => (
            <span key={stage.name} data-stage={stage.name} style={{ "--share": stage.share } as CSSProperties} />
          ))}
        </span>
        <span className="total">
          <span className="visually-hidden">Answered after </span>
          {spokenDuration(latency.totalMilliseconds)}
        </span>
      </summary>
      <dl>
        {latency.stages.map((stage) => (
          <div key={stage.name}>
            <dt data-stage={stage.name}>{stage.label}</dt>
            <dd>{spokenDuration(stage.milliseconds)}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
