import { describe, expect, test } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { runCli } from '../support/cli.js';

const fixtures = join(import.meta.dirname, 'fixtures');
const render = (...args: string[]) =>
  runCli(['render', 'good', '--for', 'envoy', ...args], { workingFolder: fixtures });

/** Compares with a file beside the fixtures; UPDATE_GOLDEN=1 writes it. */
function expectGolden(name: string, text: string): void {
  const file = join(fixtures, name);
  if (process.env['UPDATE_GOLDEN']) writeFileSync(file, text);
  expect(text).toBe(readFileSync(file, 'utf8'));
}

interface Cluster {
  readonly name: string;
  readonly load_assignment: {
    readonly endpoints: readonly { readonly lb_endpoints: readonly { endpoint: object }[] }[];
  };
  readonly transport_socket?: object;
}
const authzCluster = (text: string): Cluster =>
  (parse(text) as { clusters: Cluster[] }).clusters.find(({ name }) => name === 'countersign-authz')!;
const endpoints = (cluster: Cluster): object[] =>
  cluster.load_assignment.endpoints[0]!.lb_endpoints.map(({ endpoint }) => endpoint);

describe('render --for envoy', () => {
  test('prints what an Envoy of somebody needs, each part with what it is for, the same every time', async () => {
    const { exitCode, stdout, stderr } = await render('--authorizer', 'countersign-authorizer:9191');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expectGolden('good.own-envoy.yaml', stdout);
    expect(await render('--authorizer', 'countersign-authorizer:9191')).toMatchObject({ stdout });
  });

  test('prints the same as JSON, and each part by itself', async () => {
    const all = parse((await render()).stdout) as Record<string, unknown>;
    expect(JSON.parse((await render('--output', 'json')).stdout)).toEqual(all);
    const parts: Record<string, readonly string[]> = {
      listener: ['listener', 'http_connection_manager'],
      filter: ['http_filters'],
      routes: ['route_config', 'other_routes'],
      clusters: ['clusters'],
      secrets: [],
    };
    expect(Object.keys(all)).toEqual(Object.values(parts).flat());
    for (const [part, keys] of Object.entries(parts)) {
      const printed = parse((await render('--part', part)).stdout) as Record<string, unknown>;
      expect(printed).toEqual(Object.fromEntries(keys.map((key) => [key, all[key]])));
    }
  });

  test('reaches authorizers at sockets, or at ports with mutual TLS unless that is off', async () => {
    const onSockets = authzCluster((await render('--authorizer', '/run/a.sock', '--authorizer', '/run/b.sock')).stdout);
    expect(endpoints(onSockets)).toEqual([
      { address: { pipe: { path: '/run/a.sock' } } },
      { address: { pipe: { path: '/run/b.sock' } } },
    ]);
    expect(onSockets.transport_socket).toBeUndefined();
    const ports = ['--authorizer', '10.0.0.7:9191', '--authorizer', '[2001:db8::1]:9192'];
    const onPorts = authzCluster((await render(...ports)).stdout);
    expect(endpoints(onPorts)).toEqual([
      { address: { socket_address: { address: '10.0.0.7', port_value: 9191 } } },
      { address: { socket_address: { address: '2001:db8::1', port_value: 9192 } } },
    ]);
    expect(onPorts.transport_socket).toBeDefined();
    const { stdout: plain } = await render(...ports, '--authz-tls', 'off');
    expect(authzCluster(plain).transport_socket).toBeUndefined();
    expect(parse(plain)).not.toHaveProperty('secret_files');
  });

  test('names certificate files and the names of authorizers where they are given', async () => {
    const { stdout } = await render(
      ...['--authorizer', 'authz:9191', '--part', 'secrets', '--authorizer-name', 'authz.example'],
      ...['--authorizer-name', 'spiffe://example/authz', '--xds-cert', '/tls/own.crt', '--xds-key', '/tls/own.key'],
    );
    expect(stdout).toContain('filename: /tls/own.crt');
    expect(stdout).toMatch(/san_type: DNS\n\s+matcher:\n\s+exact: authz\.example/);
    expect(stdout).toMatch(/san_type: URI\n\s+matcher:\n\s+exact: spiffe:\/\/example\/authz/);
  });

  test.each([
    [['--authorizer', 'nowhere'], 'HOST:PORT'],
    [['--authorizer', 'a:70000'], 'HOST:PORT'],
    [['--authorizer', 'a:1', '--authorizer', '/run/a.sock'], 'not both'],
    [['--part', 'filters'], 'choices'],
    [['--effective'], 'cannot be used'],
  ])('%j is wrong usage', async (args, message) => {
    const { exitCode, stdout, stderr } = await render(...args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  test('its flags without it are wrong usage', async () => {
    const { exitCode, stderr } = await runCli(['render', 'good', '--part', 'routes'], { workingFolder: fixtures });
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining('--part needs --for envoy') });
  });
});
