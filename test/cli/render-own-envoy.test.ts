import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { clusterTranslateContext } from '../../src/app/context.js';
import { loadConfig } from '../../src/config/load.js';
import { readObjects } from '../../src/provider/file/manifest-objects.js';
import { parseManifest } from '../../src/provider/file/manifest.js';
import { createResourceSet } from '../../src/resources/resource-set.js';
import { translate } from '../../src/translate/translate.js';
import { runCli } from '../support/cli.js';
import { ordersGroup } from '../support/resources/manifests.js';

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

  describe('of objects that a cluster has', () => {
    const group = `${ordersGroup()}
---
apiVersion: countersign.dev/v1alpha1
kind: ApiGroup
metadata: {name: partner, namespace: shop}
spec:
  hostnames: [partner.example.com]
  verification: {dialects: [Huawei]}
  backend: {type: URL, url: 'https://api.internal.example.com'}
  environments: [{name: release, default: true}]
  apis: [{name: all, match: {path: {type: Prefix, value: /}}}]
`;
    const service = `
apiVersion: v1
kind: Service
metadata: {name: orders, namespace: shop}
spec: {ports: [{port: 8080}]}
`;
    const flags = ['--backend-hosts', '*.internal.example.com', '--cluster-domain', 'corp.example'];
    let folder: string;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'countersign-in-cluster-'));
      writeFileSync(join(folder, 'groups.yaml'), group);
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    /** Ids of routes as a controller in the cluster has them. */
    async function routesInCluster(): Promise<readonly string[]> {
      const manifest = await parseManifest(`${group}---${service}`);
      if (!manifest.ok) throw new Error(manifest.fault.message);
      const resources = manifest.documents.flatMap(readObjects).flatMap(({ resource }) => resource ?? []);
      const config = loadConfig({
        flags: { backendHosts: ['*.internal.example.com'], clusterDomain: 'corp.example' },
        environment: {},
        workingFolder: '/',
      });
      const context = { ...clusterTranslateContext(config), nowMs: 0 };
      const { model } = translate(createResourceSet(resources), context);
      return model.groups.flatMap(({ environments }) =>
        environments.flatMap(({ apis }) => apis.map(({ route }) => route.id)),
      );
    }
    const routesIn = (text: string): readonly string[] =>
      [...new Set([...text.matchAll(/ route: (\w{24})$/gm)].map(([, id]) => id!))].sort();

    test('has the routes of the controller there, by the names of Services', async () => {
      const { stdout, stderr } = await runCli(['render', folder, '--for', 'envoy', '--in-cluster', ...flags]);
      expect(stdout).toContain('address: orders.shop.svc.corp.example.');
      expect(stdout).toContain('address: api.internal.example.com.');
      expect(stderr).toMatch(/^\S+ warning ServiceNotFound: .* taken to be in the cluster/m);
      expect(routesIn(stdout)).toEqual(expect.arrayContaining([...new Set(await routesInCluster())]));
    });

    test('has others without it, which an authorizer there refuses as route_mismatch', async () => {
      const place = ['--service', 'shop/orders:8080=127.0.0.1:9000'];
      const { stdout } = await runCli(['render', folder, '--for', 'envoy', ...place]);
      for (const route of await routesInCluster()) expect(routesIn(stdout)).not.toContain(route);
    });

    test('takes no URL that the controller would refuse', async () => {
      const { exitCode, stderr } = await runCli(['render', folder, '--for', 'envoy', '--in-cluster']);
      expect(exitCode).toBe(1);
      expect(stderr).toContain('BackendNotPermitted');
    });
  });

  test('its flags without it are wrong usage', async () => {
    const { exitCode, stderr } = await runCli(['render', 'good', '--part', 'routes'], { workingFolder: fixtures });
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining('--part needs --for envoy') });
  });
});
