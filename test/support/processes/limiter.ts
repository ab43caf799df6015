/**
 * A client of the counter store in a process of its own. Options: place, preDeny. Prints `ready`, then answers each
 * line of JSON on stdin (a LimiterJob) with one (a LimiterResult); a job with `acknowledge` prints `a` per admission.
 */
import { randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { withPreDeny } from '../../../src/ratelimit/pre-deny.js';
import { createRedisStore, type RedisPlace } from '../../../src/ratelimit/redis/store.js';
import type { Admission } from '../../../src/ratelimit/store.js';

export interface LimiterProcessOptions {
  readonly place: RedisPlace;
  readonly commandTimeoutMs?: number;
}

export interface LimiterJob {
  readonly limits: Pick<Admission, 'subject' | 'rates' | 'quotas'>;
  readonly inFlight: number;
  /** Either is enough to end the job. */
  readonly requests?: number;
  readonly durationMs?: number;
  /** Refusals may be answered from memory, as in the product. */
  readonly preDeny?: boolean;
  /** A replay marker per request, as dialects with a nonce have. */
  readonly nonces?: boolean;
  readonly acknowledge?: boolean;
}

/** Times are milliseconds since the Unix epoch. */
export interface LimiterResult {
  readonly admitted: number;
  readonly refused: number;
  readonly failed: number;
  readonly firstSentMs: number;
  readonly firstReplyMs: number;
  readonly lastSentMs: number;
  readonly lastReplyMs: number;
}

const { place, commandTimeoutMs = 10_000 } = JSON.parse(process.argv[2] ?? '{}') as LimiterProcessOptions;
const store = createRedisStore({ ...place, commandTimeoutMs, connectTimeoutMs: 5000 });
const cached = withPreDeny(store);
while (!store.health().healthy) await delay(5);
console.log('ready');

const now = (): number => performance.timeOrigin + performance.now();

/** At once, so that what was told was told when the process dies; waits while the pipe is full. */
function tell(): void {
  for (;;)
    try {
      writeSync(1, 'a\n');
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
}

async function run(job: LimiterJob): Promise<LimiterResult> {
  const { limits, inFlight, requests = Infinity, durationMs = Infinity, preDeny, nonces, acknowledge } = job;
  const target = preDeny ? cached : store;
  const endMs = now() + durationMs;
  let left = requests;
  const result = {
    ...{ admitted: 0, refused: 0, failed: 0 },
    ...{ firstSentMs: now(), firstReplyMs: Infinity, lastSentMs: 0, lastReplyMs: 0 },
  };
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (left-- > 0 && now() < endMs) {
        const token = randomUUID();
        result.lastSentMs = now();
        try {
          const replay = nonces ? { replay: { marker: token.replaceAll('-', ''), ttlMs: 60_000 } } : {};
          const { outcome } = await target.admit({ ...limits, token, ...replay });
          if (outcome === 'admitted') result.admitted += 1;
          else result.refused += 1;
          if (acknowledge && outcome === 'admitted') tell();
        } catch {
          result.failed += 1;
          await delay(1);
        }
        result.lastReplyMs = now();
        result.firstReplyMs = Math.min(result.firstReplyMs, result.lastReplyMs);
      }
    }),
  );
  return result;
}

for await (const line of createInterface({ input: process.stdin }))
  console.log(JSON.stringify(await run(JSON.parse(line) as LimiterJob)));
await cached.close();
