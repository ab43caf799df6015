import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../src/lib/clock.js';
import { createLeaderElector, type LeaderElector } from '../../src/provider/kubernetes/leader-election.js';
import { eventually } from '../support/eventually.js';
import { startFaultProxy, type FaultProxy } from '../support/kubernetes/fault-proxy.js';
import { findKubeBinaries, startKubeApiServer, type KubeApiServer } from '../support/kubernetes/kube-api-server.js';
import {
  connectAs,
  createNamespace,
  grantOperator,
  type KubeUser,
  LEASE_NAME,
  OPERATOR_NAMESPACE,
} from '../support/kubernetes/kube-operator.js';
import { must } from '../support/must.js';

const binaries = findKubeBinaries();

if (typeof binaries === 'string') {
  describe.skip(`leader election: not run, ${binaries}`, () => test('one leader', () => undefined));
} else {
  describe('leader election', () => {
    let server: KubeApiServer;
    let proxy: FaultProxy;
    let users: KubeUser[];
    let electors: LeaderElector[];
    /** In the order in which it happened, over all electors. */
    let log: string[];
    /** What each found when it began to lead. */
    let handovers: (string | undefined)[];

    beforeAll(async () => {
      server = await startKubeApiServer(binaries, { users: { 'token-operator': 'operator' } });
      await createNamespace(server, OPERATOR_NAMESPACE);
      await grantOperator(server, 'operator', []);
    }, 120_000);
    beforeEach(async () => {
      [users, electors, log, handovers] = [[], [], [], []];
      proxy = await startFaultProxy(server.port);
    });
    afterEach(async () => {
      await Promise.all(electors.map((elector) => elector.close()));
      await Promise.all(users.map((user) => user.close()));
      await proxy.close();
      await server.request('DELETE', path);
    });
    afterAll(async () => server?.stop());

    const path = `/apis/coordination.k8s.io/v1/namespaces/${OPERATOR_NAMESPACE}/leases/${LEASE_NAME}`;
    const lease = async () => (await server.request('GET', path)).body['spec'] as Record<string, unknown>;

    async function join(identity: string, { port, monotonicMs }: { port?: number; monotonicMs?: () => number } = {}) {
      const user = await connectAs(server, 'token-operator', port);
      users.push(user);
      const elector = createLeaderElector({
        api: user.api,
        namespace: OPERATOR_NAMESPACE,
        name: LEASE_NAME,
        identity,
        handoverAnnotation: 'countersign.dev/test',
        onGained: (_term, handover) => {
          log.push(`${identity} leads`);
          handovers.push(handover);
        },
        onLost: () => log.push(`${identity} stops`),
        leaseDurationMs: 2000,
        renewDeadlineMs: 1200,
        retryPeriodMs: 200,
        clock: systemClock,
        ...(monotonicMs && { monotonicMs }),
      });
      electors.push(elector);
      elector.start();
      return elector;
    }
    const leads = (elector: LeaderElector, withinMs = 6000) =>
      eventually(() => expect(elector.isLeader).toBe(true), { withinMs });
    /** Never two at once: between two that begin, the first has stopped. */
    const neverTwo = () => {
      const leading = new Set<string>();
      for (const line of log) {
        const [who = '', what] = line.split(' ');
        if (what === 'leads') leading.add(who);
        else leading.delete(who);
        expect([...leading].length).toBeLessThanOrEqual(1);
      }
    };

    test('one of three leads, and renews', async () => {
      const all = await Promise.all(['a', 'b', 'c'].map((identity) => join(identity)));
      await eventually(() => expect(all.filter(({ isLeader }) => isLeader)).toHaveLength(1));
      const { renewTime } = await lease();
      await eventually(async () => expect((await lease())['renewTime']).not.toBe(renewTime));
      expect(all.filter(({ isLeader }) => isLeader)).toHaveLength(1);
      expect(log).toHaveLength(1);
      await eventually(() => expect(new Set(all.map(({ holder }) => holder)).size).toBe(1));
    });

    test('a leader that ends gives the Lease back, so that the next need not wait', async () => {
      const first = await join('a');
      await leads(first);
      const second = await join('b');
      await eventually(() => expect(second.holder).toBe('a'));
      const startedMs = performance.now();
      await first.close();
      await leads(second);
      expect(performance.now() - startedMs).toBeLessThan(1500);
      expect(log).toEqual(['a leads', 'a stops', 'b leads']);
      expect(second.term).toBeGreaterThan(first.term);
    });

    test('a leader that cannot renew stops before another leads', async () => {
      const first = await join('a', { port: proxy.port });
      await leads(first);
      const { signal } = first;
      const second = await join('b');
      proxy.stall();
      await leads(second);
      expect(log).toEqual(['a leads', 'a stops', 'b leads']);
      expect(first.isLeader).toBe(false);
      expect(must(signal).aborted).toBe(true);
      proxy.resume();
      await eventually(() => expect(first.holder).toBe('b'));
      expect(first.isLeader).toBe(false);
      neverTwo();
    });

    test('a leader that was stopped as a whole knows that it is late before it acts, and does not lead again', async () => {
      let frozenAtMs: number | undefined;
      // Its clock stands for its whole process: requests hang, timers see no time pass.
      const first = await join('a', { port: proxy.port, monotonicMs: () => frozenAtMs ?? performance.now() });
      await leads(first);
      const second = await join('b');
      frozenAtMs = performance.now();
      proxy.stall();
      await leads(second);
      frozenAtMs = undefined;
      expect(first.isLeader).toBe(false);
      proxy.resume();
      await eventually(() => expect(first.holder).toBe('b'));
      expect(first.isLeader).toBe(false);
      expect(second.isLeader).toBe(true);
    });

    test('a leader leaves a text for the next, long before it renews, and also as it ends', async () => {
      const first = await join('a');
      await leads(first);
      const annotation = async () => {
        const { metadata } = (await server.request('GET', path)).body as { metadata: { annotations?: object } };
        return metadata.annotations;
      };
      await server.request(
        'PATCH',
        path,
        { metadata: { annotations: { foreign: 'kept' } } },
        'application/merge-patch+json',
      );
      for (const text of ['one', 'two']) first.handOver(text);
      await eventually(async () =>
        expect(await annotation()).toEqual({ foreign: 'kept', 'countersign.dev/test': 'two' }),
      );
      const second = await join('b');
      await eventually(() => expect(second.holder).toBe('a'));
      second.handOver('not from one that does not lead');
      first.handOver('three');
      await first.close();
      await leads(second);
      expect(handovers).toEqual([undefined, 'three']);
      expect(await annotation()).toEqual({ foreign: 'kept', 'countersign.dev/test': 'three' });
      second.handOver('four');
      await eventually(async () => expect(await annotation()).toMatchObject({ 'countersign.dev/test': 'four' }));
    });

    test('a Lease that an operator of the cluster deletes is taken again by one', async () => {
      const [first, second] = [await join('a'), await join('b')];
      await eventually(() => expect([first, second].filter(({ isLeader }) => isLeader)).toHaveLength(1));
      await server.request('DELETE', path);
      await eventually(async () => expect((await lease())['holderIdentity']).toBeTruthy());
      await eventually(() => expect([first, second].filter(({ isLeader }) => isLeader)).toHaveLength(1));
    });

    test('an API server that restarts costs the leadership at most once', async () => {
      const [first, second] = [await join('a'), await join('b')];
      await eventually(() => expect([first, second].filter(({ isLeader }) => isLeader)).toHaveLength(1));
      await server.stopApiServer();
      await eventually(() => expect([first, second].filter(({ isLeader }) => isLeader)).toHaveLength(0));
      await server.startApiServer();
      await eventually(() => expect([first, second].filter(({ isLeader }) => isLeader)).toHaveLength(1));
      neverTwo();
      expect(log).toHaveLength(3);
    });
  });
}
