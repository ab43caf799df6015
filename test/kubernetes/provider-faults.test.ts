import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Publication } from '../../src/provider/provider.js';
import type { KubeApi, ListOptions } from '../../src/provider/kubernetes/kube-api.js';
import {
  createKubernetesProvider,
  type KubernetesProvider,
} from '../../src/provider/kubernetes/kubernetes-provider.js';
import type { ReflectorTiming, WatchIncident } from '../../src/provider/kubernetes/reflector.js';
import type { ResourceType } from '../../src/provider/kubernetes/resource-types.js';
import { eventually } from '../support/eventually.js';
import { startFaultProxy, type FaultProxy } from '../support/kubernetes/fault-proxy.js';
import { findKubeBinaries, startKubeApiServer, type KubeApiServer } from '../support/kubernetes/kube-api-server.js';
import {
  connectAs,
  createNamespace,
  grantOperator,
  installCrds,
  type KubeUser,
} from '../support/kubernetes/kube-operator.js';
import { must } from '../support/must.js';

const binaries = findKubeBinaries();

if (typeof binaries === 'string') {
  describe.skip(`the Kubernetes provider under faults: not run, ${binaries}`, () => test('faults', () => undefined));
} else {
  describe('the Kubernetes provider under faults', () => {
    let server: KubeApiServer;
    let proxy: FaultProxy;
    let user: KubeUser;
    let provider: KubernetesProvider | undefined;
    let incidents: WatchIncident[];
    let lists: { readonly plural: string; readonly atMs: number }[];
    let published: Publication[];
    let names = 0;

    beforeAll(async () => {
      // Without the watch cache a compaction of the store is what a watch sees.
      server = await startKubeApiServer(binaries, {
        users: { 'token-one': 'operator', 'token-two': 'operator' },
        flags: ['--watch-cache=false'],
      });
      await installCrds(server);
      await createNamespace(server, 'shop');
      await createNamespace(server, 'countersign-system');
      await grantOperator(server, 'operator');
    }, 120_000);
    beforeEach(async () => {
      proxy = await startFaultProxy(server.port);
      user = await connectAs(server, 'token-one', proxy.port);
      [incidents, lists, published] = [[], [], []];
    });
    afterEach(async () => {
      await provider?.close();
      await user.close();
      await proxy.close();
    });
    afterAll(async () => server?.stop());

    /** Counts the lists on their way to the server. */
    const counted = (api: KubeApi): KubeApi =>
      Object.assign(Object.create(api) as KubeApi, {
        list: (type: ResourceType, options: ListOptions) => {
          if (options.continueToken === undefined) lists.push({ plural: type.plural, atMs: performance.now() });
          return api.list(type, options);
        },
        watch: api.watch.bind(api),
        get: api.get.bind(api),
      });
    function create(timing: Partial<ReflectorTiming> = {}): KubernetesProvider {
      provider = createKubernetesProvider({
        api: counted(user.api),
        onIncident: (incident) => incidents.push(incident),
        timing,
      });
      return provider;
    }
    const start = (timing?: Partial<ReflectorTiming>) =>
      create(timing).start((publication) => published.push(publication));

    const collection = '/apis/countersign.dev/v1alpha1/namespaces/shop/signaturekeys';
    async function createKey(name = `key-${String((names += 1))}`): Promise<string> {
      const body = {
        apiVersion: 'countersign.dev/v1alpha1',
        kind: 'SignatureKey',
        metadata: { name },
        spec: { usage: 'Backend', type: 'HMAC' },
      };
      expect((await server.request('POST', collection, body)).status).toBe(201);
      return name;
    }
    const removeKey = (name: string) => server.request('DELETE', `${collection}/${name}`);
    const keys = () =>
      [...must(published.at(-1)).resources.SignatureKey.keys()].map((key) => key.slice('shop/'.length)).sort();
    const stored = async () => {
      const { body } = await server.request('GET', collection);
      return (body['items'] as { metadata: { name: string } }[]).map(({ metadata }) => metadata.name).sort();
    };
    const agrees = (withinMs = 5000) => eventually(async () => expect(keys()).toEqual(await stored()), { withinMs });
    const listsOf = (plural: string) => lists.filter((each) => each.plural === plural);

    test('a connection reset loses nothing and lists nothing again', async () => {
      await start();
      const gone = await createKey();
      await agrees();
      for (let round = 0; round < 3; round += 1) {
        proxy.reset();
        await createKey();
      }
      await removeKey(gone);
      await agrees();
      expect(listsOf('signaturekeys')).toHaveLength(1);
      expect(incidents.every(({ cause, relist }) => cause === 'Broken' && !relist)).toBe(true);
    });

    test('a watch cut in the middle of an event loses nothing and takes no torso for an object', async () => {
      await start();
      await createKey();
      await agrees();
      proxy.cutAfter(300);
      await Promise.all([createKey(), createKey()]);
      await agrees();
      expect(incidents.map(({ cause }) => cause)).not.toContain('Malformed');
      expect(incidents.length).toBeGreaterThan(0);
    });

    test('a stalled connection is noticed by silence, and everything is listed again', async () => {
      await start({ silenceMs: 1500, listHoldOffMs: 500 });
      const gone = await createKey();
      await agrees();
      proxy.stall();
      for (let i = 0; i < 5; i += 1) await createKey();
      await removeKey(gone);
      const silent = () =>
        incidents.filter(
          ({ type, message }) => type.plural === 'signaturekeys' && message.includes('nothing was heard'),
        );
      await eventually(() => expect(silent()).toMatchObject([{ relist: true }]));
      proxy.resume();
      await agrees();
      expect(listsOf('signaturekeys').length).toBeGreaterThan(1);
    });

    test('a compaction while away is one list, which notices what was deleted', async () => {
      await start();
      const gone = await createKey();
      await agrees();
      proxy.refuse();
      proxy.reset();
      await createKey();
      await removeKey(gone);
      for (let i = 0; i < 20; i += 1) await removeKey(await createKey());
      await server.compact();
      proxy.admit();
      await agrees(10_000);
      const expired = incidents.filter(({ type, cause }) => type.plural === 'signaturekeys' && cause === 'Expired');
      expect(expired.length).toBeGreaterThan(0);
      expect(keys()).not.toContain(gone);
      expect(listsOf('signaturekeys')).toHaveLength(2);
    });

    test('an API server that restarts is found again within 5 s', async () => {
      await start();
      await createKey();
      await agrees();
      await server.stopApiServer();
      await eventually(() => expect(incidents.length).toBeGreaterThan(6));
      await server.startApiServer();
      await createKey();
      await agrees(5000);
      // No hot loop while it was away.
      expect(proxy.accepted).toBeLessThan(7 * 5 * 60);
    });

    test('an API server that is away at the start is waited for', async () => {
      proxy.refuse();
      const started = start();
      await eventually(() => expect(incidents.length).toBeGreaterThan(7));
      expect(published).toEqual([]);
      expect(must(provider).missing).toContain('SignatureKey');
      proxy.admit();
      const admittedMs = performance.now();
      await started;
      expect(performance.now() - admittedMs).toBeLessThan(5000);
    });

    test('a token that has expired is read again from its file', async () => {
      await user.setToken('expired');
      const started = start();
      await eventually(() => expect(incidents.some(({ message }) => message.includes('401'))).toBe(true));
      await user.setToken('token-two');
      await started;
      expect(must(provider).missing).toEqual([]);
    });

    test('close ends every connection, also before the first list', async () => {
      proxy.stall();
      const started = start();
      await eventually(() => expect(proxy.connections).toBeGreaterThan(0));
      await must(provider).close();
      await started;
      user.api.close();
      await eventually(() => expect(proxy.connections).toBe(0));
      expect(published).toEqual([]);
    });
  });
}
