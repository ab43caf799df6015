import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { create } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { X509Certificate } from 'node:crypto';
import { checkServerIdentity } from 'node:tls';
import { openGeneratedCertificates, type GeneratedCertificates } from '../../src/app/kubernetes/xds-certificates.js';
import type { Lifetimes } from '../../src/certificates/plan.js';
import { PARTS, type Role } from '../../src/certificates/roles.js';
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from '../../src/gen/envoy/service/discovery/v3/discovery_pb.js';
import { certificateRules, ownNamespaceRules } from '../../src/provider/kubernetes/rbac.js';
import type { CertificateApi } from '../../src/provider/kubernetes/write/xds-certificates.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { createAdsListener, type AdsListener } from '../../src/xds/server/ads-server.js';
import { createPlane, type Peer } from '../../src/xds/server/plane.js';
import { aggregatedDiscoveryService } from '../../src/xds/server/service.js';
import { createSnapshot } from '../../src/xds/snapshot.js';
import { createAuthority } from '../support/certificate.js';
import { eventually } from '../support/eventually.js';
import { findKubeBinaries, startKubeApiServer, type KubeApiServer } from '../support/kubernetes/kube-api-server.js';
import {
  connectAs,
  createNamespace,
  type KubeUser,
  LEASE_NAME,
  OPERATOR_NAMESPACE,
} from '../support/kubernetes/kube-operator.js';
import { must } from '../support/must.js';

const binaries = findKubeBinaries();
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const NAMES: Record<Role, readonly string[]> = {
  controller: ['countersign-controller'],
  envoy: ['countersign-envoy'],
  authorizer: ['countersign-authorizer'],
};
const UNAVAILABLE = 14;
const PERMISSION_DENIED = 7;

