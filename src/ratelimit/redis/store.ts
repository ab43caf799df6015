/** The counter store on Redis: one EVALSHA per decision, the server's clock, no retry of what may have been counted. */
import { type Clock, systemClock } from '../../lib/clock.js';
import { AppError, errorMessage } from '../../lib/errors.js';
import { windowAt as calendarWindowAt, type WindowAt } from '../calendar.js';
import { StoreUnavailableError } from '../errors.js';
import type { Admission, AdmissionResult, CounterStore } from '../store.js';
import type { RedisLink } from './endpoint.js';
import { decodeReply, encodeCall, tagOf } from './exchange.js';
import { createRoute, type RedisPlace, type RedisRouteOptions, storeError } from './route.js';
import { ADMIT_SCRIPT, ADMIT_SCRIPT_SHA1 } from './script.js';

export type { RedisPlace } from './route.js';

export type RedisStoreOptions = RedisPlace &
  RedisRouteOptions & {
    /** Only the distance between this clock and the server's is used. */
    readonly clock?: Clock;
    readonly windowAt?: WindowAt;
  };

export interface RedisStore extends CounterStore {
  /** Credentials or certificates have changed: connects anew with them before it leaves the old connection. */
  renew(): Promise<void>;
}

/** After the one retry that a wrong estimate needs, a second for a boundary that passes meanwhile. */
const MAX_STALE_RETRIES = 2;

/** What a new link must carry out before it is used: the script itself, so permissions, memory and role are proven too. */
const probeOf = (subject: string): Admission => ({
  subject,
  token: 'probe',
  replay: { marker: '0'.repeat(16), ttlMs: 1000 },
  rates: [],
  quotas: [],
});

/**
 * Connects in the background; until then and whenever Redis is away, `admit` fails at once.
 * @throws AppError for a URL that cannot be parsed.
 */
export function createRedisStore(options: RedisStoreOptions): RedisStore {
  const { clock = systemClock, windowAt = calendarWindowAt } = options;
  /** Per link, since every server has a clock of its own. */
  const aheadMs = new WeakMap<RedisLink, number>();

  async function decide(link: RedisLink, admission: Admission): Promise<AdmissionResult> {
    for (let attempt = 0; attempt <= MAX_STALE_RETRIES; attempt++) {
      const call = encodeCall(admission, clock() + (aheadMs.get(link) ?? 0), windowAt);
      const reply = decodeReply(await evaluate(link, call.keys, call.args), admission, call);
      aheadMs.set(link, reply.serverMs - clock());
      if (!reply.stale) return reply.result;
    }
    throw new StoreUnavailableError('the clock of Redis left every quota window that was asked for');
  }

  const probe = async (link: RedisLink, tag: string): Promise<void> => void (await decide(link, probeOf(tag)));
  const route = createRoute(options, probe);

  return {
    mode: route.mode,
    async admit(admission) {
      if (route.mode === 'Cluster') assertOneSlot(admission);
      return route.run(tagOf(admission.subject), (link) => decide(link, admission));
    },
    health: () => route.health(),
    renew: () => route.renew(),
    close: () => route.close(),
  };
}

/** Translation refuses such plans; if one came here all the same, no failure policy may let it pass. */
function assertOneSlot({ subject, rates, quotas }: Admission): void {
  if ([...rates, ...quotas].some((charge) => charge.subject !== undefined && charge.subject !== subject))
    throw new AppError('ERR_UNSUPPORTED_BY_STORE', 'a Cluster cannot keep a limit that several keys share');
}

/** A server that lost its scripts (restart, failover, SCRIPT FLUSH) has run nothing: sending the text is safe. */
async function evaluate(link: RedisLink, keys: readonly string[], args: readonly string[]): Promise<unknown> {
  const rest = [String(keys.length), ...keys, ...args];
  try {
    return await link.send(['EVALSHA', ADMIT_SCRIPT_SHA1, ...rest]).catch((error: unknown) => {
      if (!errorMessage(error).startsWith('NOSCRIPT')) throw error;
      return link.send(['EVAL', ADMIT_SCRIPT, ...rest]);
    });
  } catch (error) {
    throw storeError(error);
  }
}
