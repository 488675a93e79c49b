// What is asked of Prometheus again and again. A quotient or a percentile of nothing is no number; `>= 0` leaves it out.

/** A percentile of a histogram over the window that was chosen, of all that `by` tells apart. */
export function percentile(quantile: number, histogram: string, { of = "", by = [] as string[] } = {}): string {
  return `histogram_quantile(${quantile}, sum by (${["le", ...by].join(", ")}) (rate(${histogram}_bucket${of}[$window]))) >= 0`;
}

/** The mean of a histogram. */
export function mean(histogram: string, of = ""): string {
  return `sum(rate(${histogram}_sum${of}[$window])) / sum(rate(${histogram}_count${of}[$window])) >= 0`;
}

/** How many a second. */
export function rate(counter: string, { of = "", by = [] as string[] } = {}): string {
  return `sum by (${by.join(", ")}) (rate(${counter}${of}[$window]))`;
}

/** How many within the window, whole: Prometheus reckons an increase up to the edges of the window. */
export function count(counter: string, { of = "", by = [] as string[] } = {}): string {
  return `round(sum by (${by.join(", ")}) (increase(${counter}${of}[$window])))`;
}

/** The same of what happened at all: with many labels, most of what may happen does not. */
export function happened(counter: string, { of = "", by = [] as string[] } = {}): string {
  return `${count(counter, { of, by })} > 0`;
}

/** Of two counters, what share the first is. One that never counted anything is not there yet, which is no failure to tell. */
export function share(some: string, all: string): string {
  const whole = `sum(rate(${all}[$window]))`;
  return `(sum(rate(${some}[$window])) or 0 * ${whole}) / ${whole} >= 0`;
}
