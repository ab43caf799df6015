/** Shares the event loop: the authorizer answers requests on the thread that reads manifests. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Far below what a caller would notice, far above what a turn costs. */
const SLICE_MS = 10;

/** To be called between steps of long work: a promise to await once a slice of time is used up, else nothing. */
export type TimeSlices = () => Promise<void> | undefined;

export function timeSlices(): TimeSlices {
  let startedMs = performance.now();
  return () => {
    if (performance.now() - startedMs < SLICE_MS) return undefined;
    return nextTurn().then(() => {
      startedMs = performance.now();
    });
  };
}
