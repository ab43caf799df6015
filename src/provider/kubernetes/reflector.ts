/**
 * Mirrors one collection of the API server: list, then watch from the list's version, for ever. What a connection
 * lost while it was away comes with the next list; a deletion is noticed by absence.
 */
import { createBackoff } from '../../lib/backoff.js';
import { errorMessage } from '../../lib/errors.js';
import { type KubeApi, KubeApiError, type RawObject } from './kube-api.js';
import { type Pause, pause as realPause } from './pause.js';
import type { ResourceType } from './resource-types.js';

export interface ReflectorOptions {
  readonly api: KubeApi;
  readonly type: ResourceType;
  readonly namespace?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Mirrors one cluster-scoped object alone, by get and watch of its name. */
  readonly name?: string | undefined;
  /** Everything there is, after each list. */
  readonly onReplace: (items: readonly RawObject[]) => void;
  readonly onChange: (type: 'ADDED' | 'MODIFIED' | 'DELETED', object: RawObject) => void;
  readonly onIncident?: (incident: WatchIncident) => void;
  readonly random?: () => number;
  readonly pause?: Pause;
  readonly timing?: Partial<ReflectorTiming>;
  /** Objects in one page of a list. */
  readonly pageSize?: number;
}

export interface ReflectorTiming {
  /** A healthy server sends a bookmark about once a minute. */
  readonly silenceMs: number;
  /** Least time between two lists that the server answered. */
  readonly listHoldOffMs: number;
  readonly backoffInitialMs: number;
  /** Short enough that a server that comes back is noticed within 5 s. */
  readonly backoffMaxMs: number;
}

/** Why a watch ended before its time. */
export interface WatchIncident {
  readonly type: ResourceType;
  readonly namespace: string | undefined;
  /** `Expired`: the version is too old (410). `Malformed`: a line was no event. `Refused`: an HTTP status. `Broken`: the connection. */
  readonly cause: 'Expired' | 'Malformed' | 'Refused' | 'Broken';
  readonly message: string;
  /** Whether everything is listed again. */
  readonly relist: boolean;
}

