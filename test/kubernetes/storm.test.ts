import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { findKubeBinaries } from '../support/kubernetes/kube-api-server.js';
import type { KubeObject, OperatorPlane } from '../support/kubernetes/operator-plane.js';
import { randomFrom, shuffled } from '../support/random.js';
import { ask, shopGrant, shopGroup, shopKey, startShop } from '../support/kubernetes/shop.js';

const binaries = findKubeBinaries();
const KILLS = 50;
const GROUPS = 12;
const KEYS = 24;
const GENERATED = 12;
const PLANS = 4;

type Step = (operator: OperatorPlane) => Promise<void>;

const number = (i: number): string => String(i).padStart(2, '0');
const generatedKey = (name: string, spec: KubeObject = {}): KubeObject => ({
  apiVersion: 'countersign.dev/v1alpha1',
  kind: 'SignatureKey',
  metadata: { name, namespace: 'shop' },
  spec: { usage: 'Caller', identity: 'SignatureKeyPair', type: 'HMAC', ...spec },
});

/** Far above what the cases ask. */
const plan = (name: string, group: string, key: string, requests: number): KubeObject => ({
  apiVersion: 'countersign.dev/v1alpha1',
  kind: 'UsagePlan',
  metadata: { name, namespace: 'shop' },
  spec: {
    rateLimits: [{ name: 'rps', requests, interval: '1s', scope: 'Key' }],
    keys: { refs: [{ name: key }] },
    targets: [{ apiGroup: group, environment: 'release', apis: ['*'] }],
  },
});

/** What users do, in rounds: within one in any order, since what refers and what is referred to come independently. */
function rounds(random: () => number): Step[] {
  const apply =
    (...objects: KubeObject[]): Step =>
    (operator) =>
      operator.apply(...objects);
  const create: Step[] = [];
  const edit: Step[] = [];
  const remove: Step[] = [];
  for (let i = 0; i < GROUPS; i += 1) {
    const group = `group-${number(i)}`;
    const keys = [0, 1].map((each) => `key-${number((2 * i + each) % KEYS)}`);
    create.push(apply(shopGroup(group)), apply(shopGrant(group, [...keys, `generated-${number(i)}`])));
    if (i % 3 === 0) edit.push(apply(shopGroup(group, { basePath: `/moved-${number(i)}` })));
    if (i % 4 === 1) edit.push(apply(shopGrant(group, keys, { state: 'Disabled' })));
    if (i % 6 === 5) remove.push((operator) => operator.remove('ApiGroup', group));
  }
  for (let i = 0; i < KEYS; i += 1) {
    const name = `key-${number(i)}`;
    const [key, secret] = shopKey(name) as [KubeObject, KubeObject];
    create.push(apply(key), apply(secret));
    if (i % 4 === 2) edit.push(apply(shopKey(name, { state: 'Disabled' })[0]!));
    if (i % 8 === 7) remove.push((operator) => operator.remove('SignatureKey', name));
  }
  for (let i = 0; i < GENERATED; i += 1) {
    const name = `generated-${number(i)}`;
    create.push(apply(generatedKey(name)));
    // Only a key that was generated can be rotated.
    if (i % 3 === 0)
      edit.push(async (operator) => {
        const exists = async () => expect(await operator.get('Secret', `${name}-signature-key`)).toBeDefined();
        await eventually(exists, { withinMs: 60_000, everyMs: 50 });
        await operator.apply(generatedKey(name, { rotation: { generation: 2, gracePeriod: '1h' } }));
      });
  }
  for (let i = 0; i < PLANS; i += 1) {
    const of = [`plan-${number(i)}`, `group-${number(3 * i)}`, `key-${number((6 * i) % KEYS)}`] as const;
    create.push(apply(plan(...of, 1000)));
    if (i % 2 === 0) edit.push(apply(plan(...of, 2000)));
    if (i % 4 === 3) remove.push((operator) => operator.remove('UsagePlan', of[0]));
  }
  return [create, edit, remove].flatMap((steps) => shuffled(steps, random));
}

