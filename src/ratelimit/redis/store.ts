/** The counter store on Redis: one EVALSHA per decision, the server's clock, no retry of what may have been counted. */
import { type Clock, systemClock } from '../../lib/clock.js';
import { errorMessage } from '../../lib/errors.js';
import { windowAt as calendarWindowAt, type WindowAt } from '../calendar.js';
import { StoreUnavailableError } from '../errors.js';
import type { Admission, AdmissionResult, CounterStore } from '../store.js';
import { createConnection, type Health } from './connection.js';
import { openSingle, parseRedisUrl, type RedisEndpoint, type RedisLink } from './endpoint.js';
import { decodeReply, encodeCall } from './exchange.js';
import { ADMIT_SCRIPT, ADMIT_SCRIPT_SHA1 } from './script.js';

export interface RedisStoreOptions extends RedisEndpoint {
  /** Default 50. The longest a decision waits for Redis, all its round trips together. */
  readonly commandTimeoutMs?: number;
  /** Default 100. TCP, TLS and handshake together. */
  readonly connectTimeoutMs?: number;
  /** Only the distance between this clock and the server's is used. */
  readonly clock?: Clock;
  readonly windowAt?: WindowAt;
  readonly onHealthChange?: (health: Health) => void;
}

/** After the one retry that a wrong estimate needs, a second for a boundary that passes meanwhile. */
const MAX_STALE_RETRIES = 2;

/** What a new link must carry out before it is used: the script itself, so permissions, memory and role are proven too. */
const PROBE: Admission = {
  subject: '0'.repeat(16),
  token: 'probe',
  replay: { marker: '0'.repeat(16), ttlMs: 1000 },
  rates: [],
  quotas: [],
};

/**
 * Connects in the background; until then and whenever Redis is away, `admit` fails at once.
 * @throws AppError for a URL that cannot be parsed.
 */
export function createRedisStore(options: RedisStoreOptions): CounterStore {
  const {
    commandTimeoutMs = 50,
    connectTimeoutMs = 100,
    clock = systemClock,
    windowAt = calendarWindowAt,
    onHealthChange,
  } = options;
  parseRedisUrl(options.url);
  let serverAheadMs = 0;

  async function decide(link: RedisLink, admission: Admission): Promise<AdmissionResult> {
    for (let attempt = 0; attempt <= MAX_STALE_RETRIES; attempt++) {
      const call = encodeCall(admission, clock() + serverAheadMs, windowAt);
      const reply = decodeReply(await evaluate(link, call.keys, call.args), admission, call);
      serverAheadMs = reply.serverMs - clock();
      if (!reply.stale) return reply.result;
    }
    throw new StoreUnavailableError('the clock of Redis left every quota window that was asked for');
  }

  const connection = createConnection({
    open: (onLost) => openSingle(options, connectTimeoutMs, onLost),
    probe: async (link) => void (await decide(link, PROBE)),
    commandTimeoutMs,
    onHealthChange,
  });

  return {
    mode: 'Single',
    admit: (admission) => connection.run((link) => decide(link, admission)),
    health: () => connection.health(),
    close: () => connection.close(),
  };
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
    throw new StoreUnavailableError(`Redis failed: ${errorMessage(error)}`, { cause: error });
  }
}
