/** Where Redis is and how to get in. Single server; other topologies give a `RedisLink` as well. */
import { createClient } from '@redis/client';
import { AppError } from '../../lib/errors.js';
import { StoreUnavailableError } from '../errors.js';

export interface RedisCredentials {
  readonly username?: string;
  readonly password: string;
}

export interface RedisTls {
  /** PEM texts. Without `ca` the runtime's certificate authorities decide. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
}

export interface RedisEndpoint {
  /** `redis://[user:password@]host[:port][/database]`, `rediss://` for TLS. Never logged: it may hold a password. */
  readonly url: string;
  /** Wins over the URL; asked at every connect, so a changed password file counts from the next connection on. */
  readonly credentials?: (() => Promise<RedisCredentials>) | undefined;
  /** Turns TLS on as `rediss://` does. */
  readonly tls?: RedisTls | undefined;
}

/** One usable connection (or, for other topologies, one client of many). It is thrown away, never repaired. */
export interface RedisLink {
  send(command: readonly string[]): Promise<unknown>;
  /** Ends at once; commands in flight fail. */
  destroy(): void;
}

export interface ParsedUrl {
  readonly host: string;
  readonly port: number;
  readonly database: number;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** @throws AppError without the text of the URL, which may hold a password. */
export function parseRedisUrl(text: string): ParsedUrl {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const database = /^\/?(\d{0,5})$/.exec(url?.pathname ?? '-');
  if (url === undefined || !/^rediss?:$/.test(url.protocol) || url.hostname === '' || database === null) {
    throw new AppError(
      'ERR_REDIS_URL',
      'the Redis URL is not of the form redis://[user:password@]host[:port][/database]',
    );
  }
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 6379 : Number(url.port),
    database: Number(database[1]),
    tls: url.protocol === 'rediss:',
    username: url.username === '' ? undefined : decodeURIComponent(url.username),
    password: url.password === '' ? undefined : decodeURIComponent(url.password),
  };
}

/**
 * Opens one connection to one server; resolves when the server has answered the handshake. `onLost` is called
 * at most once, and not after `destroy`. The client's own reconnection and timeouts stay off: its command
 * timeout ends when the command is written, and its handshake has none.
 */
export async function openSingle(
  endpoint: RedisEndpoint,
  timeoutMs: number,
  onLost: (error: Error) => void,
): Promise<RedisLink> {
  const url = parseRedisUrl(endpoint.url);
  const { username, password } = endpoint.credentials
    ? await withDeadline(endpoint.credentials(), timeoutMs, 'reading the credentials of Redis')
    : url;
  const common = { host: url.host, port: url.port, connectTimeout: timeoutMs, reconnectStrategy: false as const };
  const client = createClient({
    socket: url.tls || endpoint.tls ? { ...common, tls: true, servername: url.host, ...endpoint.tls } : common,
    ...(password === undefined ? {} : { username: username ?? 'default', password }),
    database: url.database,
    name: 'countersign',
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    commandOptions: { timeout: 0 },
  });
  let state: 'opening' | 'open' | 'ended' = 'opening';
  client.on('error', (error: Error) => {
    if (state !== 'open') return;
    state = 'ended';
    client.destroy();
    onLost(error);
  });
  const destroy = (): void => {
    state = 'ended';
    client.destroy();
  };
  const connecting = client.connect();
  try {
    await withDeadline(connecting, timeoutMs, 'connecting to Redis');
    state = 'open';
  } catch (error) {
    destroy();
    connecting.then(destroy, () => undefined); // a socket that connects after all must not stay
    throw error;
  }
  return { send: (command) => client.sendCommand(command), destroy };
}

/**
 * `promise`, or StoreUnavailableError after `timeoutMs`. A late result is dropped. When the timer is due
 * because this process was busy, what the socket already holds is read first.
 */
export async function withDeadline<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const expire = (): void => reject(new StoreUnavailableError(`${what} took longer than ${timeoutMs} ms`));
    const timer = setTimeout(() => setImmediate(expire), Math.max(0, timeoutMs));
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
