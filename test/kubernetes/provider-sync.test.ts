import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Publication } from '../../src/provider/provider.js';
import {
  createKubernetesProvider,
  type KubernetesProvider,
  type KubernetesProviderOptions,
} from '../../src/provider/kubernetes/kubernetes-provider.js';
import { eventually } from '../support/eventually.js';
import { findKubeBinaries, startKubeApiServer, type KubeApiServer } from '../support/kubernetes/kube-api-server.js';
import {
  connectAs,
  createNamespace,
  grantOperator,
  installCrds,
  type KubeUser,
  OPERATOR_NAMESPACE,
} from '../support/kubernetes/kube-operator.js';
import { must } from '../support/must.js';
import { apiGroup, grant, importedKey, secret } from '../support/resources/resources.js';

const binaries = findKubeBinaries();

if (typeof binaries === 'string') {
  describe.skip(`the Kubernetes provider: not run, ${binaries}`, () => test('sync', () => undefined));
} else {
  describe('the Kubernetes provider', () => {
    let server: KubeApiServer;
    let everywhere: KubeUser;
    let shopOnly: KubeUser;
    const providers: KubernetesProvider[] = [];

    beforeAll(async () => {
      server = await startKubeApiServer(binaries, {
        users: { 'token-all': 'operator', 'token-shop': 'shop-operator' },
      });
      await installCrds(server);
      for (const name of [OPERATOR_NAMESPACE, 'other']) await createNamespace(server, name);
      await createNamespace(server, 'shop', { team: 'a' });
      await grantOperator(server, 'operator');
      await grantOperator(server, 'shop-operator', ['shop']);
      everywhere = await connectAs(server, 'token-all');
      shopOnly = await connectAs(server, 'token-shop');
    }, 120_000);
    afterEach(async () => {
      await Promise.all(providers.splice(0).map((provider) => provider.close()));
      for (const path of [
        '/apis/countersign.dev/v1alpha1/namespaces/shop/signaturekeys',
        '/apis/countersign.dev/v1alpha1/namespaces/shop/apigroups',
        '/apis/countersign.dev/v1alpha1/namespaces/shop/authorizations',
        '/apis/countersign.dev/v1alpha1/namespaces/other/signaturekeys',
        '/api/v1/namespaces/shop/secrets',
      ])
        await server.request('DELETE', path);
    });
    afterAll(async () => {
      await everywhere?.close();
      await shopOnly?.close();
      await server?.stop();
    });

    async function start(user: KubeUser, options: Partial<KubernetesProviderOptions> = {}) {
      const incidents: string[] = [];
      const provider = createKubernetesProvider({
        api: user.api,
        onIncident: ({ type, cause, message }) => incidents.push(`${type.plural} ${cause} ${message}`),
        ...options,
      });
      providers.push(provider);
      const published: Publication[] = [];
      await provider.start((publication) => published.push(publication));
      return {
        provider,
        published,
        incidents,
        now: () => must(published.at(-1)),
      };
    }

    const plurals: Record<string, string> = {
      SignatureKey: 'apis/countersign.dev/v1alpha1/namespaces/NS/signaturekeys',
      ApiGroup: 'apis/countersign.dev/v1alpha1/namespaces/NS/apigroups',
      Authorization: 'apis/countersign.dev/v1alpha1/namespaces/NS/authorizations',
      Secret: 'api/v1/namespaces/NS/secrets',
    };
    type Manifest = Readonly<Record<string, unknown>>;
    const inNamespace = (object: Manifest, namespace: string): Manifest => ({
      ...object,
      metadata: { ...(object['metadata'] as object), namespace },
    });
    const pathOf = (object: Manifest) => {
      const { namespace } = object['metadata'] as { namespace: string };
      return `/${must(plurals[object['kind'] as string]).replace('NS', namespace)}`;
    };
    const nameOf = (object: Manifest) => (object['metadata'] as { name: string }).name;
    async function create(...objects: readonly Manifest[]) {
      for (const object of objects) {
        const { status, body } = await server.request('POST', pathOf(object), object);
        expect({ status, message: body['message'] }).toEqual({ status: 201, message: undefined });
      }
    }
    const remove = (object: Manifest) => server.request('DELETE', `${pathOf(object)}/${nameOf(object)}`);
    const patch = (object: Manifest, body: unknown, suffix = '') =>
      server.request('PATCH', `${pathOf(object)}/${nameOf(object)}${suffix}`, body, 'application/merge-patch+json');

    const [key, keySecret] = importedKey('caller', 'AKIDCALLER', 'a-secret-of-caller-1') as [Manifest, Manifest];

    test('publishes what there is, checked and with defaults, then every change', async () => {
      await create(keySecret, key);
      const { now } = await start(everywhere);
      const found = must(now().resources.SignatureKey.get('shop/caller'));
      expect(found.spec).toMatchObject({ usage: 'Caller', state: 'Enabled' });
      expect(now().resources.Secret.get('shop/caller')?.text('keyId')).toBe('AKIDCALLER');
      expect(now().resources.Namespace.get('shop')?.metadata.labels).toMatchObject({ team: 'a' });
      expect(now().resources.Service.has('default/kubernetes')).toBe(true);
      expect(now().problems).toEqual([]);

      await create(grant('all', ['caller'], 'orders'));
      await eventually(() => expect([...now().resources.Authorization.keys()]).toEqual(['shop/all']));
      await remove(keySecret);
      await eventually(() => expect(now().resources.Secret.has('shop/caller')).toBe(false));
    });

    test('any order of creation ends in the same resources', async () => {
      const objects = [
        key,
        keySecret,
        grant('all', ['caller'], 'orders'),
        apiGroup('orders', { verification: { dialects: ['Huawei'] } }),
      ];
      const names = async (order: readonly Manifest[]) => {
        const { now, provider } = await start(everywhere);
        await create(...order);
        const found = await eventually(() => {
          const { SignatureKey, Secret, Authorization, ApiGroup } = now().resources;
          const all = [SignatureKey, Secret, Authorization, ApiGroup].map((map) => [...map.keys()]);
          expect(all.flat()).toHaveLength(4);
          return all;
        });
        await provider.close();
        for (const object of order) await remove(object);
        return found;
      };
      expect(await names(objects)).toEqual(await names([...objects].reverse()));
    });

    test('an object keeps its identity while spec and labels stay: writes of status and annotations publish nothing', async () => {
      await create(key);
      const { now, published, provider } = await start(everywhere);
      const before = must(now().resources.SignatureKey.get('shop/caller'));
      const reference = { kind: 'SignatureKey', namespace: 'shop', name: 'caller' };
      const version = provider.live(reference)?.resourceVersion;
      await patch(key, { metadata: { annotations: { a: 'b' } } });
      await patch(key, { status: { secretName: 'caller' } }, '/status');
      await eventually(() => expect(provider.live(reference)?.status).toMatchObject({ secretName: 'caller' }));
      expect(provider.live(reference)?.resourceVersion).not.toBe(version);
      expect(published).toHaveLength(1);

      await patch(key, { spec: { state: 'Disabled' } });
      await eventually(() => expect(now().resources.SignatureKey.get('shop/caller')).not.toBe(before));
      expect(now().resources.SignatureKey.get('shop/caller')?.spec.state).toBe('Disabled');
    });

    test('delete is revoke: a key that a finalizer holds is gone at once', async () => {
      await create({ ...key, metadata: { ...(key['metadata'] as object), finalizers: ['example.com/hold'] } });
      const { now } = await start(everywhere);
      expect(now().resources.SignatureKey.has('shop/caller')).toBe(true);
      await remove(key);
      await eventually(() => expect(now().resources.SignatureKey.has('shop/caller')).toBe(false));
      await patch(key, { metadata: { finalizers: null } });
    });

    test('Secrets of other types are never read, but for the datum ca.crt of one that a group names', async () => {
      await create({ ...secret('foreign', { 'ca.crt': 'CERT', 'tls.key': 'private' }), type: 'Opaque' });
      const { now } = await start(everywhere);
      expect(now().resources.Secret.size).toBe(0);
      const backend = { type: 'URL', url: 'https://a.example.com', tls: { caSecretRef: { name: 'foreign' } } };
      const group = apiGroup('orders', { verification: { dialects: ['Huawei'] }, backend });
      await create(group);
      const read = await eventually(() => must(now().resources.Secret.get('shop/foreign')));
      expect(read.text('ca.crt')).toBe('CERT');
      expect(read.has('tls.key')).toBe(false);
      await remove(group);
      await eventually(() => expect(now().resources.Secret.size).toBe(0));
    });

    test('a key that names a Secret of another type learns the type, and never its data', async () => {
      await create({ ...keySecret, type: 'Opaque' }, key);
      const { now } = await start(everywhere);
      const found = await eventually(() => must(now().resources.Secret.get('shop/caller')));
      expect(found.type).toBe('Opaque');
      expect(found.has('keyId')).toBe(false);
      await remove(keySecret);
      await create(keySecret);
      await eventually(() => expect(now().resources.Secret.get('shop/caller')?.text('keyId')).toBe('AKIDCALLER'), {
        withinMs: 1000,
      });
    });

    test('a CA Secret that is created after its group is found at once', async () => {
      const backend = { type: 'URL', url: 'https://a.example.com', tls: { caSecretRef: { name: 'later' } } };
      await create(apiGroup('orders', { verification: { dialects: ['Huawei'] }, backend }));
      const { now } = await start(everywhere);
      await create({ ...secret('later', { 'ca.crt': 'CERT' }), type: 'Opaque' });
      await eventually(() => expect(now().resources.Secret.get('shop/later')?.text('ca.crt')).toBe('CERT'), {
        withinMs: 1000,
      });
    });

    test('the Secret of a deleted key does not serve a new key of the same name', async () => {
      const generated = { ...key, spec: { usage: 'Caller', identity: 'SignatureKeyPair', type: 'HMAC' } };
      await create(generated);
      const { now, provider } = await start(everywhere);
      const uid = must(provider.live({ kind: 'SignatureKey', namespace: 'shop', name: 'caller' })).uid;
      const owned = secret('caller-signature-key', { keyId: 'AKOLD', secret: 'old-old-old-old-old-1' });
      const owner = { apiVersion: 'countersign.dev/v1alpha1', kind: 'SignatureKey', name: 'caller', uid };
      await create({ ...owned, metadata: { ...(owned['metadata'] as object), ownerReferences: [owner] } });
      await eventually(() => expect(now().resources.Secret.has('shop/caller-signature-key')).toBe(true));
      await remove(generated);
      await create(generated);
      await eventually(() => expect(now().resources.SignatureKey.get('shop/caller')?.metadata.uid).not.toBe(uid));
      expect(now().resources.Secret.has('shop/caller-signature-key')).toBe(false);
    });

    test('a stored object that the schema of today refuses is a problem of its own', async () => {
      await create(key);
      const crd = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/signaturekeys.countersign.dev';
      const { body: definition } = await server.request('GET', crd);
      const loose = JSON.parse(JSON.stringify(definition)) as { spec: { versions: { schema: unknown }[] } };
      must(loose.spec.versions[0]).schema = {
        openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      };
      await server.request('PUT', crd, loose);
      const broken = { ...key, metadata: { name: 'broken', namespace: 'shop' }, spec: { usage: 'Nobody' } };
      await eventually(async () => expect((await server.request('POST', pathOf(broken), broken)).status).toBe(201));
      const { body: present } = await server.request('GET', crd);
      await server.request('PUT', crd, {
        ...definition,
        metadata: {
          ...(definition['metadata'] as object),
          resourceVersion: (present['metadata'] as { resourceVersion: string }).resourceVersion,
        },
      });

      const { now, provider } = await start(everywhere);
      expect([...now().resources.SignatureKey.keys()]).toEqual(['shop/caller']);
      expect(now().problems).toContainEqual(
        expect.objectContaining({
          object: { kind: 'SignatureKey', namespace: 'shop', name: 'broken' },
          path: 'spec.usage',
        }),
      );
      expect(provider.live({ kind: 'SignatureKey', namespace: 'shop', name: 'broken' })).toBeDefined();
    });

    describe('with a list of namespaces and Roles in them alone', () => {
      test('reads these and nothing else', async () => {
        await create(key, keySecret, inNamespace(key, 'other'));
        const { now, incidents } = await start(shopOnly, { namespaces: ['shop'] });
        expect([...now().resources.SignatureKey.keys()]).toEqual(['shop/caller']);
        expect([...now().resources.Namespace.keys()]).toEqual(['shop']);
        await patch(key, { spec: { state: 'Disabled' } });
        await eventually(() => expect(now().resources.SignatureKey.get('shop/caller')?.spec.state).toBe('Disabled'));
        expect(incidents).toEqual([]);
      });

      test('sees the labels of its namespaces change', async () => {
        const { now, incidents } = await start(shopOnly, { namespaces: ['shop'] });
        const path = '/api/v1/namespaces/shop';
        await server.request('PATCH', path, { metadata: { labels: { team: 'b' } } }, 'application/merge-patch+json');
        await eventually(
          () => expect(now().resources.Namespace.get('shop')?.metadata.labels).toMatchObject({ team: 'b' }),
          { withinMs: 1000 },
        );
        expect(incidents).toEqual([]);
      });

      test('without the rights it is not ready, says what is missing, and starts when they are given', async () => {
        const incidents: string[] = [];
        const provider = createKubernetesProvider({
          api: shopOnly.api,
          namespaces: ['other'],
          onIncident: ({ message }) => incidents.push(message),
        });
        providers.push(provider);
        let published = 0;
        const started = provider.start(() => (published += 1));
        await eventually(() => expect(incidents.join()).toMatch(/403 .*signaturekeys.*forbidden/));
        expect(provider.missing).toContain('SignatureKey in other');
        expect(published).toBe(0);
        await grantOperator(server, 'shop-operator', ['other']);
        await started;
        expect(published).toBe(1);
        expect(provider.missing).toEqual([]);
      });
    });
  });
}
