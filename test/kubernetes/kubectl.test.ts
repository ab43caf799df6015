import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { crdSchema, type Schema } from '../../src/api/crd.js';
import { KINDS } from '../../src/api/types.js';
import { OUR_TYPES } from '../../src/provider/kubernetes/resource-types.js';
import { findKubeBinaries, startKubeApiServer, type KubeApiServer } from '../support/kubernetes/kube-api-server.js';
import { connectAs, createNamespace, installCrds, type KubeUser } from '../support/kubernetes/kube-operator.js';
import { createKubectl, findKubectl, type Kubectl } from '../support/kubernetes/kubectl.js';
import { apiGroup, backendKey, grant, importedKey, toYaml, usagePlan } from '../support/resources/resources.js';

/** `path: description` of every field; items of lists of scalars have none that kubectl would show. */
function* descriptions(schema: Schema, path: string): Generator<readonly [path: string, description: string]> {
  for (const [name, member] of Object.entries(schema.properties ?? {})) {
    const at = `${path}.${name}`;
    if (at === '.metadata') continue;
    yield [at, (member.description ?? '').replace(/\s+/g, ' ').trim()];
    yield* descriptions(member, at);
    if (member.items) yield* descriptions(member.items, `${at}[]`);
    if (member.additionalProperties) yield* descriptions(member.additionalProperties, `${at}{}`);
  }
}

describe.each(KINDS)('the texts of %s for kubectl explain', (kind) => {
  const fields = [...descriptions(crdSchema(kind), '')];

  test('are there for every field and end as sentences', () => {
    expect(fields.length).toBeGreaterThan(20);
    expect(fields.filter(([, text]) => !/^[A-Z].{5,}[.:]$/.test(text))).toEqual([]);
  });
  test('say each default that the schema has', () => {
    const silent = [...defaults(crdSchema(kind), '')].filter(
      ([, value, text]) => (typeof value === 'string' || typeof value === 'number') && !text.includes(`${value}`),
    );
    expect(silent).toEqual([]);
  });
});

function* defaults(schema: Schema, path: string): Generator<readonly [string, unknown, string]> {
  for (const [name, member] of Object.entries(schema.properties ?? {})) {
    if (member.default !== undefined) yield [`${path}.${name}`, member.default, member.description ?? ''];
    yield* defaults(member, `${path}.${name}`);
    if (member.items) yield* defaults(member.items, `${path}.${name}[]`);
  }
}

const binaries = findKubeBinaries();
const found = findKubectl();