export interface Reflector {
  start(): void;
  /** The first list is complete. */
  readonly hasSynced: boolean;
  /** Resolves with `hasSynced`, or with `close`; never rejects. */
  readonly synced: Promise<void>;
  /** Resolves when a list that began after this call is complete, or with `close`; never rejects. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

const DEFAULT_TIMING: ReflectorTiming = {
  silenceMs: 90_000,
  listHoldOffMs: 5000,
  backoffInitialMs: 200,
  backoffMaxMs: 3000,
};
const PAGE_SIZE = 500;
/** Random between these, so that the watches of many clients do not end together. */
const WATCH_SECONDS = { min: 300, max: 600 };

export function createReflector(options: ReflectorOptions): Reflector {
  const { api, type, namespace, fieldSelector, name, onReplace, onChange, onIncident } = options;
  const { random = Math.random, pause = realPause, pageSize = PAGE_SIZE } = options;
  const timing = { ...DEFAULT_TIMING, ...options.timing };
  const backoff = createBackoff({ initialMs: timing.backoffInitialMs, maxMs: timing.backoffMaxMs, random });
  const closing = new AbortController();
  const { signal } = closing;
  let running: Promise<void> | undefined;
  let hasSynced = false;
  let listedAtMs = Number.NEGATIVE_INFINITY;
  let resolveSynced = (): void => undefined;
  const synced = new Promise<void>((resolve) => (resolveSynced = resolve));
  /** Who waits for the next list to begin and to end. */
  let refreshing: (() => void)[] = [];
  /** Ends the present list or watch for a new list. */
  let cut = new AbortController();

  /** @returns whether to list again. */
  function report(error: unknown): boolean {
    const [cause, message] = causeOf(error);
    // Silence may be a server that lost our watch, so what it believes to have sent is not trusted.
    const relist = cause === 'Expired' || cause === 'Malformed' || isSilence(error);
    onIncident?.({ type, namespace, cause, message, relist });
    return relist;
  }

  async function list(signal: AbortSignal): Promise<string | undefined> {
    if (name !== undefined) return getOne(name, signal);
    const items: RawObject[] = [];
    let continueToken: string | undefined;
    // No resourceVersion: the answer is as new as the store, so a restart never serves what was revoked before it.
    for (;;) {
      const page = await api.list(type, { namespace, fieldSelector, limit: pageSize, continueToken, signal });
      for (const item of page.items) items.push(item);
      if (page.continueToken === undefined) {
        replaced(items);
        return page.resourceVersion;
      }
      continueToken = page.continueToken;
    }
  }

  /** The version of an object may be older than what the server can watch from, so the watch begins at its present. */
  async function getOne(objectName: string, signal: AbortSignal): Promise<undefined> {
    try {
      replaced([await api.get({ type, namespace, name: objectName }, signal)]);
    } catch (error) {
      if (!(error instanceof KubeApiError && error.status === 404)) throw error;
      replaced([]);
    }
  }

  function replaced(items: readonly RawObject[]): void {
    onReplace(items);
    hasSynced = true;
    resolveSynced();
  }

  /** Returns when the server ends the watch; `reached` is told the version to go on from. */
  async function watch(
    from: string | undefined,
    signal: AbortSignal,
    reached: (resourceVersion: string) => void,
  ): Promise<void> {
    const timeoutSeconds = Math.round(WATCH_SECONDS.min + random() * (WATCH_SECONDS.max - WATCH_SECONDS.min));
    const { silenceMs } = timing;
    const events = api.watch(type, {
      namespace,
      fieldSelector,
      name,
      resourceVersion: from,
      timeoutSeconds,
      silenceMs,
      signal,
    });
    for await (const event of events) {
      if (event.type === 'MALFORMED') throw new MalformedEvent('a line of the watch is no event');
      if (event.type === 'ERROR') throw statusError(event.object);
      const version = versionOf(event.object);
      if (version === undefined) throw new MalformedEvent('an event has no resourceVersion');
      backoff.reset();
      if (event.type !== 'BOOKMARK') onChange(event.type, event.object);
      reached(version);
    }
  }

  async function listAndWatch(): Promise<void> {
    cut = new AbortController();
    const signal = AbortSignal.any([closing.signal, cut.signal]);
    const asked = refreshing;
    if (asked.length === 0) await pause(listedAtMs + timing.listHoldOffMs - performance.now(), signal);
    refreshing = [];
    let version: string | undefined;
    try {
      version = await list(signal);
      listedAtMs = performance.now();
    } catch (error) {
      refreshing.push(...asked);
      if (signal.aborted) return;
      // The server did answer: a storm of lists is what the hold-off is for.
      if (report(error)) listedAtMs = performance.now();
      return pause(delayAfter(error), signal);
    }
    for (const resolve of asked) resolve();
    while (!signal.aborted) {
      const startedAtMs = performance.now();
      try {
        await watch(version, signal, (reached) => {
          if (name === undefined) version = reached;
        });
        // A server that ends watches at once must not be asked in a hot loop.
        if (performance.now() - startedAtMs < 1000) await pause(backoff.next(), signal);
      } catch (error) {
        if (signal.aborted) return;
        if (report(error)) return;
        await pause(delayAfter(error), signal);
      }
      // Without a version nobody tells what was deleted meanwhile.
      if (name !== undefined) return;
    }
  }

  const delayAfter = (error: unknown): number =>
    Math.max(backoff.next(), (error instanceof KubeApiError ? error.retryAfterMs : undefined) ?? 0);

  async function run(): Promise<void> {
    while (!signal.aborted) {
      try {
        await listAndWatch();
      } catch (error) {
        if (signal.aborted) return;
        if (cut.signal.aborted) continue;
        // A consumer threw: what it has is unknown, so everything is given to it again.
        report(error);
        await pause(backoff.next(), signal).catch(() => undefined);
      }
    }
  }

  return {
    start() {
      running ??= run();
    },
    get hasSynced() {
      return hasSynced;
    },
    synced,
    async refresh() {
      if (closing.signal.aborted) return;
      const done = new Promise<void>((resolve) => refreshing.push(resolve));
      cut.abort();
      await done;
    },
    async close() {
      closing.abort();
      resolveSynced();
      await running;
      for (const resolve of refreshing.splice(0)) resolve();
    },
  };
}

class MalformedEvent extends Error {}

function causeOf(error: unknown): [WatchIncident['cause'], string] {
  if (error instanceof MalformedEvent) return ['Malformed', error.message];
  if (error instanceof KubeApiError && error.status === 410) return ['Expired', error.message];
  if (error instanceof KubeApiError && error.status !== undefined) return ['Refused', error.message];
  return ['Broken', errorMessage(error)];
}

const isSilence = (error: unknown): boolean => error instanceof KubeApiError && error.silent;

/** The Status object that a watch may send in place of an event. */
function statusError(status: RawObject): KubeApiError {
  const { code, reason, message, details } = status as {
    code?: number;
    reason?: string;
    message?: string;
    details?: { retryAfterSeconds?: number };
  };
  return new KubeApiError(`the watch was ended: ${message ?? reason ?? 'no reason given'}`, {
    ...(typeof code === 'number' && { status: code }),
    reason,
    retryAfterMs: details?.retryAfterSeconds === undefined ? undefined : details.retryAfterSeconds * 1000,
  });
}

function versionOf(object: RawObject): string | undefined {
  const { resourceVersion } = (object['metadata'] ?? {}) as { resourceVersion?: unknown };
  return typeof resourceVersion === 'string' && resourceVersion !== '' ? resourceVersion : undefined;
}
