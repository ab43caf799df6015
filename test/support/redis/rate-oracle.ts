/** The rate rule in exact fractions: what the stores' arithmetic is compared with. */
export interface OracleRate {
  readonly requests: number;
  readonly intervalMs: number;
  readonly burst: number;
}

export interface RateOracle {
  /** One request at a time that never goes back; true when it is admitted. */
  admit(atMicros: number): boolean;
  /** Whole tokens left. */
  remaining(): number;
  /** What is missing, in parts of which `intervalMs * 1000` make a token. */
  debt(): bigint;
}

/** A bucket that lacks `debt / interval` tokens and gets `requests` of these parts back per microsecond. */
export function rateOracle({ requests, intervalMs, burst }: OracleRate, owed = { tokens: 0, atMicros: 0 }): RateOracle {
  const interval = BigInt(intervalMs) * 1000n;
  const full = BigInt(burst) * interval;
  let debt = BigInt(owed.tokens) * interval;
  let lastMicros = BigInt(owed.atMicros);
  return {
    admit(atMicros) {
      debt -= (BigInt(atMicros) - lastMicros) * BigInt(requests);
      if (debt < 0n) debt = 0n;
      lastMicros = BigInt(atMicros);
      if (debt + interval > full) return false;
      debt += interval;
      return true;
    },
    remaining: () => Number((full - debt) / interval),
    debt: () => debt,
  };
}

/** Rates from everyday to absurd, and arrival times that make them run empty and fill up. */
export function randomCase(random: () => number): {
  readonly rate: OracleRate;
  readonly arrivalsMicros: readonly number[];
} {
  const upTo = (max: number): number => 1 + Math.floor(random() * max);
  const magnitude = (maxBits: number): number => upTo(2 ** (random() * maxBits));
  const rate = {
    requests: magnitude(52),
    intervalMs: random() < 0.5 ? 1000 : magnitude(27),
    burst: magnitude(random() < 0.7 ? 3 : 52),
  };
  const perTokenMicros = (rate.intervalMs * 1000) / rate.requests;
  let atMicros = 1_700_000_000_000_000;
  const arrivalsMicros = Array.from({ length: 12 }, () => {
    const steps = [0, 1000 * upTo(3), perTokenMicros, perTokenMicros * random() * 3, magnitude(45)];
    atMicros += Math.ceil((steps[upTo(5) - 1] ?? 0) / 1000) * 1000; // whole milliseconds: the memory store's clock
    return atMicros;
  });
  return { rate, arrivalsMicros: arrivalsMicros.filter((at) => at < 2 ** 52) };
}

/** Repeatable randomness (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