if (typeof binaries === 'string' || typeof found === 'string') {
  const missing = [binaries, found].filter((each) => typeof each === 'string').join('; ');
  describe.skip(`kubectl: not run, ${missing}`, () => test('tables', () => undefined));
} else {
  describe('kubectl', () => {
    let server: KubeApiServer;
    let admin: KubeUser;
    let kubectl: Kubectl;

    beforeAll(async () => {
      server = await startKubeApiServer(binaries);
      await installCrds(server);
      await createNamespace(server, 'shop');
      admin = await connectAs(server, server.token);
      kubectl = createKubectl(found.path, admin.kubeconfig);
      const backend = { type: 'Service', service: { name: 'orders', port: 8080 } };
      const { exitCode, stderr } = await kubectl(
        ['apply', '--server-side', '-f', '-'],
        toYaml(
          ...importedKey('mobile', 'AKIDmobile0000000001', 'kubectl-secret-0001', {
            expirationTime: '2030-01-01T00:00:00Z',
          }),
          ...backendKey('orders', 'BKIDorders0000000001', 'kubectl-secret-0002'),
          ...importedKey('old', 'AKIDold0000000000001', 'kubectl-secret-0003', { state: 'Disabled' }),
          apiGroup('orders', { verification: { dialects: ['JDCloud'] }, backend, hostnames: ['api.example.com'] }),
          grant('mobile', ['mobile'], 'orders'),
          usagePlan('gold', ['mobile'], 'orders', { rateLimits: [{ name: 'rps', requests: 5, interval: '1s' }] }),
        ),
      );
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
      await setStatus('sigkey/mobile', { keyID: 'AKIDmobile0000000001', pairID: 'pair-1', ...ready('True', 'Ready') });
      await setStatus('sigkey/old', { keyID: 'AKIDold0000000000001', ...ready('True', 'Disabled') });
      await setStatus('sigkey/orders', {
        ...ready('False', 'SecretNotFound', 'spec.secretRef.name: Secret orders does not exist in this namespace'),
      });
      await setStatus('apigrp/orders', {
        environments: [{ name: 'release', state: 'Released', url: 'http://api.example.com/orders/release', apis: 1 }],
        ...ready('False', 'ServiceNotFound', 'spec.backend: Service orders does not exist in this namespace'),
      });
      await setStatus('apiauthz/mobile', {
        effective: { keys: 1, apis: 1 },
        ...ready('Unknown', 'Propagating', '1/2'),
      });
      await setStatus('uplan/gold', {
        planID: 'usagePlan-gold0001',
        bindings: { keys: 1, targets: 1, conflicts: 0 },
        limiter: { mode: 'Single', healthy: true },
        ...ready('True', 'Ready'),
      });
    }, 120_000);
    afterAll(async () => {
      await admin?.close();
      await server?.stop();
    });

    const ready = (status: string, reason: string, message = '') => ({
      observedGeneration: 1,
      conditions: [{ type: 'Ready', status, reason, message, lastTransitionTime: '2027-01-01T00:00:00Z' }],
    });
    async function setStatus(object: string, status: object): Promise<void> {
      const patch = JSON.stringify({ status });
      const { exitCode, stderr } = await kubectl([
        'patch',
        '-n',
        'shop',
        object,
        '--subresource',
        'status',
        '--type',
        'merge',
        '-p',
        patch,
      ]);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    }
    /** Without the age, and without blanks at the ends of lines. */
    async function table(...args: readonly string[]): Promise<string> {
      const { stdout, stderr } = await kubectl(['get', '-n', 'shop', ...args]);
      expect(stderr).toBe('');
      return stdout.replace(/ \d+[sm]( |$)/gm, ' 9s$1').replace(/ +$/gm, '');
    }

    test.each([
      [
        'sigkey',
        `NAME     KEY-ID                 IDENTITY           STATE      READY   EXPIRES                AGE
mobile   AKIDmobile0000000001   SignatureKeyPair   Enabled    True    2030-01-01T00:00:00Z   9s
old      AKIDold0000000000001   SignatureKeyPair   Disabled   True                           9s
orders                                             Enabled    False                          9s
`,
      ],
      [
        'apigrp',
        `NAME     HOSTNAMES             BASE-PATH   READY   AGE
orders   ["api.example.com"]   /orders     False   9s
`,
      ],
      [
        'apiauthz',
        `NAME     TYPE               STATE     KEYS   APIS   READY     EXPIRES   AGE
mobile   GatewaySignature   Enabled   1      1      Unknown             9s
`,
      ],
      [
        'uplan',
        `NAME   PLAN-ID              STATE     KEYS   TARGETS   CONFLICTS   READY   AGE
gold   usagePlan-gold0001   Enabled   1      1         0           True    9s
`,
      ],
    ])('get %s says what works', async (kind, wanted) => {
      expect(await table(kind)).toBe(wanted);
    });

    test.each([
      ['sigkey', /^orders .* Backend +HMAC +SecretNotFound +spec\.secretRef\.name: Secret orders does not exist/m],
      [
        'apigrp',
        /^orders .*http:\/\/api\.example\.com\/orders\/release +ServiceNotFound +spec\.backend: Service orders/m,
      ],
      ['apiauthz', /^mobile .*Propagating +1\/2$/m],
      ['uplan', /^gold .*Single +Ready$/m],
    ])('get %s -o wide says why', async (kind, wanted) => {
      expect(await table(kind, '-o', 'wide')).toMatch(wanted);
    });

    test('get countersign lists all kinds', async () => {
      const { stdout } = await kubectl(['get', 'countersign', '-A', '-o', 'name']);
      expect(stdout.trim().split('\n').sort()).toEqual([
        'apigroup.countersign.dev/orders',
        'authorization.countersign.dev/mobile',
        'signaturekey.countersign.dev/mobile',
        'signaturekey.countersign.dev/old',
        'signaturekey.countersign.dev/orders',
        'usageplan.countersign.dev/gold',
      ]);
    });

    test.each(KINDS)('explain shows the whole of %s', async (kind) => {
      const { plural } = OUR_TYPES[kind];
      for (const part of ['spec', 'status']) {
        const { exitCode, stdout } = await kubectl(['explain', `${plural}.countersign.dev.${part}`, '--recursive']);
        expect(exitCode).toBe(0);
        const names = Object.keys(crdSchema(kind).properties?.[part]?.properties ?? {});
        for (const name of names) expect(stdout).toMatch(new RegExp(`^  ${name}\\t`, 'm'));
      }
    });

    test('explain tells what a field is for', async () => {
      const { stdout } = await kubectl(['explain', 'signaturekey.spec.allowedAuthorizers.namespaces.from']);
      expect(stdout).toContain('ENUM:');
      expect(stdout.replace(/\s+/g, ' ')).toContain("Same: only the key's own namespace.");
    });

    test('wait returns when an object becomes ready, and fails while it is not', async () => {
      const wait = (timeout: string) =>
        kubectl(['wait', '-n', 'shop', 'signaturekey/orders', '--for=condition=Ready', `--timeout=${timeout}`]);
      const early = await wait('1s');
      expect(early.exitCode).toBe(1);
      expect(early.stderr).toContain('timed out waiting for the condition');
      const waiting = wait('20s');
      await setStatus('sigkey/orders', ready('True', 'Ready'));
      expect(await waiting).toMatchObject({
        exitCode: 0,
        stdout: 'signaturekey.countersign.dev/orders condition met\n',
      });
    });

    test('wait does not take a new object for ready', async () => {
      const object = toYaml(...importedKey('fresh', 'AKIDfresh00000000001', 'kubectl-secret-0004').slice(0, 1));
      expect((await kubectl(['apply', '-f', '-'], object)).exitCode).toBe(0);
      const args = ['wait', '-n', 'shop', 'sigkey/fresh', '--for=condition=Ready', '--timeout=1s'];
      expect((await kubectl(args)).exitCode).toBe(1);
      expect(await table('sigkey', 'fresh', '-o', 'wide')).toMatch(/Unknown .*Pending +Waiting for the controller$/m);
    });
  });
}
