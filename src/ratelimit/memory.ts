/**
 * The counter store of one process: standalone use, and the local side of the failure policies. Same rules
 * as the Redis script. Nothing is awaited between reading and writing, which makes a decision atomic.
 */
import type { Clock } from '../lib/clock.js';
import { QUOTA_GRACE_MS, windowAt, type WindowAt } from './calendar.js';
import { StoreUnavailableError } from './errors.js';
import { type Debt, drain, hasToken, inTicks, NO_DEBT, rateState, rateTerms } from './gcra.js';
import type { Admission, AdmissionResult, CounterStore, QuotaCharge, QuotaState, RateCharge } from './store.js';

export interface MemoryStoreOptions {
  readonly clock: Clock;
  /** Markers and counters held at most. When full of live ones, what would need another is refused: a dropped marker could be replayed. */
  readonly maxEntries?: number;
  readonly windowAt?: WindowAt;
}

export interface MemoryStore extends CounterStore {
  /** True when another request holds the marker of `admission`. Changes nothing. */
  replayed(admission: Admission): boolean;
  /** Markers and counters held now. */
  readonly size: number;
}

type Entry = { expiresMs: number } & (
  | { readonly kind: 'marker'; readonly token: string }
  | { readonly kind: 'rate'; debt: Debt; ticksPerToken: number; atMicros: number }
  | { readonly kind: 'quota'; used: number }
);

const DEFAULT_MAX_ENTRIES = 1_000_000;
/** Entries looked at per decision: more than a decision can add, so garbage cannot outgrow the sweep. */
const SWEEP_STEPS_PER_CHARGE = 4;
/** Bounded too: a full store must not make every request walk through it. */
const SWEEP_STEPS_WHEN_FULL = 1000;

/** A store that keeps everything in this process. */
export function createMemoryStore({
  clock,
  maxEntries = DEFAULT_MAX_ENTRIES,
  windowAt: windows = windowAt,
}: MemoryStoreOptions): MemoryStore {
  const entries = new Map<string, Entry>();
  let sweeper = entries.entries();

  function sweep(steps: number, nowMs: number): void {
    for (let step = 0; step < steps; step++) {
      const next = sweeper.next();
      if (next.done === true) {
        sweeper = entries.entries();
        return;
      }
      const [name, entry] = next.value;
      if (entry.expiresMs <= nowMs) entries.delete(name);
    }
  }

  function live<K extends Entry['kind']>(
    kind: K,
    name: string,
    nowMs: number,
  ): Extract<Entry, { kind: K }> | undefined {
    const entry = entries.get(name);
    return entry?.kind === kind && entry.expiresMs > nowMs ? (entry as Extract<Entry, { kind: K }>) : undefined;
  }

  function readRate(admission: Admission, charge: RateCharge, nowMs: number) {
    const name = `r:${charge.subject ?? admission.subject}:${charge.counter}`;
    const terms = rateTerms(charge);
    const entry = live('rate', name, nowMs);
    // A clock that was set back: without this, nothing would drain until it catches up.
    if (entry !== undefined) entry.atMicros = Math.min(entry.atMicros, nowMs * 1000);
    const debt =
      entry === undefined
        ? NO_DEBT
        : drain(inTicks(entry.debt, entry.ticksPerToken, terms), terms, nowMs * 1000 - entry.atMicros);
    return { name, charge, terms, debt, exceeded: !hasToken(debt, terms) };
  }

  function readQuota(admission: Admission, charge: QuotaCharge, nowMs: number) {
    const window = charge.period === 'Total' ? undefined : windows(charge.period, charge.timeZone, nowMs);
    const name = `q:${charge.subject ?? admission.subject}:${charge.counter}:${window?.windowId ?? 'Total'}`;
    const used = live('quota', name, nowMs)?.used ?? 0;
    return { name, charge, window, used, exceeded: !(used < charge.limit) };
  }

  function admit(admission: Admission): AdmissionResult {
    const nowMs = clock();
    const { replay, token } = admission;
    sweep(SWEEP_STEPS_PER_CHARGE * (1 + admission.rates.length + admission.quotas.length), nowMs);

    const markerName = replay && markerNameOf(admission);
    const marker = markerName === undefined ? undefined : live('marker', markerName, nowMs);
    if (marker !== undefined && marker.token !== token) return { outcome: 'replayed', rates: [], quotas: [] };
    const counted = marker !== undefined;

    const rates = admission.rates.map((charge) => readRate(admission, charge, nowMs));
    const quotas = admission.quotas.map((charge) => readQuota(admission, charge, nowMs));
    let outcome: AdmissionResult['outcome'] = 'admitted';
    if (!counted) {
      if (quotas.some(({ charge, exceeded }) => exceeded && !charge.shadow)) outcome = 'quota_exceeded';
      if (rates.some(({ charge, exceeded }) => exceeded && !charge.shadow)) outcome = 'rate_limited';
    }
    const charging = outcome === 'admitted' && !counted;
    if (charging) {
      makeRoom(
        [
          ...(markerName === undefined ? [] : [markerName]),
          ...rates.map(({ name }) => name),
          ...quotas.map(({ name }) => name),
        ],
        nowMs,
      );
      if (replay && markerName !== undefined)
        entries.set(markerName, { kind: 'marker', token, expiresMs: nowMs + replay.ttlMs });
    }
    return {
      outcome,
      rates: rates.map(({ name, charge, terms, debt: before, exceeded }) => {
        const spend = charging && !exceeded;
        const debt = spend ? { tokens: before.tokens + 1, ticks: before.ticks } : before;
        const state = rateState(debt, charge, terms, exceeded && !counted);
        if (spend)
          entries.set(name, {
            kind: 'rate',
            debt,
            ticksPerToken: terms.ticksPerToken,
            atMicros: nowMs * 1000,
            expiresMs: nowMs + state.resetMs,
          });
        return state;
      }),
      quotas: quotas.map(({ name, charge, window, used: before, exceeded }): QuotaState => {
        const used = charging ? before + 1 : before;
        if (charging)
          entries.set(name, { kind: 'quota', used, expiresMs: window ? window.endMs + QUOTA_GRACE_MS : Infinity });
        return { used, limit: charge.limit, resetMs: window && window.endMs - nowMs, exceeded: exceeded && !counted };
      }),
    };
  }

  function makeRoom(names: readonly string[], nowMs: number): void {
    const added = names.filter((name) => !entries.has(name)).length;
    if (entries.size + added <= maxEntries) return;
    sweep(SWEEP_STEPS_WHEN_FULL, nowMs);
    if (entries.size + added > maxEntries)
      throw new StoreUnavailableError(`the memory store holds ${entries.size} live entries, its maximum`);
  }

  return {
    mode: 'Memory',
    admit: async (admission) => admit(admission),
    replayed(admission) {
      const marker = admission.replay && live('marker', markerNameOf(admission), clock());
      return marker !== undefined && marker.token !== admission.token;
    },
    get size() {
      return entries.size;
    },
    health: () => ({ healthy: true, message: 'in memory' }),
    close: async () => entries.clear(),
  };
}

const markerNameOf = ({ subject, replay }: Admission): string => `n:${subject}:${replay?.marker}`;
