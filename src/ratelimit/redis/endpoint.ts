/** Where a Redis server is and how to get in: one connection to one server, the unit that every topology is made of. */
import { createClient } from '@redis/client';
import { AppError } from '../../lib/errors.js';
import { hostPort } from '../../lib/host-port.js';
import { StoreUnavailableError } from '../errors.js';

export interface RedisCredentials {
  readonly username?: string | undefined;
  readonly password: string;
}

export interface RedisTls {
  /** PEM texts. Without `ca` the runtime's certificate authorities decide. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** What the certificate must name instead of the host. */
  readonly servername?: string | undefined;
}

/** Asked at every connect, so that changed files count from the next connection on; `undefined` = none. */
export interface RedisAccess {
  readonly credentials?: (() => Promise<RedisCredentials | undefined>) | undefined;
  readonly tls?: (() => Promise<RedisTls | undefined>) | undefined;
}

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

export interface RedisEndpoint extends RedisAddress {
  readonly database?: number;
  readonly access: RedisAccess;
}

/** One usable connection. It is thrown away, never repaired. */
export interface RedisLink {
  send(command: readonly string[]): Promise<unknown>;
  /** Ends at once; commands in flight fail. */
  destroy(): void;
}

export const addressText = ({ host, port }: RedisAddress): string => hostPort(host, port);

/**
 * `redis://[user:password@]host[:port][/database]`, `rediss://` for TLS. What `access` gives wins over the URL.
 * @throws AppError without the text of the URL, which may hold a password.
 */
export function parseRedisUrl(text: string, access: RedisAccess = {}): RedisEndpoint {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const database = /^\/?(\d{0,5})$/.exec(url?.pathname ?? '-');
  if (url === undefined || !/^rediss?:$/.test(url.protocol) || url.hostname === '' || database === null) {
    throw new AppError(
      'ERR_REDIS_URL',
      'the Redis URL is not of the form redis://[user:password@]host[:port][/database]',
    );
  }
  const inUrl =
    url.password === ''
      ? undefined
      : {
          password: decodeURIComponent(url.password),
          username: url.username === '' ? undefined : decodeURIComponent(url.username),
        };
  const tlsInUrl = url.protocol === 'rediss:' ? {} : undefined;
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 6379 : Number(url.port),
    database: Number(database[1]),
    access: {
      credentials: async () => (await access.credentials?.()) ?? inUrl,
      tls: async () => (await access.tls?.()) ?? tlsInUrl,
    },
  };
}

/**
 * Opens one connection to one server; resolves when the server has answered the handshake. `onLost` is called
 * at most once, and not after `destroy`. The client's own reconnection and timeouts stay off: its command
 * timeout ends when the command is written, and its handshake has none.
 */
export async function openLink(
  { host, port, database = 0, access }: RedisEndpoint,
  timeoutMs: number,
  onLost: (error: Error) => void,
): Promise<RedisLink> {
  const reading = Promise.all([access.credentials?.(), access.tls?.()]);
  const [credentials, tls] = await withDeadline(reading, timeoutMs, 'reading the credentials of Redis');
  const common = { host, port, connectTimeout: timeoutMs, reconnectStrategy: false as const };
  const client = createClient({
    socket: tls ? { ...common, tls: true, servername: host, ...withoutUndefined(tls) } : common,
    ...(credentials ? { username: credentials.username ?? 'default', password: credentials.password } : {}),
    database,
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
    await withDeadline(connecting, timeoutMs, `connecting to Redis at ${addressText({ host, port })}`);
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

const withoutUndefined = (tls: RedisTls): { [Name in keyof RedisTls]?: string } =>
  Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined));
