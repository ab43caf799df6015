/** Counters on Redis, read and written as the script does. */
import { setTimeout as delay } from 'node:timers/promises';
import type { CounterAdministration, CounterReference, CounterState, QuotaReference } from '../administration.js';
import { QUOTA_GRACE_MS, type QuotaWindow, windowAt } from '../calendar.js';
import { StoreUnavailableError } from '../errors.js';
import { drain, inTicks, NO_DEBT, rateState, rateTerms } from '../gcra.js';
import type { RedisLink } from './endpoint.js';
import { quotaKey, rateKey, tagOf } from './exchange.js';
import { createRoute, type RedisPlace, type RedisRouteOptions, storeError } from './route.js';

/** An operator waits longer than a request. */
const COMMAND_TIMEOUT_MS = 5000;
const CONNECT_WITHIN_MS = 3000;
/** Commands under way at once. */
const BATCH = 500;

/** Resolves once connected. @throws StoreUnavailableError saying why that did not happen in time. */
export async function connectAdministration(options: RedisPlace & RedisRouteOptions): Promise<CounterAdministration> {
  const timed = { ...options, commandTimeoutMs: COMMAND_TIMEOUT_MS, connectTimeoutMs: COMMAND_TIMEOUT_MS };
  const route = createRoute(timed, async (link) => void (await timeOf(link)));
  const giveUpMs = performance.now() + CONNECT_WITHIN_MS;
  while (!route.health().healthy) {
    if (performance.now() > giveUpMs) {
      await route.close();
      throw new StoreUnavailableError(`Redis cannot be reached: ${route.health().message}`);
    }
    await delay(20);
  }

  const ask = <T>(subject: string, use: (link: RedisLink) => Promise<T>): Promise<T> =>
    route.run(tagOf(subject), async (link) => {
      try {
        return await use(link);
      } catch (error) {
        throw storeError(error);
      }
    });

  async function readOne(counter: CounterReference): Promise<CounterState> {
    return ask(counter.subject, async (link) => {
      const micros = await timeOf(link);
      const nowMs = Math.floor(micros / 1000);
      if (counter.kind === 'rate') {
        const value = await link.send(['GET', rateKey(counter.subject, counter.counter)]);
        return rateNow(counter, typeof value === 'string' ? value : undefined, micros);
      }
      const window = windowOf(counter, nowMs);
      const value = await link.send(['GET', quotaKey(counter.subject, counter.counter, window)]);
      return { used: Number(value ?? 0), limit: counter.limit, resetsAtMs: window?.endMs };
    });
  }

  return {
    async read(counters) {
      const states: CounterState[] = [];
      for (let i = 0; i < counters.length; i += BATCH)
        states.push(...(await Promise.all(counters.slice(i, i + BATCH).map(readOne))));
      return states;
    },
    setUsed: (counter, used) =>
      ask(counter.subject, async (link) => {
        const window = windowOf(counter, Math.floor((await timeOf(link)) / 1000));
        const key = quotaKey(counter.subject, counter.counter, window);
        const expiry = window ? ['PXAT', String(window.endMs + QUOTA_GRACE_MS)] : [];
        await link.send(['SET', key, String(used), ...expiry]);
      }),
    reset: (counter) =>
      ask(counter.subject, async (link) => {
        const { subject, counter: name } = counter;
        const window =
          counter.kind === 'quota' ? windowOf(counter, Math.floor((await timeOf(link)) / 1000)) : undefined;
        await link.send(['DEL', counter.kind === 'rate' ? rateKey(subject, name) : quotaKey(subject, name, window)]);
      }),
    close: () => route.close(),
  };
}

/** The server's clock, in microseconds since the Unix epoch. */
async function timeOf(link: RedisLink): Promise<number> {
  const reply = await link.send(['TIME']);
  const [seconds = NaN, micros = NaN] = Array.isArray(reply) ? reply.map(Number) : [];
  return seconds * 1_000_000 + micros;
}

const windowOf = ({ period, timeZone }: QuotaReference, nowMs: number): QuotaWindow | undefined =>
  period === 'Total' ? undefined : windowAt(period, timeZone, nowMs);

function rateNow(
  counter: Extract<CounterReference, { kind: 'rate' }>,
  value: string | undefined,
  nowMicros: number,
): CounterState {
  const terms = rateTerms(counter);
  const [tokens = 0, ticks = 0, ticksPerToken = 1, atMicros = nowMicros] = value?.split(' ').map(Number) ?? [];
  const owed = inTicks({ tokens, ticks }, ticksPerToken, terms);
  const debt = value === undefined ? NO_DEBT : drain(owed, terms, Math.max(0, nowMicros - atMicros));
  const { burst, remaining, resetMs } = rateState(debt, { ...counter, shadow: false }, terms, false);
  return { used: burst - remaining, limit: burst, resetsAtMs: Math.floor(nowMicros / 1000) + resetMs };
}
