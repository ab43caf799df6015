/** How the Redis store gets in: TLS, client certificates and an ACL user from files, and what a rotation does. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AccessFiles, createAccess } from '../../src/ratelimit/redis/access-files.js';
import { createRedisStore, type RedisPlace, type RedisStore } from '../../src/ratelimit/redis/store.js';
import { selfSigned } from '../support/certificate.js';
import { eventually } from '../support/eventually.js';
import { type RedisServer, startRedis } from '../support/redis/redis.js';
import { startTlsProxy, type TlsProxy } from '../support/redis/tls-proxy.js';
import { admission, PATIENT, quota } from './store-suite.js';

const server = selfSigned('redis.internal');
const client = selfSigned('authorizer');
const stranger = selfSigned('stranger');

let redis: RedisServer;
let folder: string;
let stores: RedisStore[] = [];
let unwatch: (() => void)[] = [];
beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-access-'));
});
afterEach(async () => {
  for (const stop of unwatch) stop();
  await Promise.all(stores.map((store) => store.close()));
  [stores, unwatch] = [[], []];
  rmSync(folder, { recursive: true, force: true });
});
afterAll(() => redis.stop());

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function open(place: RedisPlace, files: AccessFiles): RedisStore {
  const access = createAccess(files);
  // Renewing leaves the old connection the time of a command.
  const store = createRedisStore({ ...place, ...PATIENT, commandTimeoutMs: 500, ...access });
  unwatch.push(access.watch(() => void store.renew(), 20));
  stores.push(store);
  return store;
}

const admits = (store: RedisStore): Promise<void> =>
  eventually(async () => expect((await store.admit(admission({ quotas: [quota()] }))).outcome).toBe('admitted'));
const message = (store: RedisStore, pattern: RegExp): Promise<void> =>
  eventually(() => expect(store.health().message).toMatch(pattern));

const connections = async (name: string): Promise<string[]> =>
  String(await redis.command('CLIENT', 'LIST'))
    .split('\n')
    .filter((line) => line.includes(` user=${name} `))
    .map((line) => /id=(\d+)/.exec(line)?.[1] ?? '');

describe('TLS', () => {
  let proxy: TlsProxy;
  beforeEach(async () => {
    proxy = await startTlsProxy(redis.port, {
      cert: server.certificate,
      key: server.privateKey,
      ca: [client.certificate],
      requestCert: true,
      rejectUnauthorized: true,
    });
  });
  afterEach(() => proxy.close());

  const files = (changed: Partial<AccessFiles> = {}): AccessFiles => ({
    caFile: file('ca.pem', server.certificate),
    certFile: file('tls.crt', client.certificate),
    keyFile: file('tls.key', client.privateKey),
    serverName: 'redis.internal',
    ...changed,
  });
  const place = () => ({ url: `redis://127.0.0.1:${proxy.port}` });

  test('with certificate authority, client certificate and server name from files', async () => {
    await admits(open(place(), files()));
  });

  test('refuses a server of another authority, and one with another name', async () => {
    await message(open(place(), files({ caFile: file('other.pem', stranger.certificate) })), /self-signed/);
    await message(open(place(), files({ serverName: 'elsewhere' })), /altnames|Altnames/i);
    await message(open({ url: `rediss://127.0.0.1:${proxy.port}` }, {}), /self-signed/);
  });

  test('is refused by the server without a client certificate, or with a stranger\u2019s', async () => {
    const without = open(place(), files({ certFile: undefined, keyFile: undefined }));
    const other = open(
      place(),
      files({ certFile: file('s.crt', stranger.certificate), keyFile: file('s.key', stranger.privateKey) }),
    );
    for (const store of [without, other])
      await eventually(() => {
        expect(store.health()).toMatchObject({ healthy: false });
        expect(store.health().message).not.toBe('connecting');
      });
  });

  test('takes up a changed certificate without a refused request', async () => {
    const store = open(place(), files());
    await admits(store);
    const before = proxy.accepted;
    let busy = true;
    let admitted = 0;
    const load = (async () => {
      while (busy) if ((await store.admit(admission({ quotas: [quota()] }))).outcome === 'admitted') admitted += 1;
    })();
    const next = selfSigned('next-authorizer');
    proxy.setSecureContext({ ca: [client.certificate, next.certificate] });
    file('tls.crt', next.certificate);
    file('tls.key', next.privateKey);
    await eventually(() => expect(proxy.accepted).toBeGreaterThan(before));
    await new Promise((resolve) => setTimeout(resolve, 50));
    busy = false;
    await load; // rejects with the first refused request
    expect(admitted).toBeGreaterThan(0);
    expect(store.health()).toMatchObject({ healthy: true, message: 'connected' });
  });

  test('says so, and keeps its connection, when the changed files do not work', async () => {
    const store = open(place(), files());
    await admits(store);
    file('ca.pem', stranger.certificate);
    await message(store, /^connected, but not with the changed files: .*self-signed/);
    await admits(store);
    expect(store.health().healthy).toBe(true);
  });
});

describe('an ACL user from files', () => {
  const rules = [
    '~countersign:*',
    '-@all',
    '+eval',
    '+evalsha',
    '+get',
    '+set',
    '+incr',
    '+time',
    '+hello',
    '+select',
    '+info',
  ];
  const setUser = (name: string, password: string) =>
    redis.command('ACL', 'SETUSER', name, 'reset', 'on', `>${password}`, ...rules);
  const place = () => ({ url: redis.url });

  test('with the rights of the documentation is enough, also to look for flaws', async () => {
    await setUser('limiter', 'first');
    const store = open(place(), { usernameFile: file('user', 'limiter\n'), passwordFile: file('password', 'first\n') });
    await admits(store);
    await eventually(() => expect(store.health().flaws).toMatchObject([{ check: 'persistence' }]));
  });

  test('is the default user without a user file', async () => {
    const guarded = await startRedis();
    try {
      await guarded.command('ACL', 'SETUSER', 'default', 'resetpass', '>open sesame');
      await admits(open({ url: guarded.url }, { passwordFile: file('password', 'open sesame') }));
    } finally {
      await guarded.stop();
    }
  });

  test('a changed password is used from then on, by a new connection before the old one ends', async () => {
    await setUser('rotated', 'first');
    const passwordFile = file('password', 'first');
    const store = open(place(), { usernameFile: file('user', 'rotated'), passwordFile });
    await admits(store);
    const [old] = await connections('rotated');
    await setUser('rotated', 'second');
    file('password', 'second');
    await eventually(async () => {
      const now = await connections('rotated');
      expect(now).toHaveLength(1);
      expect(now[0]).not.toBe(old);
    });
    await admits(store);
  });

  test('a missing file is an outage with a cause, and mended by the file', async () => {
    await setUser('late', 'comes');
    const passwordFile = join(folder, 'late');
    const store = open(place(), { usernameFile: file('user', 'late'), passwordFile });
    await message(store, /cannot be read: .*ENOENT/);
    file('late', 'comes');
    await admits(store);
  });

  test('a password never shows in health', async () => {
    const store = open(place(), { passwordFile: file('password', 'cAnArY-pass'), usernameFile: file('user', 'who') });
    await message(store, /WRONGPASS/);
    expect(JSON.stringify(store.health())).not.toContain('cAnArY');
  });
});
