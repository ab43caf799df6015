/**
 * The phases of a check, in the only order that is safe:
 *  match      first: nothing is known about the request before its API is
 *  verify     before any counter or log may carry the key id
 *  authorize  before limits: a key without a grant must not spend another's quota
 *  limit      before signing: a refused request never gets a backend credential
 *  sign       last: it covers what the other phases decided
 *  reply      words the outcome; the only phase that every request reaches
 * Each phase is pure but the one that counts; the clock is read once, so that all phases judge one moment.
 */
import type { Clock } from '../lib/clock.js';
import type { DenyReason } from '../lib/reason.js';
import type { DialectName } from '../signature/dialect.js';
import { authorize } from './phases/authorize.js';
import type { Decision } from './decision.js';
import { limit, type LimitDependencies, type LimitObservation } from './phases/limit.js';
import { match } from './phases/match.js';
import type { Refused, Scope } from './phases/refused.js';
import { allowed, denied, internalError } from './phases/reply.js';
import type { CheckRequest } from './request.js';
import { judgeBackendKey, sign } from './phases/sign.js';
import type { Table } from './table/table.js';
import { verify } from './phases/verify.js';

export type Phase = 'match' | 'verify' | 'authorize' | 'limit' | 'sign';

/** One finished check, for metrics and the log. */
export interface Observation {
  readonly decision: Decision['outcome'];
  /** Empty on allow. */
  readonly reason: DenyReason | '';
  readonly dialect: DialectName | '';
  /** Milliseconds, of the phases that ran. */
  readonly phaseDurations: { readonly [P in Phase]?: number };
  /** The signature that was accepted is an HMAC with SHA-1. */
  readonly usesSha1: boolean;
  /** Absent when nothing was counted. */
  readonly limit?: LimitObservation | undefined;
}

export interface CheckDependencies extends LimitDependencies {
  readonly clock: Clock;
  /** A fresh UUID v4. */
  readonly uuid: () => string;
  readonly metrics?: { observe(observation: Observation): void };
  /** Told what was thrown; the request is refused whatever it does. */
  readonly onError?: (error: unknown, request: CheckRequest) => void;
}

const SHA1_BYTES = 20;

/** Measures between calls; does nothing where nobody reads it. */
function stopwatch(enabled: boolean) {
  const durations: { [P in Phase]?: number } = {};
  let last = enabled ? performance.now() : 0;
  return {
    durations,
    lap(phase: Phase): void {
      if (!enabled) return;
      const now = performance.now();
      durations[phase] = now - last;
      last = now;
    },
  };
}

type Watch = ReturnType<typeof stopwatch>;

interface Outcome {
  readonly decision: Decision;
  readonly dialect: DialectName | '';
  readonly usesSha1: boolean;
  readonly limit?: LimitObservation | undefined;
}

async function decide(request: CheckRequest, table: Table, deps: CheckDependencies, watch: Watch): Promise<Outcome> {
  const nowMs = deps.clock();
  let dialect: DialectName | '' = '';
  let usesSha1 = false;
  const refuse = (refused: Refused, scope: Scope, observed?: LimitObservation): Outcome => ({
    decision: denied(request, refused, scope),
    dialect: refused.dialect ?? dialect,
    usesSha1,
    limit: observed,
  });

  const matched = match(request, table);
  watch.lap('match');
  if (matched.refused) return refuse(matched, matched.scope);

  const caller = verify(request, matched, table, nowMs);
  watch.lap('verify');
  if (caller.refused) return refuse(caller, withFacts(matched.scope, { keyId: caller.keyId ?? '' }));
  dialect = caller.signature?.dialect ?? '';
  usesSha1 = caller.signature?.mac.length === SHA1_BYTES;
  const callerScope = withFacts(matched.scope, {
    keyId: caller.key?.keyId ?? '',
    profile: caller.signature?.profile ?? '',
  });

  const authorized = authorize(caller, matched, table, nowMs);
  watch.lap('authorize');
  if (authorized.refused) return refuse(authorized, callerScope);
  const { plan } = authorized;
  const scope = withFacts(callerScope, { planId: plan?.planId ?? '' });
  const unsignable = judgeBackendKey(matched.api, nowMs);
  if (unsignable) return refuse(unsignable, scope);

  const limited = await limit(request, matched, caller, plan, deps);
  watch.lap('limit');
  const { observed } = limited;
  if (limited.refused) return refuse(limited, scope, observed);

  const signed = sign(request, matched, caller, plan, nowMs, deps.uuid());
  watch.lap('sign');
  if (signed.refused) return refuse(signed, scope, observed);
  return { decision: allowed(request, signed, limited, scope), dialect, usesSha1, limit: observed };
}

const withFacts = (scope: Scope, facts: Partial<Scope['facts']>): Scope => ({
  ...scope,
  facts: { ...scope.facts, ...facts },
});

/** Decides one request. Never rejects: whatever is thrown on the way refuses it. */
export async function check(request: CheckRequest, table: Table, deps: CheckDependencies): Promise<Decision> {
  const watch = stopwatch(deps.metrics !== undefined);
  let outcome: Outcome;
  try {
    outcome = await decide(request, table, deps, watch);
  } catch (error) {
    outcome = { decision: internalError(request.requestId), dialect: '', usesSha1: false };
    report(() => deps.onError?.(error, request));
  }
  const { decision, dialect, usesSha1, limit: observed } = outcome;
  const reason = decision.outcome === 'deny' ? decision.reason : '';
  report(() =>
    deps.metrics?.observe({
      decision: decision.outcome,
      reason,
      dialect,
      phaseDurations: watch.durations,
      usesSha1,
      ...(observed ? { limit: observed } : {}),
    }),
  );
  return decision;
}

/** Telemetry that fails changes no decision. */
function report(tell: () => void): void {
  try {
    tell();
  } catch {
    // Nothing is left to tell it to.
  }
}
