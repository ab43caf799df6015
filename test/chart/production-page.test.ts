/** docs/production.md: each block of values rendered, alone and with the others, and its commands for Secrets run. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { selfSigned } from '../support/certificate.js';
import { codeBlocks, readPage } from '../support/code-blocks.js';
import { findProgram } from '../support/find-program.js';
import { CHART, containersOf, missing, NAMESPACE, nameOf, objectsOf, podsOf, render } from './helm.js';
import type { KubeObject } from './helm.js';

const page = readPage('production.md');
const yaml = codeBlocks(page, 'yaml').map((text) => ({ text, data: parse(text) as Readonly<Record<string, unknown>> }));
const values = yaml.filter(({ data }) => data['kind'] === undefined);
const valuesWith = (path: string): string =>
  values.find(({ data }) => path.split('.').reduce<unknown>((at, name) => (at as never)?.[name], data) !== undefined)!
    .text;
/** The command of the page that makes a Secret, by the Secret's name. */
const secretCommands = new Map(
  codeBlocks(page, 'sh')
    .flatMap((body) => body.split('\n'))
    .flatMap((line) => {
      const found = /^kubectl create secret \w+ ([\w-]+) /.exec(line);
      return found ? [[found[1]!, line] as const] : [];
    }),
);

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'countersign-production-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function rendered(...texts: readonly string[]): Promise<KubeObject[]> {
  const files = texts.map((text, i) => {
    const file = join(folder, `values-${i}.yaml`);
    writeFileSync(file, text);
    return ['--values', file];
  });
  return objectsOf(await render(...files.flat(), '--set', 'crds.enabled=false'));
}
const find = (objects: readonly KubeObject[], name: string) => objects.find((object) => nameOf(object) === name);
const named = (name: string): string => name.replace(' ', ` ${NAMESPACE}/`);

if (missing !== undefined)
  test.skip(`docs/production.md: ${missing} found neither in KUBEBUILDER_ASSETS nor on PATH`, () => undefined);
