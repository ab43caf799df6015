import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { startFaultProxy } from '../support/kubernetes/fault-proxy.js';
import { findKubeBinaries } from '../support/kubernetes/kube-api-server.js';
import { connectAs } from '../support/kubernetes/kube-operator.js';
import type { OperatorPlane, Replica } from '../support/kubernetes/operator-plane.js';
import { ask, askAll, sampleKey, shopGrant, shopGroup, shopKey, startShop } from '../support/kubernetes/shop.js';
import { startSteadyLoad } from '../support/envoy/steady-load.js';

const binaries = findKubeBinaries();
const SOON = { withinMs: 15_000, everyMs: 20 };

if (typeof binaries === 'string') {
  describe.skip(`controllers that change: not run, ${binaries}`, () => test('leaders', () => undefined));
} else {
  describe('controllers that change', () => {
    let operator: OperatorPlane;

    beforeAll(async () => {
      operator = await startShop({ binaries, replicas: 2, callers: ['caller', 'steady'] });
    }, 180_000);
    afterAll(() => operator?.close(), 60_000);

    const statuses = () => askAll(operator.data.httpPort, 'caller', '/orders/v1');
    const setState = (state: 'Enabled' | 'Disabled') => operator.apply(shopKey('caller', { state })[0]!);
    const serves = (expected: number) => eventually(async () => expect(await statuses()).toEqual([expected]), SOON);
    const other = async (leader: Replica): Promise<Replica> => {
      const found = operator.replicas.find((each) => each !== leader);
      if (!found) throw new Error('there is no other');
      return found;
    };
    const leads = (replica: Replica) =>
      eventually(async () => expect((await replica.status()).leader).toBe(true), SOON);

    /** Asks without a pause, and tells what was answered. */
    function watchAnswers(): { stop(): Promise<readonly number[]> } {
      const seen = new Set<number>();
      let running = true;
      const asking = (async () => {
        while (running) seen.add(await ask(operator.data.httpPort, 'caller', '/orders/v1'));
      })();
      return {
        async stop() {
          running = false;
          await asking;
          return [...seen];
        },
      };
    }

    test('only the leader tells of objects and of nodes in its metrics', async () => {
      const leader = await operator.leader();
      const told = /^countersign_(resources|xds_nodes)\{.*/gm;
      expect((await leader.metrics()).match(told)).toEqual(
        expect.arrayContaining([expect.stringContaining('kind="ApiGroup",ready="True"} ')]),
      );
      expect((await (await other(leader)).metrics()).match(told)).toBeNull();
    });

    test('a leader that is killed: the other leads within the lease and 2 s, and what is revoked meanwhile is refused', async () => {
      const leader = await operator.leader();
      const next = await other(leader);
      await leader.stop('SIGKILL');
      const killedMs = performance.now();
      await setState('Disabled');
      expect(await statuses()).toEqual([200]);
      await leads(next);
      expect(performance.now() - killedMs).toBeLessThan(4000);
      await serves(401);
      await leader.start();
      await setState('Enabled');
      await serves(200);
    }, 60_000);

    test('a leader that is stopped and goes on later never brings a revoked key back', async () => {
      const stale = await operator.leader();
      const next = await other(stale);
      stale.program.child.kill('SIGSTOP');
      await leads(next);
      await operator.current();
      await setState('Disabled');
      await serves(401);
      const answers = watchAnswers();
      // Authorizers ask the stale one before it has noticed anything, and one of them knows nothing yet.
      operator.pin(stale);
      stale.program.child.kill('SIGCONT');
      const [worker] = await operator.data.workers();
      process.kill(worker!.pid, 'SIGKILL');
      await eventually(async () => {
        const [now] = await operator.data.workers();
        expect(now?.pid).not.toBe(worker!.pid);
        expect(now?.ready).toBe(false);
      }, SOON);
      await eventually(() => expect(stale.output()).toContain('does not lead any more'), SOON);
      expect(await statuses()).toEqual([401]);
      operator.pin(undefined);
      await operator.current();
      expect(await statuses()).toEqual([401]);
      expect(await answers.stop()).toEqual([401]);
      await setState('Enabled');
      await serves(200);
    }, 60_000);

    test('a replica whose watches hang when it begins to lead does not bring a revoked key back either', async () => {
      const proxy = await startFaultProxy(operator.server.port);
      const user = await connectAs(operator.server, 'token-operator', proxy.port);
      const late = await operator.addReplica('--kubeconfig', user.kubeconfig);
      try {
        proxy.freeze();
        await setState('Disabled');
        await serves(401);
        const answers = watchAnswers();
        for (const replica of operator.replicas) if (replica !== late) await replica.stop('SIGKILL');
        await leads(late);
        await operator.current();
        expect(await statuses()).toEqual([401]);
        expect(await answers.stop()).toEqual([401]);
      } finally {
        for (const replica of operator.replicas) if (replica !== late) await replica.start();
        await late.stop();
        await user.close();
        await proxy.close();
      }
      await setState('Enabled');
      await serves(200);
    }, 60_000);

    test('200 requests a second see nothing of restarts, changes of the leader and edits', async () => {
      await operator.current();
      const load = startSteadyLoad({
        port: operator.data.httpPort,
        key: sampleKey('steady'),
        target: '/orders/v1',
        perSecond: 200,
      });
      const startedMs = performance.now();
      const logged = operator.data.envoy.accessLog.length;
      let round = 0;
      while (performance.now() - startedMs < 20_000 || round < 4) {
        const leader = await operator.leader();
        await leader.stop(round % 2 === 0 ? 'SIGTERM' : 'SIGKILL');
        // Its routes change, others come and go, and so do keys and grants beside the one that is used.
        await operator.apply(
          shopGroup('orders', {
            displayName: `round ${String(round)}`,
            backend: { type: 'Service', service: { name: 'echo', port: 80 }, timeout: `${String(20 + round)}s` },
          }),
          shopGroup(`beside-${String(round)}`),
          shopGrant(`beside-${String(round)}`, ['caller']),
          ...shopKey(`passing-${String(round)}`),
          ...shopKey('caller', { state: round % 2 === 0 ? 'Disabled' : 'Enabled' }),
        );
        if (round > 0) await operator.remove('ApiGroup', `beside-${String(round - 1)}`);
        await leader.start();
        await operator.current();
        round += 1;
      }
      await load.stop();
      // Envoy's own words say more than the answer.
      const failed = operator.data.envoy.accessLog.slice(logged).filter(({ status }) => status === 503);
      expect(failed.slice(0, 3)).toEqual([]);
      expect(load.failures.slice(0, 3)).toEqual([]);
      expect([...load.answers]).toEqual([[200, load.sent]]);
      expect(load.sent).toBeGreaterThanOrEqual(4000);
    }, 120_000);

    test('an authorizer that is gone as the leader changes is waited for until it is lost, and an Event says so', async () => {
      const impatient = await operator.addReplica('--node-loss-time', '9s');
      const [worker] = await operator.data.workers();
      process.kill(worker!.pid, 'SIGSTOP');
      try {
        for (const replica of operator.replicas) if (replica !== impatient) await replica.stop('SIGKILL');
        await setState('Disabled');
        const programmed = (expected: object) =>
          eventually(
            async () =>
              expect(await operator.condition('SignatureKey', 'caller', 'Programmed')).toMatchObject(expected),
            { withinMs: 20_000, everyMs: 20 },
          );
        await programmed({ status: 'False', reason: 'Propagating', message: '1/2; waiting for node/0' });
        await programmed({ status: 'True' });
        const events = await operator.server.request(
          'GET',
          '/apis/events.k8s.io/v1/namespaces/countersign-system/events',
        );
        expect(events.body['items']).toContainEqual(
          expect.objectContaining({
            reason: 'DataPlaneLost',
            note: expect.stringContaining('authorizer node/0 vanished'),
          }),
        );
      } finally {
        process.kill(worker!.pid, 'SIGCONT');
      }
      await serves(401);
    }, 60_000);

    test('none of it was an error of the controllers', () => {
      expect(operator.errorLines()).toEqual([]);
    });
  });
}
