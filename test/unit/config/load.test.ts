import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, loadConfig, type ConfigSources } from '../../../src/config/load.js';
import { renderConfigurationPage } from '../../../src/config/page.js';
import { keyOf, SETTINGS, variableOf } from '../../../src/config/settings.js';
import { readSurroundings } from '../../../src/config/surroundings.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-config-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const load = (sources: Partial<ConfigSources> = {}) =>
  loadConfig({ flags: {}, environment: {}, workingFolder: folder, ...sources });
const problems = (sources: Partial<ConfigSources>): readonly string[] => {
  try {
    load(sources);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
};

describe('where a setting comes from', () => {
  test('has defaults for everything that is needed', () => {
    expect(load()).toMatchObject({
      httpPort: 8080,
      httpAddress: '127.0.0.1',
      adminPort: 8081,
      authorizerTimeoutMs: 500,
      redisCommandTimeoutMs: 50,
      services: [],
      backendHosts: [],
      redisUrl: undefined,
    });
  });

  test('takes the flag before the variable, that before the file, that before the default', () => {
    const file = join(folder, 'gateway.yaml');
    writeFileSync(file, 'httpPort: 1001\nadminPort: 1002\nlogLevel: debug\n');
    const config = load({
      flags: { httpPort: '3001' },
      environment: { COUNTERSIGN_HTTP_PORT: '2001', COUNTERSIGN_ADMIN_PORT: '2002', COUNTERSIGN_CONFIG: file },
    });
    expect([config.httpPort, config.adminPort, config.logLevel, config.httpAddress]).toEqual([
      3001,
      2002,
      'debug',
      '127.0.0.1',
    ]);
  });

  test('reads lists from repeated flags, from a variable with commas and from a list in the file', () => {
    const services = [{ namespace: 'shop', name: 'orders', port: 8080, host: '127.0.0.1', targetPort: 9000 }];
    expect(load({ flags: { service: ['shop/orders:8080=127.0.0.1:9000'] } }).services).toEqual(services);
    expect(
      load({ environment: { COUNTERSIGN_SERVICE: 'shop/orders:8080=127.0.0.1:9000, shop/v6:80=[::1]:81' } }).services,
    ).toEqual([...services, { namespace: 'shop', name: 'v6', port: 80, host: '::1', targetPort: 81 }]);
    writeFileSync(join(folder, 'c.yaml'), 'service: [shop/orders:8080=127.0.0.1:9000]\n');
    expect(load({ file: 'c.yaml' }).services).toEqual(services);
  });

  test('resolves paths of the file from its folder, other paths from the working folder', () => {
    writeFileSync(join(folder, 'c.yaml'), 'tlsCert: cert.pem\n');
    const config = load({
      file: join(folder, 'c.yaml'),
      flags: { tlsKey: 'key.pem', httpsPort: '8443' },
      workingFolder: '/elsewhere',
    });
    expect([config.tlsCert, config.tlsKey]).toEqual([join(folder, 'cert.pem'), '/elsewhere/key.pem']);
  });

  test('is frozen', () => {
    expect(Object.isFrozen(load())).toBe(true);
    expect(Object.isFrozen(load().services)).toBe(true);
  });
});

describe('a bad setting', () => {
  test('is reported with its origin, together with all others', () => {
    writeFileSync(join(folder, 'c.yaml'), 'logLevel: loud\ncolour: red\n');
    expect(
      problems({ file: 'c.yaml', flags: { httpPort: '80a' }, environment: { COUNTERSIGN_ADMIN_PORT: '0' } }),
    ).toEqual([
      `--config ${join(folder, 'c.yaml')}: there is no setting "colour"`,
      '--http-port: must be a whole number from 1 to 65535, not "80a"',
      'COUNTERSIGN_ADMIN_PORT: must be a whole number from 1 to 65535, not "0"',
      `logLevel in ${join(folder, 'c.yaml')}: must be one of trace, debug, info, warn, error, silent, not "loud"`,
    ]);
  });

  test.each([
    [{ httpsPort: '8443' }, '--https-port: needs --tls-cert and --tls-key'],
    [{ tlsCert: 'a' }, '--tls-cert, --tls-key: need --https-port'],
    [{ adminPort: '8080' }, '--admin-port: 8080 is already that of --http-port'],
    [
      { service: ['shop/orders=x:1'] },
      '--service: must be namespace/name:port=host:port, such as shop/orders:8080=127.0.0.1:9000, not "shop/orders=x:1"',
    ],
    [
      { hostnames: ['a.example.com'] },
      '--hostnames: must be namespace=pattern, such as shop=*.shop.example.com, not "a.example.com"',
    ],
    [
      { authorizerTimeout: '0s' },
      '--authorizer-timeout: must be a duration greater than 0, such as 50ms or 5s, not "0s"',
    ],
  ])('%j', (flags, message) => {
    expect(problems({ flags })).toEqual([message]);
  });

  test('says where a configuration file cannot be read', () => {
    writeFileSync(join(folder, 'broken.yaml'), 'httpPort: [1\n');
    expect(problems({ file: 'broken.yaml' })[0]).toMatch(/broken\.yaml: .*line 2/);
    expect(problems({ file: 'missing.yaml' })[0]).toMatch(/missing\.yaml: does not exist/);
  });

  test('never repeats a Redis URL, which may hold a password', () => {
    expect(problems({ flags: { redisUrl: 'http://:hunter2@host' } }).join()).not.toContain('hunter2');
    const config = load({ flags: { redisUrl: 'rediss://:hunter2@host:6379' } });
    expect(JSON.stringify(config)).not.toContain('hunter2');
  });
});

describe('the place of Redis', () => {
  test('is one server, Sentinels with the name of their master, or servers of a cluster', () => {
    const sentinel = { redisSentinel: ['s1:26379', '[::1]:26379'], redisMasterName: 'limits' };
    expect(load({ flags: sentinel })).toMatchObject({
      redisSentinels: [
        { host: 's1', port: 26379 },
        { host: '::1', port: 26379 },
      ],
      redisMasterName: 'limits',
    });
    expect(load({ environment: { COUNTERSIGN_REDIS_CLUSTER: 'c1:7001, c2:7001' } }).redisCluster).toEqual([
      { host: 'c1', port: 7001 },
      { host: 'c2', port: 7001 },
    ]);
  });

  const url = { redisUrl: 'redis://r' };
  test.each([
    ['two places', { ...url, redisCluster: ['c:1'] }, /--redis-url, --redis-cluster: only one/],
    ['Sentinels without a master name', { redisSentinel: ['s:1'] }, /need each other/],
    ['a master name without Sentinels', { ...url, redisMasterName: 'm' }, /need each other/],
    ['a node without a port', { redisCluster: ['c'] }, /must be host:port/],
    ['a password for counters in memory', { redisPasswordFile: 'p' }, /--redis-password-file: needs --redis-url/],
    ['a user without a password', { ...url, redisUsernameFile: 'u' }, /needs --redis-password-file/],
    ['a certificate without its key', { ...url, redisTlsCert: 'c' }, /--redis-tls-cert: needs --redis-tls-key/],
    ['TLS off with an authority', { ...url, redisTls: 'off', redisTlsCa: 'ca' }, /contradicts --redis-tls-ca/],
  ])('refuses %s', (_, flags, message) => {
    expect(problems({ flags }).join('\n')).toMatch(message);
  });
});

describe('the table of settings', () => {
  test('names each flag, variable and key once, and says what it means', () => {
    const settings = Object.values(SETTINGS);
    expect(new Set(settings.map(variableOf)).size).toBe(settings.length);
    expect(new Set(settings.map(keyOf)).size).toBe(settings.length);
    for (const setting of settings) expect(setting.about).toMatch(/^[A-Z].*\.$/);
  });

  test('is what docs/reference/configuration.md shows (UPDATE_DOCS=1 rewrites it)', () => {
    const file = join(import.meta.dirname, '../../../docs/reference/configuration.md');
    if (process.env['UPDATE_DOCS']) writeFileSync(file, renderConfigurationPage());
    expect(readFileSync(file, 'utf8')).toBe(renderConfigurationPage());
  });
});

describe('the surroundings', () => {
  test('put the cache below XDG_CACHE_HOME when that is absolute, else below the home folder', () => {
    expect(readSurroundings({ XDG_CACHE_HOME: '/var/cache' }).cacheFolder).toBe('/var/cache/countersign');
    expect(readSurroundings({ XDG_CACHE_HOME: 'cache' }).cacheFolder).toMatch(/\/\.cache\/countersign$/);
  });
});
