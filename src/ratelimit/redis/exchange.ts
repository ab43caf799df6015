/** Turns an admission into the script's keys and arguments, and the script's reply into a result. Pure. */
import { hexHash } from '../../lib/stable-hash.js';
import type { QuotaWindow, WindowAt } from '../calendar.js';
import { StoreUnavailableError } from '../errors.js';
import { rateState, type RateTerms, rateTerms } from '../gcra.js';
import type { Admission, AdmissionResult } from '../store.js';

export interface ScriptCall {
  readonly keys: readonly string[];
  readonly args: readonly string[];
  readonly terms: readonly RateTerms[];
  /** `undefined` for Total. */
  readonly windows: readonly (QuotaWindow | undefined)[];
}

export type ScriptReply =
  /** The windows of the call do not hold the server's time; compute them again from it. */
  | { readonly stale: true; readonly serverMs: number }
  | { readonly stale: false; readonly serverMs: number; readonly result: AdmissionResult };

const OUTCOMES = ['admitted', 'replayed', 'rate_limited', 'quota_exceeded'] as const;
const STALE = 4;

/**
 * The call that decides `admission`, with the windows that hold `serverMs`. Key names:
 * `countersign:{subject}:n:<marker>`, `:r:<counter>`, `:q:<counter>:<window>`.
 */
export function encodeCall(admission: Admission, serverMs: number, windowAt: WindowAt): ScriptCall {
  const { replay, rates, quotas } = admission;
  const terms = rates.map(rateTerms);
  const windows = quotas.map(({ period, timeZone }) =>
    period === 'Total' ? undefined : windowAt(period, timeZone, serverMs),
  );
  const keys = [
    ...(replay ? [keyOf(admission.subject, 'n', replay.marker)] : []),
    ...rates.map(({ subject, counter }) => rateKey(subject ?? admission.subject, counter)),
    ...quotas.map(({ subject, counter }, i) => quotaKey(subject ?? admission.subject, counter, windows[i])),
  ];
  const args = [
    ...[rates.length, quotas.length, replay ? Math.max(1, Math.ceil(replay.ttlMs)) : 0, admission.token],
    ...terms.flatMap((term, i) => [
      term.burst,
      term.ticksPerToken,
      term.tokensPerMicrosecond,
      term.restTicks,
      flag(rates[i]?.shadow),
    ]),
    ...quotas.flatMap(({ limit, shadow }, i) => [
      quotaLimit(limit),
      windows[i]?.startMs ?? 0,
      windows[i]?.endMs ?? 0,
      flag(shadow),
    ]),
  ].map(String);
  return { keys, args, terms, windows };
}

/**
 * @throws StoreUnavailableError when the reply is not one of the script's: unknown means denied.
 */
export function decodeReply(reply: unknown, admission: Admission, call: ScriptCall): ScriptReply {
  const { rates, quotas } = admission;
  const values = Array.isArray(reply) ? reply.map(Number) : [];
  const [code = NaN, serverMs = NaN] = values;
  if (code === STALE && values.length === 2) return { stale: true, serverMs };
  const outcome = OUTCOMES[code];
  const expected = outcome === 'replayed' ? 2 : 2 + rates.length * 3 + quotas.length * 2;
  if (outcome === undefined || values.length !== expected || !values.every(Number.isSafeInteger)) {
    throw new StoreUnavailableError('Redis sent a reply that the script does not give');
  }
  if (outcome === 'replayed') return { stale: false, serverMs, result: { outcome, rates: [], quotas: [] } };
  const value = (at: number): number => values[at] ?? NaN;
  const firstQuota = 2 + rates.length * 3;
  return {
    stale: false,
    serverMs,
    result: {
      outcome,
      rates: rates.map((charge, i) => {
        const at = 2 + i * 3;
        return rateState(
          { tokens: value(at), ticks: value(at + 1) },
          charge,
          call.terms[i] ?? rateTerms(charge),
          value(at + 2) === 1,
        );
      }),
      quotas: quotas.map(({ limit }, i) => {
        const at = firstQuota + i * 2;
        const window = call.windows[i];
        return {
          used: value(at),
          limit,
          resetMs: window && Math.max(0, window.endMs - serverMs),
          exceeded: value(at + 1) === 1,
        };
      }),
    },
  };
}

const keyOf = (subject: string, kind: 'n' | 'r' | 'q', name: string): string =>
  `countersign:{${tagOf(subject)}}:${kind}:${hashed(name)}`;

export const rateKey = (subject: string, counter: string): string => keyOf(subject, 'r', counter);

/** @param window `undefined` for Total. */
export const quotaKey = (subject: string, counter: string, window: QuotaWindow | undefined): string =>
  `${keyOf(subject, 'q', counter)}:${window?.windowId ?? 'Total'}`;

const flag = (on: boolean | undefined): 0 | 1 => (on === true ? 1 : 0);

/** A limit that is no number admits nothing. */
const quotaLimit = (limit: number): number => (Number.isFinite(limit) ? Math.max(0, Math.floor(limit)) : 0);

/** Names arrive as hashes already; whatever else arrives becomes one, so no user text reaches Redis. */
function hashed(text: string): string {
  return /^[0-9a-f]{16,64}$/.test(text) ? text : hexHash(text, 32);
}

/** The `{tag}` of a subject's keys, which decides the slot in a cluster. */
export const tagOf = hashed;
