import { describe, expect, test } from '@jest/globals';
import { drain, hasToken, multiplyDivide, rateState, rateTerms } from '../../../src/ratelimit/gcra.js';

const DAY_MS = 86_400_000;

describe('rate terms', () => {
  test('reduce requests per interval to lowest terms', () => {
    expect(rateTerms({ requests: 500, intervalMs: 1000, burst: 500 })).toEqual({
      burst: 500,
      ticksPerToken: 2000,
      tokensPerMicrosecond: 0,
      restTicks: 1,
    });
  });

  test('split rates of more than a token per microsecond into whole tokens and a rest', () => {
    const terms = rateTerms({ requests: 2_500_000, intervalMs: 1000, burst: 1 });
    expect([terms.tokensPerMicrosecond, terms.restTicks, terms.ticksPerToken]).toEqual([2, 1, 2]);
  });

  test.each([0, -1, NaN, 1.5, 2 ** 54, Infinity])('%p requests give a burst of 0', (requests) => {
    expect(rateTerms({ requests, intervalMs: 1000, burst: 10 }).burst).toBe(0);
  });
});

describe('draining a debt', () => {
  const terms = rateTerms({ requests: 3, intervalMs: 1000, burst: 10 });

  test('pays back a third of a second per token, to the microsecond', () => {
    const spent = { tokens: 10, ticks: 0 };
    expect(hasToken(drain(spent, terms, 333_333), terms)).toBe(false);
    expect(hasToken(drain(spent, terms, 333_334), terms)).toBe(true);
    expect(drain(spent, terms, 1_000_000)).toEqual({ tokens: 7, ticks: 0 });
  });

  test('in many small steps equals draining in one', () => {
    let debt = { tokens: 9, ticks: 5 };
    for (let i = 0; i < 1000; i++) debt = drain(debt, terms, 777);
    expect(debt).toEqual(drain({ tokens: 9, ticks: 5 }, terms, 777_000));
  });

  test('stops at a full bucket, also after centuries', () => {
    expect(drain({ tokens: 10, ticks: 0 }, terms, 2 ** 52)).toEqual({ tokens: 0, ticks: 0 });
  });

  test('is exact where the product of time and rate passes 2^53', () => {
    const daily = rateTerms({ requests: 1_000_003, intervalMs: DAY_MS, burst: 1_000_003 });
    const elapsed = DAY_MS * 1000 - 1;
    const ticks = BigInt(1_000_003) * perToken(daily) - BigInt(elapsed) * 1_000_003n;
    expect(drain({ tokens: 1_000_003, ticks: 0 }, daily, elapsed)).toEqual({
      tokens: Number(ticks / perToken(daily)),
      ticks: Number(ticks % perToken(daily)),
    });
  });

  const perToken = ({ ticksPerToken }: { ticksPerToken: number }): bigint => BigInt(ticksPerToken);
});

describe('multiplyDivide', () => {
  test.each([
    [2 ** 51 + 3, 2 ** 51 + 1, 2 ** 52 - 1],
    [86_399_999_999, 1_000_003, 86_400_000_000],
    [0, 5, 7],
  ])('%p · %p / %p is exact', (a, b, m) => {
    const { quotient, remainder } = multiplyDivide(a, b, m);
    expect(BigInt(quotient) * BigInt(m) + BigInt(remainder)).toBe(BigInt(a) * BigInt(b));
  });
});

describe('what is reported', () => {
  const charge = { counter: 'c', requests: 3, intervalMs: 1000, burst: 10, shadow: false };
  const terms = rateTerms(charge);

  test('an empty bucket says when one token is back, rounded up', () => {
    expect(rateState({ tokens: 10, ticks: 0 }, charge, terms, true)).toEqual({
      remaining: 0,
      burst: 10,
      retryAfterMs: 334,
      resetMs: 3334,
      exceeded: true,
    });
  });

  test('a token that is half back is not there', () => {
    expect(rateState({ tokens: 4, ticks: 1 }, charge, terms, false)).toMatchObject({ remaining: 5, retryAfterMs: 0 });
  });

  test('a limit of 0 asks to come back after its interval', () => {
    const nothing = { ...charge, requests: 0 };
    expect(rateState({ tokens: 0, ticks: 0 }, nothing, rateTerms(nothing), true)).toMatchObject({
      remaining: 0,
      retryAfterMs: 1000,
    });
  });
});