if (typeof binaries === 'string') {
  describe.skip(`generated certificates: not run, ${binaries}`, () => test('are made', () => undefined));
} else {
  describe('generated certificates, with the rights that ship', () => {
    let server: KubeApiServer;
    let user: KubeUser;
    let log = '';
    const closers: (() => Promise<void>)[] = [];
    const secrets = `/api/v1/namespaces/${OPERATOR_NAMESPACE}/secrets`;

    beforeAll(async () => {
      server = await startKubeApiServer(binaries, { users: { 'token-operator': 'operator' } });
      await createNamespace(server, OPERATOR_NAMESPACE);
      // Neither list nor watch of Secrets, and no Secret but these four.
      const rules = [...ownNamespaceRules(LEASE_NAME), ...certificateRules('countersign')];
      const root = `/apis/rbac.authorization.k8s.io/v1/namespaces/${OPERATOR_NAMESPACE}`;
      await server.request('POST', `${root}/roles`, { metadata: { name: 'own' }, rules });
      await server.request('POST', `${root}/rolebindings`, {
        metadata: { name: 'own' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'own' },
        subjects: [
          { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'operator' },
          { kind: 'ServiceAccount', name: 'operator', namespace: OPERATOR_NAMESPACE },
        ],
      });
      user = await connectAs(server, 'token-operator');
    }, 120_000);
    afterEach(async () => {
      for (const close of closers.splice(0).reverse()) await close();
      await server.request('DELETE', secrets);
      expect(log).not.toMatch(/BEGIN|PRIVATE/);
      log = '';
    });
    afterAll(async () => {
      await user?.close();
      await server?.stop();
    }, 30_000);

    interface Opened {
      readonly certificates: GeneratedCertificates;
      leads: boolean;
      nowMs: number;
    }
    /** Looks when it is told to. */
    function open(
      options: { leads?: boolean; nowMs?: number; api?: CertificateApi; lifetimes?: Lifetimes } = {},
    ): Opened {
      const state = { leads: options.leads ?? true, nowMs: options.nowMs ?? Date.now() };
      const certificates = openGeneratedCertificates({
        api: options.api ?? user.api,
        namespace: OPERATOR_NAMESPACE,
        prefix: 'countersign',
        names: NAMES,
        ...(options.lifetimes && { lifetimes: options.lifetimes }),
        isLeader: () => state.leads,
        clock: () => state.nowMs,
        log: createLogger({ level: 'info', format: 'pretty', write: (line) => (log += line) }),
        checkEveryMs: 3_600_000,
      });
      closers.push(() => certificates.close());
      return Object.assign(state, { certificates });
    }

    interface StoredSecret {
      readonly type: string;
      readonly data: Readonly<Record<string, string>>;
      readonly metadata: {
        readonly resourceVersion: string;
        readonly labels: Readonly<Record<string, string>>;
        readonly annotations?: Readonly<Record<string, string>>;
        readonly ownerReferences?: readonly unknown[];
      };
    }
    const read = async (name: string): Promise<StoredSecret> => {
      const { status, body } = await server.request('GET', `${secrets}/countersign-${name}`);
      expect(status).toBe(200);
      return body as unknown as StoredSecret;
    };
    const patch = (name: string, body: unknown) =>
      server.request('PATCH', `${secrets}/countersign-${name}`, body, 'application/merge-patch+json');
    /** What a pod that mounts the Secret reads. */
    interface Mounted {
      readonly certificate: Buffer;
      readonly privateKey: Buffer;
      readonly ca: Buffer;
    }
    const mount = async (name: string): Promise<Mounted> => {
      const { data } = await read(name);
      const datum = (key: string) => Buffer.from(must(data[key]), 'base64');
      return { certificate: datum('tls.crt'), privateKey: datum('tls.key'), ca: datum('ca.crt') };
    };
    const fingerprint = ({ certificate }: Mounted) => new X509Certificate(certificate).fingerprint256;

    async function listen({ certificates }: Opened): Promise<string> {
      const plane = createPlane({
        types: [{ typeUrl: 'policy' }],
        permits: ({ subjectAltNames }: Peer) => subjectAltNames.includes('DNS:countersign-authorizer'),
      });
      const resource = { version: '1', resource: create(AnySchema, { typeUrl: 'x', value: new Uint8Array() }) };
      plane.setSnapshot(createSnapshot(new Map([['policy', new Map([['one', resource]])]])));
      const listener: AdsListener = createAdsListener({
        planes: [plane],
        credentials: certificates.serverCredentials(),
      });
      certificates.onRenewal(() => listener.endConnections());
      closers.push(() => listener.close());
      return listener.listen('127.0.0.1:0');
    }

    /** Asks for policy as an authorizer does: `first` is 0, or the code of the refusal, and `ended` the code of the end. */
    function follow(address: string, { certificate, privateKey, ca }: Mounted) {
      const client = new Client(
        address,
        credentials.createSsl(ca, privateKey, certificate, {
          checkServerIdentity: (_host, shown) => checkServerIdentity('countersign-controller', shown),
        }),
        { 'grpc.use_local_subchannel_pool': 1 },
      );
      const { path, requestSerialize, responseDeserialize } = aggregatedDiscoveryService.deltaAggregatedResources;
      const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
      call.write(create(DeltaDiscoveryRequestSchema, { node: { id: 'test' }, typeUrl: 'policy' }));
      const ended = new Promise<number>((resolve) => call.on('error', ({ code }: ServiceError) => resolve(code)));
      const answered = new Promise<number>((resolve) => call.on('data', (_: DeltaDiscoveryResponse) => resolve(0)));
      const close = (): void => {
        call.cancel();
        client.close();
      };
      return { first: Promise.race([answered, ended]), ended, close };
    }
    async function ask(address: string, mounted: Mounted): Promise<number> {
      const { first, close } = follow(address, mounted);
      return first.finally(close);
    }

    test('the Secrets belong to the service account of the operator, so that they go with the installation', async () => {
      const accounts = `/api/v1/namespaces/${OPERATOR_NAMESPACE}/serviceaccounts`;
      const { body: account } = await server.request('POST', accounts, { metadata: { name: 'operator' } });
      const { uid } = account['metadata'] as { uid: string };
      const { body: issued } = await server.request('POST', `${accounts}/operator/token`, { spec: {} });
      const pod = await connectAs(server, (issued['status'] as { token: string }).token);
      closers.push(() => pod.close());
      await open({ api: pod.api }).certificates.reconcile();
      for (const part of ['ca', 'envoy-tls'])
        expect((await read(part)).metadata.ownerReferences).toEqual([
          { apiVersion: 'v1', kind: 'ServiceAccount', name: 'operator', uid },
        ]);
    });

    test('are made once, by the leader, in Secrets of their own that pods can mount', async () => {
      const follower = open({ leads: false });
      await follower.certificates.reconcile();
      expect((await server.request('GET', secrets)).body['items']).toEqual([]);
      expect(follower.certificates.present).toBe(false);

      const leader = open();
      await leader.certificates.reconcile();
      for (const name of ['ca', 'controller-tls', 'envoy-tls', 'authorizer-tls']) {
        const { type, data, metadata } = await read(name);
        expect(type).toBe('kubernetes.io/tls');
        expect(Object.keys(data).sort()).toEqual(['ca.crt', 'tls.crt', 'tls.key']);
        expect(metadata.labels).toEqual({
          'app.kubernetes.io/managed-by': 'countersign',
          'app.kubernetes.io/part-of': 'countersign',
        });
      }
      const versions = async () =>
        Promise.all(['ca', 'envoy-tls'].map(async (name) => (await read(name)).metadata.resourceVersion));
      const before = await versions();
      await leader.certificates.reconcile();
      await follower.certificates.reconcile();
      expect(await versions()).toEqual(before);
      expect(follower.certificates.present).toBe(true);
      expect(log).toContain('certificates written: the Secret was missing');
    });

    test('admit an authorizer of theirs, nobody of another authority, and nobody before there are any', async () => {
      const replica = open({ leads: false });
      const address = await listen(replica);
      const stranger = createAuthority();
      const foreign = stranger.issue('countersign-authorizer');
      const pem = (text: string) => Buffer.from(text);
      const outsider = { certificate: pem(foreign.certificate), privateKey: pem(foreign.privateKey) };
      expect(await ask(address, { ...outsider, ca: pem(stranger.certificate) })).toBe(UNAVAILABLE);

      replica.leads = true;
      await replica.certificates.reconcile();
      const authorizer = await mount('authorizer-tls');
      expect(await ask(address, authorizer)).toBe(0);
      expect(await ask(address, await mount('envoy-tls'))).toBe(PERMISSION_DENIED);
      expect(await ask(address, { ...outsider, ca: authorizer.ca })).toBe(UNAVAILABLE);
      expect(await ask(address, { ...authorizer, ca: pem(stranger.certificate) })).toBe(UNAVAILABLE);
      // A certificate that is for clients only serves nobody.
      expect(new X509Certificate((await mount('envoy-tls')).certificate).keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    });

    test('are renewed, authority and all, while an authorizer that is ten minutes late connects at any time', async () => {
      // TLS judges by the real time, so the walk ends about now, where all that is in use is valid.
      const lifetimes = { authorityMs: 80 * DAY, leafMs: 60 * DAY, trustDelayMs: 10 * MINUTE };
      const startMs = Date.now() - 56 * DAY;
      const leader = open({ nowMs: startMs, lifetimes });
      const { certificates } = leader;
      await certificates.reconcile();
      const address = await listen(leader);
      let late = await mount('authorizer-tls');
      const seen = new Set<string>();
      const authorities = new Set<string>();
      const step = async (atMs: number) => {
        leader.nowMs = atMs;
        await certificates.reconcile();
        const newest = await mount('authorizer-tls');
        expect(await ask(address, late)).toBe(0);
        expect(await ask(address, newest)).toBe(0);
        late = newest;
        seen.add(fingerprint(newest));
        authorities.add(fingerprint(await mount('ca')));
        return newest.ca.toString().match(/BEGIN/g)?.length;
      };
      expect(await step(startMs + DAY)).toBe(1);
      expect(await step(startMs + 41 * DAY)).toBe(1);
      expect([seen.size, certificates.renewals]).toEqual([2, 1]);
      const dueMs = startMs + 54 * DAY;
      expect(await step(dueMs)).toBe(2);
      expect(await step(dueMs + MINUTE)).toBe(2);
      expect([seen.size, authorities.size]).toEqual([2, 1]);
      expect(await step(dueMs + 11 * MINUTE)).toBe(2);
      expect([seen.size, authorities.size]).toEqual([3, 2]);
      expect(await step(dueMs + 21 * MINUTE)).toBe(2);
      expect(log).toContain('the Secret is renewed: its successor signs from now on');
    }, 30_000);

    test('of an authority that was deleted are good for nothing, nor is a stream that one of them opened', async () => {
      const leader = open();
      await leader.certificates.reconcile();
      const address = await listen(leader);
      const stolen = await mount('authorizer-tls');
      const { first, ended, close } = follow(address, stolen);
      closers.push(() => Promise.resolve(close()));
      expect(await first).toBe(0);
      await server.request('DELETE', `${secrets}/countersign-ca`);
      await leader.certificates.reconcile();
      expect(await ended).toBe(UNAVAILABLE);
      expect(await ask(address, stolen)).toBe(UNAVAILABLE);
      expect(await ask(address, await mount('authorizer-tls'))).toBe(0);
    });

    test('drop the old authority when its last leaf has expired, and who connects then notices nothing', async () => {
      const lifetimes = { authorityMs: 80 * DAY, leafMs: 9 * DAY, trustDelayMs: 10 * MINUTE };
      const endMs = Date.now();
      const dueMs = endMs - 9 * DAY - 11 * MINUTE;
      const leader = open({ nowMs: dueMs - 54 * DAY, lifetimes });
      const stepTo = (nowMs: number) => {
        leader.nowMs = nowMs;
        return leader.certificates.reconcile();
      };
      await leader.certificates.reconcile();
      for (const afterMs of [0, MINUTE, 11 * MINUTE, 7 * DAY]) await stepTo(dueMs + afterMs);
      const late = await mount('authorizer-tls');
      expect(late.ca.toString().match(/BEGIN/g)).toHaveLength(2);
      const address = await listen(leader);
      expect(await ask(address, late)).toBe(0);
      await stepTo(endMs);
      const { data } = await read('ca');
      expect(Object.keys(data).sort()).toEqual(['ca.crt', 'tls.crt', 'tls.key']);
      expect(data['ca.crt']).toBe(data['tls.crt']);
      expect(await ask(address, late)).toBe(0);
      expect(await ask(address, await mount('authorizer-tls'))).toBe(0);
    });

    test('are the same for two replicas that begin at the same moment and both think they lead', async () => {
      const both = [open(), open()];
      await Promise.all(both.map(({ certificates }) => certificates.reconcile()));
      await Promise.all(both.map(({ certificates }) => certificates.reconcile()));
      const authority = new X509Certificate((await mount('ca')).certificate);
      const addresses = await Promise.all(both.map(listen));
      for (const name of ['controller-tls', 'envoy-tls', 'authorizer-tls'])
        expect(new X509Certificate((await mount(name)).certificate).verify(authority.publicKey)).toBe(true);
      for (const address of addresses) expect(await ask(address, await mount('authorizer-tls'))).toBe(0);
      expect(log).not.toContain('not renewed');
    });

    test('are not written over what another wrote since it was read, nor after the leadership ended', async () => {
      const first = open();
      await first.certificates.reconcile();
      await first.certificates.close();
      // Between the reading and the writing, somebody writes.
      let isDisturbed = false;
      const { api: real } = user;
      const api: CertificateApi = {
        get: (...call) => real.get(...call),
        create: (...call) => real.create(...call),
        async replace(...call) {
          if (!isDisturbed) await patch('envoy-tls', { metadata: { annotations: { somebody: 'was here' } } });
          isDisturbed = true;
          return real.replace(...call);
        },
      };
      await patch('envoy-tls', { data: { 'tls.key': '' } });
      const second = open({ api });
      await second.certificates.reconcile();
      const { data, metadata } = await read('envoy-tls');
      expect([isDisturbed, metadata.annotations]).toEqual([true, { somebody: 'was here' }]);
      expect(data['tls.key']).not.toBe('');

      await patch('envoy-tls', { data: { 'tls.key': '' } });
      const third = open({ leads: false });
      await third.certificates.reconcile();
      expect((await read('envoy-tls')).data['tls.key']).toBe('');
    });

    test('of Secrets that are somebody else’s are neither used nor overwritten, and this is told once', async () => {
      const data = { 'tls.crt': '', 'tls.key': '' };
      const own = { metadata: { name: 'countersign-envoy-tls' }, type: 'kubernetes.io/tls', data };
      await server.request('POST', secrets, own);
      const leader = open();
      await leader.certificates.reconcile();
      await leader.certificates.reconcile();
      expect((await read('envoy-tls')).data).toEqual(data);
      expect(log.match(/neither used nor overwritten; delete it/g)).toHaveLength(1);
      expect(await ask(await listen(leader), await mount('authorizer-tls'))).toBe(0);

      await server.request('DELETE', `${secrets}/countersign-envoy-tls`);
      await leader.certificates.reconcile();
      expect((await read('envoy-tls')).data['tls.crt']).not.toBe('');
    });

    test('are not made at all beside a CA that is somebody else’s', async () => {
      await server.request('POST', secrets, { metadata: { name: 'countersign-ca' }, data: { mine: '' } });
      const leader = open();
      await leader.certificates.reconcile();
      expect(leader.certificates.present).toBe(false);
      const { items } = (await server.request('GET', secrets)).body as { items: unknown[] };
      expect(items).toHaveLength(1);
    });

    test('that were broken by hand are replaced; what is served stays until then', async () => {
      const leader = open();
      const address = await listen(leader);
      await leader.certificates.reconcile();
      const authorizer = await mount('authorizer-tls');
      const half = (await read('controller-tls')).data['tls.crt']?.slice(0, 200);
      await patch('controller-tls', { data: { 'tls.crt': half } });
      leader.leads = false;
      await leader.certificates.reconcile();
      expect(log).toContain('countersign-controller-tls has a tls.crt that cannot be read');
      expect(await ask(address, authorizer)).toBe(0);
      leader.leads = true;
      await leader.certificates.reconcile();
      expect(await ask(address, authorizer)).toBe(0);

      await patch('ca', { data: { 'tls.key': '' } });
      await leader.certificates.reconcile();
      expect(log).toContain('WARN the authority of xDS was replaced');
      expect(await ask(address, authorizer)).toBe(UNAVAILABLE);
      expect(await ask(address, await mount('authorizer-tls'))).toBe(0);
    });

    test('come by themselves, soon after somebody leads', async () => {
      const leader = open();
      const follower = open({ leads: false });
      await eventually(() => expect(leader.certificates.present && follower.certificates.present).toBe(true));
      for (const part of PARTS) await read(part === 'ca' ? part : `${part}-tls`);
    });

    test('need no right to list Secrets or to read others', async () => {
      await server.request('POST', secrets, { metadata: { name: 'other' } });
      const path = { type: { group: '', version: 'v1', kind: 'Secret', plural: 'secrets', namespaced: true } };
      const namespace = OPERATOR_NAMESPACE;
      await expect(user.api.list(path.type, { namespace })).rejects.toMatchObject({ status: 403 });
      await expect(user.api.get({ ...path, namespace, name: 'other' })).rejects.toMatchObject({ status: 403 });
    });
  });
}