else {
  describe('the values of docs/production.md', () => {
    test.each(values.map(({ text }) => [text.trim().split('\n', 2).join(' '), text]))(
      '%s … renders',
      async (_, text) => {
        expect((await rendered(text)).length).toBeGreaterThan(0);
      },
    );

    test('render together', async () => {
      expect((await rendered(...values.map(({ text }) => text))).length).toBeGreaterThan(0);
    });

    test('have the defaults that the text says', () => {
      const defaults = parse(readFileSync(join(CHART, 'values.yaml'), 'utf8')) as {
        readonly gateway: { readonly drainSeconds: number };
        readonly controller: { readonly maxHeap: number };
        readonly authorizer: { readonly maxHeap: number };
      };
      expect(page).toContain(`\`gateway.drainSeconds\` (${defaults.gateway.drainSeconds})`);
      expect(page.replace(/\s+/g, ' ')).toContain(
        `The defaults (${defaults.controller.maxHeap} and ${defaults.authorizer.maxHeap})`,
      );
    });

    test('offer HTTPS alone, with the certificate of the Secret', async () => {
      const objects = await rendered(valuesWith('gateway.https'));
      const { ports } = find(objects, named('Service countersign-gateway'))!['spec'] as { ports: { port: number }[] };
      expect(ports.map(({ port }) => port)).toEqual([443]);
      expect(JSON.stringify(find(objects, named('Deployment countersign-gateway')))).toContain('"gateway-tls"');
    });

    test('lead controller and authorizers to Redis with user, password and TLS', async () => {
      const objects = await rendered(valuesWith('redis'));
      const pods = podsOf(objects);
      for (const [pod, container] of [
        ['countersign-controller', 'controller'],
        ['countersign-gateway', 'authorizer'],
      ] as const) {
        const spec = pods.get(pod)!;
        expect(containersOf(spec).find(({ name }) => name === container)?.args).toEqual(
          expect.arrayContaining([
            '--redis-url=rediss://redis.example.com:6380',
            '--redis-username-file=/etc/countersign/redis/username',
            '--redis-password-file=/etc/countersign/redis/password',
            '--redis-tls-ca=/etc/countersign/redis-tls/ca.crt',
            '--redis-tls-cert=/etc/countersign/redis-tls/tls.crt',
          ]),
        );
        expect(JSON.stringify(spec)).toMatch(/"secretName":"redis-tls"/);
        expect(JSON.stringify(spec)).toMatch(/"secretName":"redis-user"/);
      }
      expect(find(objects, named('Deployment countersign-redis'))).toBeUndefined();
    });

    test('watch two namespaces without a ClusterRole, and test in the first of them', async () => {
      const objects = await rendered(valuesWith('watchNamespaces'));
      expect(objects.filter(({ kind }) => kind.startsWith('ClusterRole'))).toEqual([]);
      const roles = objects.filter(({ kind }) => kind === 'Role').map(nameOf);
      expect(roles).toEqual(
        expect.arrayContaining([
          'Role shop/countersign-controller-objects',
          'Role mobile/countersign-controller-objects',
        ]),
      );
      expect(roles).not.toContain(named('Role countersign-status'));
      const tested = objects.filter(({ metadata }) => metadata.annotations?.['helm.sh/hook'] === 'test');
      expect(tested.map(({ kind }) => kind)).toEqual(
        expect.arrayContaining(['SignatureKey', 'ApiGroup', 'Authorization', 'Pod']),
      );
      expect(new Set(tested.map(({ metadata }) => metadata.namespace))).toEqual(new Set(['shop']));
    });

    test('let the test have the host name that they allow it', async () => {
      const [group] = (await rendered(valuesWith('hostnames'))).filter(({ kind }) => kind === 'ApiGroup');
      const { hostnames } = group!['spec'] as { hostnames: string[] };
      expect(valuesWith('hostnames')).toContain(`${group!.metadata.namespace}=${hostnames.join()}`);
    });

    test('scale and keep enough pods, alert, and admit Prometheus', async () => {
      const objects = await rendered(
        ...values.map(({ text }) => text).filter((text) => !text.includes('watchNamespaces')),
      );
      for (const name of [
        'HorizontalPodAutoscaler countersign-gateway',
        'PodDisruptionBudget countersign-gateway',
        'PodDisruptionBudget countersign-controller',
        'ServiceMonitor countersign-controller',
        'ServiceMonitor countersign-gateway',
        'NetworkPolicy countersign-controller',
      ])
        expect([name, find(objects, named(name)) === undefined]).toEqual([name, false]);
      expect(JSON.stringify(find(objects, named('NetworkPolicy countersign-gateway')))).toContain('monitoring');
      expect(objects.map(({ kind }) => kind)).toContain('ValidatingAdmissionPolicy');
      const rules = JSON.stringify(find(objects, named('PrometheusRule countersign')));
      const listed = [...page.matchAll(/^\| `(Countersign\w+)` +\| (\w+) /gm)];
      expect(listed.length).toBeGreaterThan(5);
      for (const [, alert] of listed) expect(rules).toContain(`"alert":"${alert}"`);
    });
  });

  describe('the Secrets of docs/production.md', () => {
    test('are made by a command of the page, each that values name', () => {
      const wanted = [
        ...values
          .map(({ text }) => text)
          .join('')
          .matchAll(/secretName: ([\w-]+)/gi),
      ].map(([, name]) => name);
      expect(wanted.sort()).toEqual([...secretCommands.keys()].sort());
    });

    test('have the data that pods read', () => {
      const { certificate, privateKey } = selfSigned('gateway.example.com');
      const files = {
        'tls.crt': certificate,
        'tls.key': privateKey,
        'ca.crt': certificate,
        'redis-password': 'secret',
      };
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
      const dataOf = (name: string): string[] => {
        const command = `${secretCommands.get(name)!} --dry-run=client --output yaml`;
        const path = `${dirname(findProgram('kubectl')!)}:${process.env['PATH']}`;
        const output = execFileSync('bash', ['-c', command], {
          cwd: folder,
          encoding: 'utf8',
          env: { PATH: path, HOME: folder },
        });
        return Object.keys((parse(output) as { data: object }).data).sort();
      };
      expect(dataOf('gateway-tls')).toEqual(['tls.crt', 'tls.key']);
      expect(dataOf('redis-user')).toEqual(['password', 'username']);
      expect(dataOf('redis-tls')).toEqual(['ca.crt', 'tls.crt', 'tls.key']);
    });
  });
}
