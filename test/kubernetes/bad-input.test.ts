import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { sendHttp1 } from '../support/http.js';
import { findKubeBinaries } from '../support/kubernetes/kube-api-server.js';
import { createNamespace } from '../support/kubernetes/kube-operator.js';
import { must } from '../support/must.js';
import type { KubeCondition, KubeObject } from '../support/kubernetes/operator-plane.js';
import { backendKey, importedKey, secret, usagePlan } from '../support/resources/resources.js';
import {
  sampleKey,
  shopGrant,
  shopGroup,
  shopKey,
  shopSecret,
  startShop,
  type Shop,
} from '../support/kubernetes/shop.js';
import { tencentHeaders, type SampleKey } from '../support/signing/tencent-sample.js';

const binaries = findKubeBinaries();
const SOON = { withinMs: 15_000, everyMs: 20 };
const TYPE = 'countersign.dev/signature-key';

interface Status {
  readonly keyID?: string;
  readonly secretName?: string;
  readonly observedGeneration?: number;
  readonly versions?: readonly { readonly version: number; readonly state: string }[];
  readonly references?: { readonly authorizations: number; readonly refused: readonly object[] };
  readonly conditions?: readonly KubeCondition[];
  readonly environments?: readonly { readonly url?: string }[];
}

if (typeof binaries === 'string') {
  describe.skip(`bad input to the operator: not run, ${binaries}`, () => test('bad input', () => undefined));
} else {
  describe('the operator with bad input', () => {
    let operator: Shop;

    beforeAll(async () => {
      operator = await startShop({ binaries, callers: ['good'] });
      await createNamespace(operator.server, 'mobile');
    }, 180_000);
    afterAll(() => operator?.close(), 60_000);

    const askAs = async (key: SampleKey, target = '/orders/v1'): Promise<number> =>
      (await sendHttp1(operator.data.httpPort, { method: 'GET', target, headers: tencentHeaders(key) })).status;
    const pathOf = (kind: string, name: string, namespace = 'shop'): string =>
      kind === 'Secret'
        ? `/api/v1/namespaces/${namespace}/secrets/${name}`
        : `/apis/countersign.dev/v1alpha1/namespaces/${namespace}/${kind.toLowerCase()}s/${name}`;
    const read = async (kind: string, name: string, namespace?: string): Promise<KubeObject> =>
      (await operator.server.request('GET', pathOf(kind, name, namespace))).body;
    const statusOf = async (kind: string, name: string, namespace?: string): Promise<Status> =>
      ((await read(kind, name, namespace)) as { status?: Status }).status ?? {};
    const conditionOf = async (kind: string, name: string, type = 'Ready', namespace?: string) =>
      (await statusOf(kind, name, namespace)).conditions?.find((each) => each.type === type);
    const patch = async (kind: string, name: string, body: object, namespace?: string): Promise<void> => {
      const path = pathOf(kind, name, namespace);
      const { status, body: answer } = await operator.server.request(
        'PATCH',
        path,
        body,
        'application/merge-patch+json',
      );
      expect({ status, message: answer['message'] }).toEqual({ status: 200, message: undefined });
    };
    /** What the generated Secret of a key holds. */
    const generated = async (key: string, namespace?: string): Promise<SampleKey & Readonly<Record<string, string>>> =>
      eventually(async () => {
        const { data } = (await read('Secret', `${key}-signature-key`, namespace)) as { data?: Record<string, string> };
        const text = Object.fromEntries(
          Object.entries(must(data)).map(([name, value]) => [name, Buffer.from(value, 'base64').toString()]),
        );
        return { ...text, keyId: must(text['keyId']), secret: must(text['secret']) };
      }, SOON);
    const becomes = (kind: string, name: string, expected: object, type?: string, namespace?: string) =>
      eventually(async () => expect(await conditionOf(kind, name, type, namespace)).toMatchObject(expected), SOON);
    /** ms until the request that this key signs has this answer. */
    const healsIn = async (key: SampleKey, target?: string): Promise<number> => {
      const startMs = performance.now();
      await eventually(async () => expect(await askAs(key, target)).toBe(200), SOON);
      return performance.now() - startMs;
    };
    const versions = async (): Promise<Record<string, string>> => {
      const lists = await Promise.all(
        ['signaturekeys', 'apigroups', 'authorizations', 'usageplans'].map(
          async (plural) =>
            (await operator.server.request('GET', `/apis/countersign.dev/v1alpha1/${plural}`)).body['items'] as {
              kind: string;
              metadata: { namespace: string; name: string; resourceVersion: string };
            }[],
        ),
      );
      return Object.fromEntries(
        lists
          .flat()
          .map(({ kind, metadata }) => [`${kind} ${metadata.namespace}/${metadata.name}`, metadata.resourceVersion]),
      );
    };
    /** When nothing was written for a second. */
    const settled = async (): Promise<Record<string, string>> => {
      let last = await versions();
      let sinceMs = performance.now();
      return eventually(
        async () => {
          const next = await versions();
          if (JSON.stringify(next) !== JSON.stringify(last)) sinceMs = performance.now();
          last = next;
          if (performance.now() - sinceMs < 1000) throw new Error('objects are being written');
          return last;
        },
        { withinMs: 20_000, everyMs: 100 },
      );
    };
    const events = async (name: string, namespace = 'shop') => {
      const { body } = await operator.server.request(
        'GET',
        `/apis/events.k8s.io/v1/namespaces/${namespace}/events?fieldSelector=regarding.name=${name}`,
      );
      return (body['items'] as { type: string; reason: string; note: string }[]).map(
        ({ type, reason, note }) => `${type} ${reason} ${note}`,
      );
    };

    describe('a Secret that cannot be used is told by ResolvedRefs, and heals within a second:', () => {
      const foreign = (data: Readonly<Record<string, string>>) => (name: string) => ({
        ...secret(name, data),
        type: 'Opaque',
      });
      const withData = (change: (data: Record<string, string>) => Record<string, string | null>) => (name: string) => ({
        ...secret(name, {}),
        stringData: change({ ...sampleKey(name) }),
      });
      const bytes = (name: string) => ({
        ...secret(name, {}),
        stringData: { keyId: sampleKey(name).keyId },
        data: { secret: Buffer.alloc(24, 0xff).toString('base64') },
      });

      test.each<[string, string, ((name: string) => KubeObject) | undefined, string, RegExp]>([
        ['no Secret', 'absent', undefined, 'SecretNotFound', /Secret absent does not exist in this namespace$/],
        ['one of another type', 'typed', foreign({ keyId: 'x' }), 'InvalidSecret', /must have the type countersign/],
        ['one without data', 'empty', withData(() => ({})), 'InvalidSecret', /Secret empty has no datum keyId$/],
        ['half of one', 'half', withData(({ keyId = '' }) => ({ keyId })), 'InvalidSecret', /has no datum secret$/],
        [
          'the id of another key',
          'other-id',
          withData((data) => ({ ...data, keyId: 'AKID2' })),
          'InvalidSecret',
          /differs from spec\.keyID$/,
        ],
        [
          'a secret of 9 characters',
          'short',
          withData((data) => ({ ...data, secret: '123456789' })),
          'InvalidSecret',
          /secret must have 10 to 4096/,
        ],
        [
          'a line break at the end',
          'line',
          withData((data) => ({ ...data, secret: `${data['secret'] ?? ''}\n` })),
          'InvalidSecret',
          /secret must be text without line breaks/,
        ],
        ['bytes that are no text', 'bytes', bytes, 'InvalidSecret', /datum secret/],
        [
          'a generation that is no number',
          'counted',
          withData((data) => ({ ...data, generation: 'two' })),
          'InvalidSecret',
          /generation .* must be a whole number$/,
        ],
      ])('%s', async (_what, name, write, reason, message) => {
        const [key] = shopKey(name);
        await operator.apply(must(key), shopGroup(name), shopGrant(name, [name]));
        if (write) await operator.apply(write(name));
        await becomes(
          'SignatureKey',
          name,
          { status: 'False', reason, message: expect.stringMatching(message) },
          'ResolvedRefs',
        );
        await becomes('SignatureKey', name, { status: 'False', reason });
        const target = `/${name}/v1`;
        await becomes('ApiGroup', name, { status: 'True' }, 'Programmed');
        expect([await askAs(sampleKey(name), target), await askAs(sampleKey('good'))]).toEqual([401, 200]);
        // The type of a Secret cannot be changed.
        if (write) await operator.server.request('DELETE', pathOf('Secret', name));
        await operator.apply(shopSecret(name));
        expect(await healsIn(sampleKey(name), target)).toBeLessThan(1000);
        await becomes('SignatureKey', name, { status: 'True', reason: 'Ready' });
      });

      test('the Secret of an AES key that binds APIs: 503 until its length is the cipher’s, and never unsigned', async () => {
        const aes = { type: 'AES', aes: { algorithm: 'AES256CFB' } };
        const [key, wrong] = backendKey('aes', 'A'.repeat(31), 'B'.repeat(16), aes);
        await operator.apply(
          must(key),
          must(wrong),
          shopGroup('aes', {
            environments: [
              {
                name: 'release',
                default: true,
                match: { type: 'PathPrefix', value: 'release' },
                backendSignature: { type: 'Key', signatureKeyRef: { name: 'aes' }, dialect: 'Huawei' },
              },
            ],
          }),
          shopGrant('aes', ['good']),
        );
        const fault = {
          status: 'False',
          reason: 'InvalidSecret',
          message: expect.stringMatching(/keyId must have exactly 32 characters$/),
        };
        await becomes('SignatureKey', 'aes', fault, 'ResolvedRefs');
        await becomes('ApiGroup', 'aes', { status: 'False' }, 'ResolvedRefs');
        await eventually(async () => expect(await askAs(sampleKey('good'), '/aes/v1')).toBe(503), SOON);
        await operator.apply(must(backendKey('aes', 'A'.repeat(32), 'B'.repeat(16), aes)[1]));
        expect(await healsIn(sampleKey('good'), '/aes/v1')).toBeLessThan(1000);
        expect(must(operator.backend.last).header('authorization')).toMatch(/\bAccess=shop\/aes\b/);
        await becomes('SignatureKey', 'aes', { status: 'True' });
        await becomes('ApiGroup', 'aes', { status: 'True' });
      });

      test('ids of 200 characters and secrets of 10 are good, as clients use them already', async () => {
        const key = { keyId: `id.${'x'.repeat(197)}`, secret: 'se cret~10' };
        await operator.apply(...importedKey('loose', key.keyId, key.secret), shopGrant('orders', ['good', 'loose']));
        await eventually(async () => expect(await askAs(key)).toBe(200), SOON);
        await becomes('SignatureKey', 'loose', { status: 'True' });
      });
    });

    describe('a generated key', () => {
      const generate = (name: string, spec: KubeObject = {}, namespace = 'shop'): KubeObject => ({
        apiVersion: 'countersign.dev/v1alpha1',
        kind: 'SignatureKey',
        metadata: { name, namespace },
        spec: { usage: 'Caller', identity: 'SignatureKeyPair', type: 'HMAC', ...spec },
      });

      test('is not Ready under a generation that its Secret has not; the secret before is good until its grace ends', async () => {
        await operator.apply(generate('turned'), shopGroup('turned'), shopGrant('turned', ['turned']));
        const first = await generated('turned');
        await healsIn(first, '/turned/v1');
        await becomes('SignatureKey', 'turned', { status: 'True' });
        const readyWith: string[] = [];
        await patch('SignatureKey', 'turned', { spec: { rotation: { generation: 2, gracePeriod: '1h' } } });
        await eventually(async () => {
          const { observedGeneration, conditions = [], versions: told = [] } = await statusOf('SignatureKey', 'turned');
          const ready = conditions.find(({ type }) => type === 'Ready')?.status === 'True';
          if (observedGeneration !== 2 || !ready) throw new Error(JSON.stringify(conditions));
          readyWith.push(told.map(({ version, state }) => `${String(version)} ${state}`).join());
        }, SOON);
        expect(readyWith).toEqual(['2 Active,1 Grace']);
        const second = await generated('turned');
        expect(second).toMatchObject({ keyId: first.keyId, generation: '2', previousSecret: first.secret });
        expect([await askAs(second, '/turned/v1'), await askAs(first, '/turned/v1')]).toEqual([200, 200]);
        const fields = await statusOf('SignatureKey', 'turned');
        expect(JSON.stringify(fields)).not.toMatch(new RegExp(`${first.secret}|${second.secret}`));
      });

      test('whose Secret somebody deletes gets another id; the old one is refused', async () => {
        await operator.apply(generate('lost'), shopGroup('lost'), shopGrant('lost', ['lost']));
        const first = await generated('lost');
        await healsIn(first, '/lost/v1');
        await operator.server.request('DELETE', pathOf('Secret', 'lost-signature-key'));
        const second = await eventually(async () => {
          const found = await generated('lost');
          expect(found.keyId).not.toBe(first.keyId);
          return found;
        }, SOON);
        await healsIn(second, '/lost/v1');
        expect(await askAs(first, '/lost/v1')).toBe(401);
        await eventually(async () => expect((await statusOf('SignatureKey', 'lost')).keyID).toBe(second.keyId), SOON);
        await becomes('Authorization', 'lost', { status: 'True' });
      });

      test('that is deleted and comes back under another name has another id; the old one is refused', async () => {
        await operator.apply(generate('before'), shopGroup('renamed'), shopGrant('renamed', ['before', 'after']));
        const first = await generated('before');
        await healsIn(first, '/renamed/v1');
        await operator.remove('SignatureKey', 'before');
        await operator.apply(generate('after'));
        const second = await generated('after');
        await healsIn(second, '/renamed/v1');
        expect(second.keyId).not.toBe(first.keyId);
        expect(await askAs(first, '/renamed/v1')).toBe(401);
      });

      test('says that somebody else’s Secret has the name of its own, and is generated when that is gone', async () => {
        const other = { ...secret('taken-signature-key', { password: 'of somebody else' }), type: 'Opaque' };
        await operator.apply(other, generate('taken'));
        await becomes('SignatureKey', 'taken', {
          status: 'False',
          reason: 'InvalidSecret',
          message: expect.stringMatching(/another type; it is not overwritten$/),
        });
        expect((await read('Secret', 'taken-signature-key'))['type']).toBe('Opaque');
        expect((await events('taken')).join()).toMatch(/Warning InvalidSecret/);
        const written = { keyId: 'AKIDwrittenbyhand0000', secret: 'written-by-hand-0000000' };
        await operator.server.request('DELETE', pathOf('Secret', 'taken-signature-key'));
        await operator.apply({ ...secret('taken-signature-key', written), type: TYPE });
        await becomes('SignatureKey', 'taken', { status: 'True' });
      });

      test('has no Event of the moment before its Secret was written', async () => {
        await operator.apply(generate('fresh'));
        await becomes('SignatureKey', 'fresh', { status: 'True' });
        await eventually(
          async () => expect(await events('fresh')).toEqual([expect.stringMatching(/^Normal Ready /)]),
          SOON,
        );
      });

      test('whose owner withdraws consent is refused within a second, and the owner sees who asked', async () => {
        const all = { allowedAuthorizers: { namespaces: { from: 'All' } } };
        const refs = (...names: string[]) => ({ keys: { refs: names.map((name) => ({ name, namespace: 'mobile' })) } });
        await operator.apply(
          generate('lent', all, 'mobile'),
          shopGroup('lent'),
          shopGrant('lent', [], refs('lent')),
          shopGrant('unknown', [], {
            ...refs('ghost'),
            targets: [{ apiGroup: 'lent', environment: 'release', apis: ['*'] }],
          }),
        );
        const key = await generated('lent', 'mobile');
        await healsIn(key, '/lent/v1');
        await becomes('Authorization', 'lent', { status: 'True' });
        await patch(
          'SignatureKey',
          'lent',
          { spec: { allowedAuthorizers: { namespaces: { from: 'Same' } } } },
          'mobile',
        );
        const startMs = performance.now();
        await eventually(async () => expect(await askAs(key, '/lent/v1')).not.toBe(200), SOON);
        expect(performance.now() - startMs).toBeLessThan(1000);
        await becomes('Authorization', 'lent', { status: 'False', reason: 'KeyNotFound' });
        await becomes('Authorization', 'unknown', { status: 'False', reason: 'KeyNotFound' });
        const texts = await Promise.all(['lent', 'unknown'].map((name) => conditionOf('Authorization', name)));
        expect(texts[0]?.message.replace('/lent', '/ghost')).toBe(texts[1]?.message);
        expect((await statusOf('SignatureKey', 'lent', 'mobile')).references).toMatchObject({
          authorizations: 0,
          refused: [{ kind: 'Authorization', namespace: 'shop', name: 'lent' }],
        });
        await eventually(
          async () =>
            expect((await events('lent', 'mobile')).join()).toMatch(
              /Warning RefusedAsker Authorization shop\/lent asks/,
            ),
          SOON,
        );
        expect(await events('ghost', 'mobile')).toEqual([]);
      });
    });

    describe('what Ready says is what is enforced:', () => {
      test('a grant whose key has expired', async () => {
        await operator.apply(
          ...shopKey('expired', { expirationTime: '2020-01-01T00:00:00Z' }),
          shopGroup('late'),
          shopGrant('late', ['expired']),
        );
        await becomes('Authorization', 'late', {
          status: 'False',
          reason: 'KeyExpired',
          message: 'spec.keys.refs[0]: SignatureKey shop/expired has expired: it is refused',
        });
        await becomes('ApiGroup', 'late', { status: 'True' });
        expect(await askAs(sampleKey('expired'), '/late/v1')).toBe(401);
      });

      test('a plan that admits nothing refuses, is programmed, and warns', async () => {
        await operator.apply(
          ...shopKey('limited'),
          shopGroup('limited'),
          shopGrant('limited', ['limited']),
          usagePlan('limited', ['limited'], 'limited', { rateLimits: [{ name: 'none', requests: 0, interval: '1s' }] }),
        );
        await becomes('UsagePlan', 'limited', {
          status: 'True',
          message: 'Warning: spec.rateLimits[0].requests: is 0: every request of the plan is refused',
        });
        expect(await askAs(sampleKey('limited'), '/limited/v1')).toBe(429);
      });

      test('of two plans for one key the second is told which goes before', async () => {
        const limits = { rateLimits: [{ name: 'rps', requests: 100, interval: '1s' }] };
        await operator.apply(
          usagePlan('a-plan', ['good'], 'orders', limits),
          usagePlan('b-plan', ['good'], 'orders', limits),
        );
        await becomes('UsagePlan', 'b-plan', {
          status: 'True',
          message: 'Warning: spec.targets[0]: UsagePlan shop/a-plan goes before for keys that both bind',
        });
      });

      test('what is switched off is healthy, whatever became of what it names', async () => {
        const [key] = shopKey('retired', { state: 'Disabled', expirationTime: '2020-01-01T00:00:00Z' });
        await operator.apply(must(key), shopGrant('nothing', ['retired'], { state: 'Disabled' }));
        for (const [kind, name, reason] of [
          ['SignatureKey', 'retired', 'SecretNotFound'],
          ['Authorization', 'nothing', 'KeyExpired'],
        ] as const) {
          await becomes(kind, name, { status: 'False', reason }, 'ResolvedRefs');
          await becomes(kind, name, { status: 'True', reason: 'Disabled' });
        }
      });

      test('a group that lost its host name has no address', async () => {
        await operator.apply(shopGroup('a-first', { basePath: '/same' }), shopGroup('b-second', { basePath: '/same' }));
        await becomes('ApiGroup', 'b-second', { status: 'False', reason: 'Conflicted' });
        expect((await statusOf('ApiGroup', 'b-second')).environments?.map(({ url }) => url)).toEqual([undefined]);
      });
    });

    test('a namespace that is deleted takes its keys along, whichever of key and Secret goes first', async () => {
      const key = { keyID: undefined, secretRef: undefined };
      await createNamespace(operator.server, 'going');
      await operator.apply({ ...must(shopKey('last', key)[0]), metadata: { name: 'last', namespace: 'going' } });
      const first = await generated('last', 'going');
      await operator.server.request('DELETE', '/api/v1/namespaces/going');
      await operator.server.request('DELETE', pathOf('Secret', 'last-signature-key', 'going'));
      await becomes('SignatureKey', 'last', { status: 'False', reason: 'SecretNotReady' }, 'ResolvedRefs', 'going');
      expect(await askAs(first)).toBe(401);
      await operator.server.request('DELETE', pathOf('SignatureKey', 'last', 'going'));
    });

    test('an edit writes the status of its own object alone', async () => {
      const before = await settled();
      await patch('ApiGroup', 'orders', { spec: { displayName: 'Orders' } });
      await patch('SignatureKey', 'good', { spec: { description: 'the good one' } });
      for (const [kind, name] of [
        ['ApiGroup', 'orders'],
        ['SignatureKey', 'good'],
      ] as const)
        await eventually(async () => expect((await statusOf(kind, name)).observedGeneration).toBe(2), SOON);
      const after = await settled();
      expect(
        Object.keys(after)
          .filter((id) => after[id] !== before[id])
          .sort(),
      ).toEqual(['ApiGroup shop/orders', 'SignatureKey shop/good']);
    });

    test('a change of the leader writes no status', async () => {
      const [first] = operator.replicas;
      const second = await operator.addReplica();
      const before = await settled();
      await must(first).stop();
      await eventually(async () => expect(await operator.leader()).toBe(second), SOON);
      await operator.current();
      // The new leader gives nodes six seconds to come back before it judges.
      const untilMs = performance.now() + 8000;
      await eventually(() => expect(performance.now()).toBeGreaterThan(untilMs), { withinMs: 9000, everyMs: 250 });
      expect(await second.metrics()).toContain('countersign_leader 1');
      expect(await versions()).toEqual(before);
    });

    test('none of it was an error of the controllers, or worth a warning of theirs', () => {
      const lines = operator.replicas.flatMap((replica) => replica.output().split('\n'));
      expect(
        lines.filter((line) => /"level":"(warn|error|fatal)"/.test(line) && !/does not lead any more/.test(line)),
      ).toEqual([]);
    });
  });
}