if (typeof binaries === 'string') {
  describe.skip(`a controller that is killed again and again: not run, ${binaries}`, () => test('x', () => undefined));
} else {
  describe('a controller that is killed again and again while objects are applied', () => {
    let operator: OperatorPlane;

    beforeAll(async () => {
      operator = await startShop({
        binaries,
        controllerFlags: ['--lease-duration', '1s', '--lease-renew-deadline', '800ms', '--lease-retry-period', '100ms'],
      });
    }, 180_000);
    afterAll(() => operator?.close(), 60_000);

    interface Stored {
      readonly kind: string;
      readonly metadata: { readonly name: string; readonly generation: number; readonly ownerReferences?: object[] };
      readonly type?: string;
      readonly data?: Readonly<Record<string, string>>;
      readonly status?: Readonly<Record<string, unknown>>;
    }
    const list = async (path: string): Promise<Stored[]> =>
      (await operator.server.request('GET', path)).body['items'] as Stored[];
    const ours = (plural: string) => list(`/apis/countersign.dev/v1alpha1/namespaces/shop/${plural}`);
    const KINDS = ['signaturekeys', 'apigroups', 'authorizations', 'usageplans'];

    /** Without times and without what is random. */
    const comparable = (value: unknown): unknown =>
      JSON.parse(
        JSON.stringify(value, (name, each: unknown) => {
          if (/Time$/.test(name)) return undefined;
          if (name === 'keyID' || name === 'pairID') return /^AKID/.test(String(each)) ? each : 'generated';
          return each;
        }),
      );

    async function outcome() {
      const statuses: Record<string, unknown> = {};
      for (const plural of KINDS)
        for (const { metadata, status } of await ours(plural))
          statuses[`${plural}/${metadata.name}`] = comparable(status ?? null);
      const secrets = (await list('/api/v1/namespaces/shop/secrets'))
        .filter(({ type }) => type === 'countersign.dev/signature-key')
        .map(({ metadata, data = {} }) => `${metadata.name}: ${Object.keys(data).sort().join()}`)
        .sort();
      const answers: Record<string, number> = {};
      for (let i = 0; i < GROUPS; i += 1)
        for (const path of [`/group-${number(i)}/x`, `/moved-${number(i)}/x`])
          for (const each of [0, 1]) {
            const key = `key-${number((2 * i + each) % KEYS)}`;
            answers[`${key} ${path}`] = await ask(operator.data.httpPort, key, path);
          }
      return { statuses, secrets, answers };
    }
    /** No status speaks of an older generation, or of a change on its way. */
    async function settled(): Promise<void> {
      await operator.current();
      await eventually(
        async () => {
          for (const plural of KINDS)
            for (const { metadata, status } of await ours(plural)) {
              expect([metadata.name, status?.['observedGeneration']]).toEqual([metadata.name, metadata.generation]);
              expect(JSON.stringify(status)).not.toMatch(/Propagating|NoDataPlane/);
            }
        },
        { withinMs: 30_000, everyMs: 100 },
      );
    }
    async function clear(): Promise<void> {
      for (const plural of KINDS)
        await operator.server.request('DELETE', `/apis/countersign.dev/v1alpha1/namespaces/shop/${plural}`);
      await operator.server.request('DELETE', '/api/v1/namespaces/shop/secrets');
      await operator.current();
    }

    const seed = Number(process.env['COUNTERSIGN_TEST_SEED'] ?? Date.now() % 1_000_000);

    test(`leaves what an undisturbed one leaves (seed ${String(seed)})`, async () => {
      const [replica] = operator.replicas;
      for (const step of rounds(randomFrom(seed))) await step(operator);
      await settled();
      const undisturbed = await outcome();
      expect(Object.keys(undisturbed.statuses).length).toBeGreaterThan(40);
      expect(Object.values(undisturbed.answers)).toContain(200);
      await clear();

      const random = randomFrom(seed + 1);
      let kills = 0;
      let applying = true;
      const storm = (async () => {
        const steps = rounds(random);
        // Spread over the kills, whatever a kill takes.
        for (const [i, step] of steps.entries()) {
          await eventually(() => expect(kills).toBeGreaterThanOrEqual(Math.floor((i * KILLS) / steps.length)), {
            withinMs: 60_000,
          });
          await step(operator);
        }
        applying = false;
      })();
      const generated = new Map<string, string>();
      while (kills < KILLS) {
        await replica!.stop('SIGKILL');
        kills += 1;
        replica!.launch();
        // From before it has read anything on; each second one is killed while it leads and acts.
        if (kills % 2 === 0) await operator.leader();
        await new Promise((resolve) => setTimeout(resolve, random() * (kills % 2 === 0 ? 500 : 1200)));
        for (const { metadata, data = {} } of await list('/api/v1/namespaces/shop/secrets')) {
          if (!metadata.name.includes('generated')) continue;
          const keyId = data['keyId'] ?? '';
          // A key that was told to somebody never becomes another one.
          expect(keyId).toBe(generated.get(metadata.name) ?? keyId);
          generated.set(metadata.name, keyId);
        }
      }
      await storm;
      expect(applying).toBe(false);
      await settled();
      expect(await outcome()).toEqual(undisturbed);
      expect(generated.size).toBe(GENERATED);
    }, 400_000);

    test('without an error line', () => {
      expect(operator.errorLines()).toEqual([]);
    });
  });
}
