/**
 * The arithmetic of rates, shared by all stores: GCRA kept as a debt instead of an arrival time. A debt is
 * what a bucket lacks to be full, in whole tokens and ticks (fractions of a token), both integers, so every
 * limit up to 2^53 is exact in doubles, in JavaScript and in Lua alike. Times are integer microseconds.
 */
import type { RateCharge, RateState } from './store.js';

/** Largest count that a double holds exactly. */
export const MAX_COUNT = 2 ** 53;

/** A rate with its fraction reduced: `requests / interval` = `ticksPerMicrosecond / ticksPerToken`. */
export interface RateTerms {
  readonly burst: number;
  readonly ticksPerToken: number;
  /** What a microsecond pays back, as whole tokens and the remaining ticks (less than a token). */
  readonly tokensPerMicrosecond: number;
  readonly restTicks: number;
}

/** What a bucket lacks to be full; `ticks` is less than `ticksPerToken`. */
export interface Debt {
  readonly tokens: number;
  readonly ticks: number;
}

export const NO_DEBT: Debt = { tokens: 0, ticks: 0 };

const isCount = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= MAX_COUNT;

/**
 * The terms of a charge. A limit of 0, and one that is no count at all, gets a burst of 0: nothing is ever
 * admitted.
 */
export function rateTerms({
  requests,
  intervalMs,
  burst,
}: Pick<RateCharge, 'requests' | 'intervalMs' | 'burst'>): RateTerms {
  const interval = intervalMs * 1000;
  if (!isCount(requests) || !isCount(interval) || !isCount(burst) || requests === 0 || interval === 0) {
    return { burst: 0, ticksPerToken: 1, tokensPerMicrosecond: 0, restTicks: 0 };
  }
  const divisor = greatestCommonDivisor(requests, interval);
  const ticksPerMicrosecond = requests / divisor;
  const ticksPerToken = interval / divisor;
  const restTicks = ticksPerMicrosecond % ticksPerToken;
  return { burst, ticksPerToken, tokensPerMicrosecond: (ticksPerMicrosecond - restTicks) / ticksPerToken, restTicks };
}

/**
 * The debt after `elapsedMicros`, cut to the burst (limits may have been lowered since). Products that could
 * pass 2^53 are compared with the debt first: rounding is monotonic, so "more than enough" stays true.
 */
export function drain(debt: Debt, terms: RateTerms, elapsedMicros: number): Debt {
  const { burst, ticksPerToken, tokensPerMicrosecond, restTicks } = terms;
  const enough = debt.tokens + 1;
  const spare = elapsedMicros % ticksPerToken;
  const paid = elapsedMicros * tokensPerMicrosecond + ((elapsedMicros - spare) / ticksPerToken) * restTicks;
  if (paid >= enough) return NO_DEBT;
  const rest = multiplyDivide(spare, restTicks, ticksPerToken);
  let tokens = debt.tokens - paid - rest.quotient;
  let ticks = debt.ticks - rest.remainder;
  if (ticks < 0) {
    ticks += ticksPerToken;
    tokens -= 1;
  }
  if (tokens < 0) return NO_DEBT;
  return tokens >= burst ? { tokens: burst, ticks: 0 } : { tokens, ticks };
}

/** A fraction counted in other ticks (the limit was edited) becomes a whole token: never in the caller's favour. */
export function inTicks(debt: Debt, ticksPerToken: number, terms: RateTerms): Debt {
  return debt.ticks === 0 || ticksPerToken === terms.ticksPerToken ? debt : { tokens: debt.tokens + 1, ticks: 0 };
}

/** Whether one more token can be spent. */
export function hasToken(debt: Debt, terms: RateTerms): boolean {
  return tokensLeft(debt, terms) >= 1;
}

/** What is reported about a bucket. A limit of 0 never has a token: its interval stands for "later". */
export function rateState(debt: Debt, charge: RateCharge, terms: RateTerms, exceeded: boolean): RateState {
  const { burst, ticksPerToken, tokensPerMicrosecond, restTicks } = terms;
  if (burst === 0)
    return { remaining: 0, burst: 0, retryAfterMs: charge.intervalMs, resetMs: charge.intervalMs, exceeded };
  const ticksPerMicrosecond = tokensPerMicrosecond * ticksPerToken + restTicks;
  const remaining = tokensLeft(debt, terms);
  const missingTicks = (debt.tokens - burst + 1) * ticksPerToken + debt.ticks;
  return {
    remaining,
    burst,
    retryAfterMs: remaining > 0 ? 0 : Math.max(1, Math.ceil(missingTicks / ticksPerMicrosecond / 1000)),
    resetMs: Math.ceil((debt.tokens * ticksPerToken + debt.ticks) / ticksPerMicrosecond / 1000),
    exceeded,
  };
}

/** A token that has only begun to come back is not there. */
function tokensLeft(debt: Debt, terms: RateTerms): number {
  return Math.max(0, terms.burst - debt.tokens - (debt.ticks > 0 ? 1 : 0));
}

/** floor(a·b / m) and the remainder, exact for a, b < m ≤ 2^52 also where a·b passes 2^53. */
export function multiplyDivide(
  a: number,
  b: number,
  m: number,
): { readonly quotient: number; readonly remainder: number } {
  const product = a * b;
  if (product <= MAX_COUNT) {
    const remainder = product % m;
    return { quotient: (product - remainder) / m, remainder };
  }
  const wide = BigInt(a) * BigInt(b);
  return { quotient: Number(wide / BigInt(m)), remainder: Number(wide % BigInt(m)) };
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
