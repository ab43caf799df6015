/** From the place of a Redis to the link that keeps a subject's keys: one server, what Sentinels name, or a cluster. */
import { errorMessage } from '../../lib/errors.js';
import { RedirectedError, StoreUnavailableError } from '../errors.js';
import type { StoreHealth, StoreMode } from '../store.js';
import { createCluster } from './cluster.js';
import { createConnection } from './connection.js';
import { openLink, parseRedisUrl, type RedisAccess, type RedisAddress, type RedisLink } from './endpoint.js';
import { inspectServer } from './fitness.js';
import { createSentinelOpener, type SentinelPlace } from './sentinel.js';

export type RedisPlace =
  /** One server. Never logged: the URL may hold a password. */
  { readonly url: string } | SentinelPlace | { readonly clusterNodes: readonly RedisAddress[] };

export interface RedisRouteOptions extends RedisAccess {
  /** How to get into the Sentinels; default: without credentials, with the same TLS. */
  readonly sentinelAccess?: RedisAccess;
  /** Default 50. The longest a decision waits for Redis, all its round trips together. */
  readonly commandTimeoutMs?: number;
  /** Default 100. TCP, TLS and handshake together. */
  readonly connectTimeoutMs?: number;
  /** Also told when flaws were found or mended. */
  readonly onHealthChange?: (health: StoreHealth) => void;
}

/** What the topologies have in common. */
export interface RedisRoute {
  readonly mode: StoreMode;
  run<T>(tag: string, use: (link: RedisLink) => Promise<T>): Promise<T>;
  health(): StoreHealth;
  renew(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Connects in the background.
 * @param probe what every new link must carry out, about keys with the tag, before it is used.
 * @throws AppError for a URL that cannot be parsed.
 */
export function createRoute(
  options: RedisPlace & RedisRouteOptions,
  probe: (link: RedisLink, tag: string) => Promise<void>,
): RedisRoute {
  const { commandTimeoutMs = 50, connectTimeoutMs = 100, credentials, tls, onHealthChange } = options;
  const access: RedisAccess = { credentials, tls };
  const common = {
    commandTimeoutMs,
    inspect: inspectServer,
    onHealthChange: () => onHealthChange?.(route.health()),
  };
  const one = (
    mode: 'Single' | 'Sentinel',
    open: (onLost: (error: Error) => void) => Promise<RedisLink>,
  ): RedisRoute => {
    const connection = createConnection({ ...common, open, probe: (link) => probe(link, '0'.repeat(16)) });
    return { mode, ...connection, run: (_tag, use) => connection.run(use).catch(refuseRedirection) };
  };
  const create = (): RedisRoute => {
    if ('url' in options) {
      const endpoint = parseRedisUrl(options.url, access);
      return one('Single', (onLost) => openLink(endpoint, connectTimeoutMs, onLost));
    }
    if ('masterName' in options)
      return one(
        'Sentinel',
        createSentinelOpener(options, access, options.sentinelAccess ?? { tls }, connectTimeoutMs),
      );
    const cluster = createCluster({ ...common, nodes: options.clusterNodes, access, connectTimeoutMs, probe });
    return { mode: 'Cluster', ...cluster };
  };
  const route = create();
  return route;
}

/** Only a server in cluster mode redirects. */
function refuseRedirection(error: unknown): never {
  if (!(error instanceof RedirectedError)) throw error;
  throw new StoreUnavailableError('the server is part of a cluster and must be used as one', { cause: error });
}

/** What the client threw, as what a route understands: a redirection, or a store that did not do it. */
export function storeError(error: unknown): RedirectedError | StoreUnavailableError {
  const message = errorMessage(error);
  const [, word, address = ''] = /^(MOVED|ASK) \d+ (\S+)$/.exec(message) ?? [];
  if (word !== undefined) return new RedirectedError(word === 'ASK' ? 'ask' : 'moved', address, message);
  if (message.startsWith('TRYAGAIN')) return new RedirectedError('again', '', message);
  return new StoreUnavailableError(`Redis failed: ${message}`, { cause: error });
}
