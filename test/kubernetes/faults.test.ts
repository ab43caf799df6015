import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { findKubeBinaries } from '../support/kubernetes/kube-api-server.js';
import type { OperatorPlane } from '../support/kubernetes/operator-plane.js';
import { askAll, shopGrant, shopGroup, shopKey, shopSecret, startShop } from '../support/kubernetes/shop.js';
import { throttleUser } from '../support/kubernetes/throttled-user.js';

const binaries = findKubeBinaries();

const SOON = { withinMs: 30_000, everyMs: 20 };

if (typeof binaries === 'string') {
  describe.skip(`the operator under faults: not run, ${binaries}`, () => test('faults', () => undefined));
} else {
  describe('the operator under faults', () => {
    let operator: OperatorPlane;

    beforeAll(async () => {
      operator = await startShop({
        binaries,
        callers: ['caller', 'other'],
        // Without the watch cache a compaction of the store is what a watch sees.
        serverFlags: ['--watch-cache=false'],
      });
    }, 180_000);
    afterAll(() => operator?.close(), 60_000);

    const statuses = (key = 'caller', target = '/orders/v1') => askAll(operator.data.httpPort, key, target);
    const setState = (state: 'Enabled' | 'Disabled') => operator.apply(shopKey('caller', { state })[0]!);
    const serves = (expected: number, within = SOON) =>
      eventually(async () => expect(await statuses()).toEqual([expected]), within);
    const leadershipsLost = () => operator.replicas[0]!.output().split('does not lead any more').length;
    const programmed = (name: string, expected: object, kind = 'SignatureKey') =>
      eventually(async () => expect(await operator.condition(kind, name, 'Programmed')).toMatchObject(expected), SOON);

    describe('of the API server', () => {
      test.each<[string, () => Promise<void>]>([
        [
          'a restart of the API server',
          async () => {
            await operator.server.stopApiServer();
            expect(await statuses()).toEqual([200]);
            await operator.server.startApiServer();
          },
        ],
        [
          'a token that expires, and its file that is written again',
          async () => {
            await operator.user.setToken('expired');
            operator.proxy.reset();
            await eventually(() => expect(operator.replicas[0]!.output()).toContain('401'), SOON);
            await operator.user.setToken('token-renewed');
          },
        ],
        [
          'an API server that answers 429 to everything',
          async () => {
            const before = leadershipsLost();
            const relieve = await throttleUser(operator.server, 'operator', 'token-renewed');
            // Once: on cores that are shared an answer may need longer than there is between two resets.
            operator.proxy.reset();
            await eventually(
              () => expect(operator.replicas[0]!.output()).toMatch(/watch of \w+ ended \(Refused: [^)]*: 429/),
              SOON,
            );
            const accepted = operator.proxy.accepted;
            const startedMs = performance.now();
            await setState('Disabled');
            await eventually(() => expect(leadershipsLost()).toBeGreaterThan(before), SOON);
            expect(await statuses()).toEqual([200]);
            // No hot loop meanwhile.
            const seconds = (performance.now() - startedMs) / 1000;
            expect((operator.proxy.accepted - accepted) / 8 / (seconds + 1)).toBeLessThan(5);
            await relieve();
          },
        ],
        [
          'a stall of everything, until the controller has ceased to lead',
          async () => {
            const before = leadershipsLost();
            operator.proxy.stall();
            await setState('Disabled');
            await eventually(() => expect(leadershipsLost()).toBeGreaterThan(before), SOON);
            expect(await statuses()).toEqual([200]);
            operator.proxy.resume();
          },
        ],
        ['a router that forgets every connection without a sign of it', async () => operator.proxy.freeze()],
        ['a reset of every connection', async () => operator.proxy.reset()],
        [
          'a compaction while every connection is refused',
          async () => {
            operator.proxy.refuse();
            operator.proxy.reset();
            for (let i = 0; i < 5; i += 1) await operator.apply(shopGroup('passing', { displayName: `n${String(i)}` }));
            await operator.remove('ApiGroup', 'passing');
            await operator.server.compact();
            operator.proxy.admit();
          },
        ],
      ])(
        '%s: a key that is revoked then is refused, and comes back when it is enabled',
        async (_name, fault) => {
          await fault();
          await setState('Disabled');
          await serves(401);
          expect(await statuses('other')).toEqual([200]);
          await programmed('caller', { status: 'True' });
          await setState('Enabled');
          await serves(200);
        },
        120_000,
      );
    });

    test('a Secret that is created after its key, grant and group heals within a second', async () => {
      const [key] = shopKey('late');
      await operator.apply(shopGrant('late', ['late']), key!, shopGroup('late'));
      await eventually(
        async () =>
          expect(await operator.condition('SignatureKey', 'late', 'ResolvedRefs')).toMatchObject({ status: 'False' }),
        SOON,
      );
      await eventually(async () => expect(await statuses('late', '/late/v1')).toEqual([401]), SOON);
      await operator.apply(shopSecret('late'));
      const createdMs = performance.now();
      await eventually(async () => expect(await statuses('late', '/late/v1')).toEqual([200]), SOON);
      expect(performance.now() - createdMs).toBeLessThan(1000);
      await programmed('late', { status: 'True' });
    }, 60_000);

    test('of a group that Envoy refuses the message is in its conditions, and what it had is served on', async () => {
      const broken = {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'broken-ca', namespace: 'shop' },
        stringData: { 'ca.crt': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' },
      };
      await operator.apply(
        broken,
        shopGroup('refused', {
          backend: {
            type: 'Service',
            service: { name: 'echo', port: 80 },
            tls: { caSecretRef: { name: 'broken-ca' } },
          },
        }),
      );
      await programmed(
        'refused',
        { status: 'False', reason: 'Rejected', message: expect.stringMatching(/certificate/i) },
        'ApiGroup',
      );
      expect(await operator.condition('ApiGroup', 'orders', 'Programmed')).toMatchObject({ status: 'True' });
      expect(await statuses()).toEqual([200]);
      // Others go on changing.
      await operator.apply(shopGroup('beside'), shopGrant('beside', ['caller']));
      await eventually(async () => expect(await statuses('caller', '/beside/v1')).toEqual([200]), SOON);
      await operator.apply(
        shopGroup('refused', { backend: { type: 'Service', service: { name: 'echo', port: 80 }, tls: null } }),
      );
      await programmed('refused', { status: 'True' }, 'ApiGroup');
    }, 60_000);

    describe('of the data plane', () => {
      test('an Envoy that is killed is waited for, gets everything when it is back, and counts again', async () => {
        await operator.data.envoy.stop('SIGKILL');
        await operator.apply(shopGroup('later'), shopGrant('later', ['caller']));
        await programmed(
          'later',
          { status: 'False', reason: 'Propagating', message: '2/3; waiting for node/envoy' },
          'ApiGroup',
        );
        await operator.data.startEnvoy();
        await eventually(async () => expect(await statuses('caller', '/later/v1')).toEqual([200]), SOON);
        await programmed('later', { status: 'True' }, 'ApiGroup');
        expect(await statuses()).toEqual([200]);
      }, 60_000);

      test('a key that is revoked while an authorizer is stopped is not called enforced, also by the next leader', async () => {
        const [worker] = await operator.data.workers();
        const lacking = { status: 'False', reason: 'Propagating', message: '1/2; waiting for node/0' };
        process.kill(worker!.pid, 'SIGSTOP');
        try {
          await setState('Disabled');
          await programmed('caller', lacking);
          expect(await operator.condition('SignatureKey', 'other', 'Programmed')).toMatchObject({ status: 'True' });
          const [replica] = operator.replicas;
          await replica!.stop('SIGKILL');
          await replica!.start();
          await operator.leader();
          await setState('Enabled');
          await setState('Disabled');
          await eventually(
            async () => expect((await replica!.status()).nodes.filter(({ current }) => current)).toHaveLength(2),
            SOON,
          );
          await programmed('other', { ...lacking, status: 'False' });
          await programmed('caller', lacking);
        } finally {
          process.kill(worker!.pid, 'SIGCONT');
        }
        await programmed('caller', { status: 'True' });
        await programmed('other', { status: 'True' });
        await setState('Enabled');
        await serves(200);
      }, 60_000);
    });

    test('none of it was an error of the controllers but what Envoy refused', () => {
      expect(operator.errorLines().filter((line) => !/Envoy rejected a part|was rejected/.test(line))).toEqual([]);
    });
  });
}
