/** Tells in the log, and to whoever asks why a start waits, what ended a watch; not again and again while it lasts. */
import { API_GROUP } from '../../api/types.js';
import type { Clock } from '../../lib/clock.js';
import type { WatchIncident } from '../../provider/kubernetes/reflector.js';
import type { Logger } from '../../telemetry/logger.js';

export interface WatchIncidents {
  tell(incident: WatchIncident): void;
  /** The same list, with what is in the way of each where it is known. */
  explain(missing: readonly string[]): string[];
}

/** A watch is tried every few seconds; once a minute is enough for a reader. */
const QUIET_MS = 60_000;

interface Told {
  readonly text: string;
  readonly atMs: number;
  readonly why: string;
}

export function createWatchIncidents({ log, clock }: { readonly log: Logger; readonly clock: Clock }): WatchIncidents {
  /** By what is watched, in the words of `KubernetesProvider.missing`. */
  const told = new Map<string, Told>();
  return {
    tell(incident) {
      const { type, namespace, cause, relist } = incident;
      const watched = namespace === undefined ? type.kind : `${type.kind} in ${namespace}`;
      const why = reasonOf(incident);
      const text = `watch of ${watched} ended (${cause}: ${why}); ${relist ? 'listing again' : 'going on'}`;
      const before = told.get(watched);
      const nowMs = clock();
      if (before?.text === text && nowMs - before.atMs < QUIET_MS) return;
      told.set(watched, { text, atMs: nowMs, why });
      log[cause === 'Refused' ? 'warn' : 'info'](text);
    },
    explain: (missing) =>
      missing.map((each) => {
        const why = told.get(each)?.why;
        return why === undefined ? each : `${each} (${why})`;
      }),
  };
}

/** The server answers 404 to a list only when it does not know the kind. */
function reasonOf({ type, cause, message }: WatchIncident): string {
  if (cause === 'Refused' && type.group === API_GROUP && / 404 /.test(message))
    return `the API server has no ${type.plural}.${type.group}: install the CRDs`;
  return message;
}
