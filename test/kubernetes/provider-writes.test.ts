import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { ConditionState, Reason } from '../../src/api/conditions.js';
import type { ObjectReference } from '../../src/api/problem.js';
import { systemClock } from '../../src/lib/clock.js';
import {
  createEventRecorder,
  createReadinessEvents,
  type KubeEvent,
} from '../../src/provider/kubernetes/write/event-recorder.js';
import {
  createGeneratedSecrets,
  type GeneratedSecrets,
} from '../../src/provider/kubernetes/write/generated-secrets.js';
import type { KubeApi, RawObject } from '../../src/provider/kubernetes/kube-api.js';
import {
  createKubernetesProvider,
  type KubernetesProvider,
} from '../../src/provider/kubernetes/kubernetes-provider.js';
import {
  createStatusWriter,
  type DesiredStatus,
  refusedStatuses,
} from '../../src/provider/kubernetes/write/status-writer.js';
import type { Publication } from '../../src/provider/provider.js';
import {
  generatedKeyRequests,
  generateKeyData,
  type GeneratedKeyRequest,
} from '../../src/translate/keys/generated-keys.js';
import { eventually } from '../support/eventually.js';
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
const run = promisify(execFile);

if (typeof binaries === 'string') {
  describe.skip(`what the operator writes: not run, ${binaries}`, () => test('writes', () => undefined));
} else {
  describe('what the operator writes, with the rights that ship', () => {
    let server: KubeApiServer;
    let user: KubeUser;
    let admin: KubeUser;
    let provider: KubernetesProvider;
    let published: Publication;
    /** Everything that changes objects, in the order of the calls. */
    let writes: string[] = [];
    let onPublish: () => void = () => undefined;
    let onLive: (object: ObjectReference) => void = () => undefined;
    const leader = { isLeader: true, signal: undefined as AbortSignal | undefined };
    const closers: (() => Promise<void>)[] = [];

    beforeAll(async () => {
      server = await startKubeApiServer(binaries, { users: { 'token-operator': 'operator' } });
      await installCrds(server);
      for (const name of ['shop', 'countersign-system']) await createNamespace(server, name);
      await grantOperator(server, 'operator', ['shop']);
      user = await connectAs(server, 'token-operator');
      admin = await connectAs(server, server.token);
      provider = createKubernetesProvider({
        api: user.api,
        namespaces: ['shop'],
        onLive: (object) => onLive(object),
      });
      await provider.start((publication) => {
        published = publication;
        onPublish();
      });
    }, 120_000);
    afterEach(async () => {
      for (const close of closers.splice(0).reverse()) await close();
      [onPublish, onLive] = [() => undefined, () => undefined];
      leader.isLeader = true;
      writes = [];
      for (const plural of ['signaturekeys', 'authorizations'])
        await server.request('DELETE', `/apis/countersign.dev/v1alpha1/namespaces/shop/${plural}`);
      await server.request('DELETE', '/api/v1/namespaces/shop/secrets');
      await eventually(() =>
        expect([published.resources.SignatureKey.size, published.resources.Secret.size]).toEqual([0, 0]),
      );
    });
    afterAll(async () => {
      await provider?.close();
      await user?.close();
      await admin?.close();
      await server?.stop();
    });

    /** The operator's client, which notes its writes. */
    const noted = (): KubeApi => {
      const { api } = user;
      return Object.assign(Object.create(api) as KubeApi, {
        get: api.get.bind(api),
        create: (...args: Parameters<KubeApi['create']>) => {
          writes.push(`create ${args[0].kind} ${(args[1]['metadata'] as { name: string }).name}`);
          return api.create(...args);
        },
        patch: (...args: Parameters<KubeApi['patch']>) => {
          writes.push(`patch ${args[0].type.kind} ${args[0].name}`);
          return api.patch(...args);
        },
      });
    };

    const collection = '/apis/countersign.dev/v1alpha1/namespaces/shop/signaturekeys';
    const reference = (name: string): ObjectReference => ({ kind: 'SignatureKey', namespace: 'shop', name });
    async function createKey(name: string, spec: object = {}, metadata: object = {}): Promise<void> {
      const { status, body } = await server.request('POST', collection, {
        apiVersion: 'countersign.dev/v1alpha1',
        kind: 'SignatureKey',
        metadata: { name, ...metadata },
        spec: { usage: 'Caller', identity: 'SignatureKeyPair', type: 'HMAC', ...spec },
      });
      expect({ status, message: body['message'] }).toEqual({ status: 201, message: undefined });
      await eventually(() => expect(published.resources.SignatureKey.has(`shop/${name}`)).toBe(true));
    }
    const editKey = (name: string, body: unknown, suffix = '') =>
      server.request('PATCH', `${collection}/${name}${suffix}`, body, 'application/merge-patch+json');
    const removeKey = (name: string) => server.request('DELETE', `${collection}/${name}`);
    const storedKey = async (name: string) => (await server.request('GET', `${collection}/${name}`)).body;
    const generation = (name: string) => must(published.resources.SignatureKey.get(`shop/${name}`)).metadata.generation;
    const kubectl = (...args: string[]) =>
      run('kubectl', ['--kubeconfig', admin.kubeconfig, '-n', 'shop', ...args], {
        env: { ...process.env, PATH: `${process.env['KUBEBUILDER_ASSETS'] ?? ''}:${process.env['PATH'] ?? ''}` },
      });

    describe('status', () => {
      const ready = (status: 'True' | 'False', reason: ConditionState['reason'], message = ''): ConditionState[] => [
        { type: 'Accepted', status: 'True', reason: 'Accepted', message: '' },
        { type: 'Ready', status, reason, message },
      ];
      const desired = (name: string, conditions: readonly ConditionState[], fields: object = {}): DesiredStatus => ({
        object: reference(name),
        generation: generation(name),
        conditions,
        fields: { keyID: 'AK1', ...fields },
      });
      const byId = (status: DesiredStatus) =>
        new Map([[`SignatureKey/${status.object.namespace}/${status.object.name}`, status]]);
      function start() {
        const errors: string[] = [];
        const recorder = createEventRecorder({
          api: noted(),
          leader,
          clock: systemClock,
          instance: 'test',
          onError: (error) => errors.push(String(error)),
        });
        const news = createReadinessEvents();
        let nowMs = Date.parse('2030-01-01T00:00:00Z');
        const writer = createStatusWriter({
          api: noted(),
          live: (object) => provider.live(object),
          leader,
          clock: () => (nowMs += 1000),
          onWritten: (change) => {
            const event = news(change);
            if (event) recorder.record(event);
          },
          onError: (_object, error) => errors.push(String(error)),
        });
        onLive = (object) => writer.look(object);
        closers.push(
          () => recorder.close(),
          () => writer.close(),
        );
        const idle = () => eventually(() => expect([writer.pending, recorder.pending]).toEqual([0, 0]));
        return { writer, errors, idle };
      }
      type Stored = { keyID: string; observedGeneration: number; conditions: Record<string, unknown>[] };
      const statusOf = async (name: string) => (await storedKey(name))['status'] as Stored;
      const statusWrites = () => writes.filter((each) => each.startsWith('patch SignatureKey')).length;

      test('is written once, and not again while nothing changes', async () => {
        await createKey('once');
        const { writer, idle, errors } = start();
        for (let i = 0; i < 5; i += 1) {
          writer.update(byId(desired('once', ready('True', 'Ready'))));
          await idle();
        }
        const status = await statusOf('once');
        expect(status).toMatchObject({ keyID: 'AK1', observedGeneration: 1 });
        expect(status.conditions).toHaveLength(2);
        expect(statusWrites()).toBe(1);
        expect(errors).toEqual([]);
      });

      test('keeps lastTransitionTime while the status of a condition stays, and moves it when it flips', async () => {
        await createKey('flip');
        const { writer, idle } = start();
        const time = async () => {
          await idle();
          return (await statusOf('flip')).conditions.map(({ lastTransitionTime }) => lastTransitionTime);
        };
        writer.update(byId(desired('flip', ready('False', 'SecretNotFound', 'one'))));
        const first = await time();
        writer.update(byId(desired('flip', ready('False', 'InvalidSecret', 'two'))));
        expect(await time()).toEqual(first);
        writer.update(byId(desired('flip', ready('True', 'Ready'))));
        const [accepted, flipped] = await time();
        expect(accepted).toBe(first[0]);
        expect(flipped).not.toBe(first[1]);
      });

      test('serves kubectl wait and kubectl get', async () => {
        await createKey('waited');
        const { writer, idle } = start();
        writer.update(byId(desired('waited', ready('True', 'Ready'))));
        await idle();
        const { stdout } = await kubectl('wait', '--for=condition=Ready', 'sigkey/waited', '--timeout=5s');
        expect(stdout).toContain('condition met');
        const table = (await kubectl('get', 'sigkey', 'waited')).stdout.split('\n').map((line) => line.split(/ {2,}/));
        expect(table[0]?.slice(0, 5)).toEqual(['NAME', 'KEY-ID', 'IDENTITY', 'STATE', 'READY']);
        expect(table[1]?.slice(0, 5)).toEqual(['waited', 'AK1', 'SignatureKeyPair', 'Enabled', 'True']);
      });

      test('that somebody else changed is put right', async () => {
        await createKey('foreign');
        const { writer, idle } = start();
        writer.update(byId(desired('foreign', ready('True', 'Ready'))));
        await idle();
        await editKey('foreign', { status: { keyID: 'AKFORGED' } }, '/status');
        await eventually(async () => expect(await statusOf('foreign')).toMatchObject({ keyID: 'AK1' }));
      });

      test('of an older generation is not written over a newer object', async () => {
        await createKey('older');
        const { writer, idle } = start();
        const stale = desired('older', ready('True', 'Ready'));
        await editKey('older', { spec: { state: 'Disabled' } });
        await eventually(() => expect(generation('older')).toBe(2));
        writer.update(byId(stale));
        await idle();
        expect(statusWrites()).toBe(0);
      });

      test('is written by the leader alone, and by a new leader with its first judgement', async () => {
        await createKey('led');
        leader.isLeader = false;
        const { writer, idle } = start();
        const judged = byId(desired('led', ready('True', 'Ready')));
        writer.update(judged);
        await idle();
        expect(statusWrites()).toBe(0);
        leader.isLeader = true;
        writer.resync();
        writer.update(judged);
        await idle();
        expect(statusWrites()).toBe(1);
      });

      test('that another leader wrote is not undone with what was wanted in a former term', async () => {
        await createKey('regained');
        const { writer, idle } = start();
        writer.update(byId(desired('regained', ready('True', 'Ready'))));
        await idle();
        leader.isLeader = false;
        const expired = desired('regained', ready('False', 'Expired'));
        const lastTransitionTime = '2030-01-02T00:00:00Z';
        const conditions = expired.conditions.map((each) => ({ ...each, observedGeneration: 1, lastTransitionTime }));
        await editKey('regained', { status: { conditions } }, '/status');
        const known = () => provider.live(reference('regained'));
        await eventually(() => expect(known()?.status).toMatchObject({ conditions }));

        leader.isLeader = true;
        writer.resync();
        expect(writer.pending).toBe(0);
        // Something that is no status brings it up again.
        const { resourceVersion } = must(known());
        await editKey('regained', { metadata: { labels: { looked: 'at' } } });
        await eventually(() => expect(known()?.resourceVersion).not.toBe(resourceVersion));
        await idle();
        writer.update(byId(expired));
        await idle();
        expect(statusWrites()).toBe(1);
        expect((await statusOf('regained')).conditions).toEqual(conditions);
      });

      test('fields that the CRD of this server does not know are left out, and cause no further writes', async () => {
        await createKey('newer');
        const { writer, idle, errors } = start();
        const future = desired('newer', ready('True', 'Ready'), { fromTheFuture: 1 });
        writer.update(byId(future));
        await idle();
        await eventually(() => expect(provider.live(reference('newer'))?.status).toMatchObject({ keyID: 'AK1' }));
        const { length } = writes;
        writer.update(byId(future));
        await idle();
        expect(writes).toHaveLength(length);
        expect(errors).toEqual([]);
      });

      test('tells in the status of a refused object why it is refused', async () => {
        await createKey('refused');
        const problem = {
          severity: 'error',
          object: reference('refused'),
          path: 'spec.usage',
          reason: 'InvalidValue',
          message: 'must be Caller or Backend',
        } as const;
        const { writer, idle } = start();
        writer.update(refusedStatuses([problem], (object) => provider.live(object)));
        await idle();
        const { conditions } = await statusOf('refused');
        expect(conditions.find(({ type }) => type === 'Ready')).toMatchObject({
          status: 'False',
          reason: 'InvalidValue',
          message: 'spec.usage: must be Caller or Backend',
        });
      });

      test('tells its news as Events: Normal when Ready, Warning with the reason when not, repeated ones counted', async () => {
        await createKey('eventful');
        const { writer, idle, errors } = start();
        const failing = ready('False', 'SecretNotFound', 'spec.secretRef.name: Secret x does not exist');
        for (const conditions of [
          ready('True', 'Ready'),
          failing,
          ready('False', 'Propagating', '0/1'),
          ready('True', 'Ready'),
        ]) {
          writer.update(byId(desired('eventful', conditions)));
          await idle();
        }
        const { body } = await server.request('GET', '/apis/events.k8s.io/v1/namespaces/shop/events');
        const events = (body['items'] as { regarding: { name: string }; type: string; reason: string; note: string }[])
          .filter(({ regarding }) => regarding.name === 'eventful')
          .map(({ type, reason, note }) => ({ type, reason, note }));
        expect(events).toHaveLength(2);
        expect(events).toContainEqual({ type: 'Normal', reason: 'Ready', note: expect.any(String) });
        expect(events).toContainEqual({
          type: 'Warning',
          reason: 'SecretNotFound',
          note: 'spec.secretRef.name: Secret x does not exist',
        });
        expect((await kubectl('describe', 'sigkey', 'eventful')).stdout).toContain('SecretNotFound');

        // Another leader says the same.
        const second = createEventRecorder({
          api: noted(),
          leader,
          clock: systemClock,
          instance: 'other',
          onError: (error) => errors.push(String(error)),
        });
        closers.push(() => second.close());
        const { uid } = must(provider.live(reference('eventful')));
        second.record({
          object: reference('eventful'),
          uid,
          type: 'Warning',
          reason: 'SecretNotFound',
          message: must(failing[1]).message,
        });
        await eventually(() => expect(second.pending).toBe(0));
        const again = await server.request('GET', '/apis/events.k8s.io/v1/namespaces/shop/events');
        const warnings = (
          again.body['items'] as { regarding: { name: string }; type: string; series?: { count: number } }[]
        ).filter(({ regarding, type }) => regarding.name === 'eventful' && type === 'Warning');
        expect(warnings.map(({ series }) => series?.count)).toEqual([2]);
        expect(errors).toEqual([]);
      });
    });

    describe('Events that the server may refuse', () => {
      const recordAll = async (...events: (Pick<KubeEvent, 'object' | 'message'> & Partial<KubeEvent>)[]) => {
        const errors: string[] = [];
        const recorder = createEventRecorder({
          api: noted(),
          leader,
          clock: systemClock,
          instance: 'test',
          onError: (error) => errors.push(String(error)),
        });
        closers.push(() => recorder.close());
        for (const event of events) recorder.record({ uid: '', type: 'Warning', reason: 'DataPlaneLost', ...event });
        await eventually(() => expect(recorder.pending).toBe(0));
        return errors;
      };
      const notesOf = async (name: string): Promise<string[]> => {
        const { body } = await server.request('GET', '/apis/events.k8s.io/v1/namespaces/shop/events');
        const items = body['items'] as { regarding: { name: string }; note: string }[];
        return items.filter(({ regarding }) => regarding.name === name).map(({ note }) => note);
      };

      test('are cut to what it takes, in bytes and between characters', async () => {
        expect(await recordAll({ object: reference('wide'), message: `a${'€'.repeat(1024)}` })).toEqual([]);
        expect(await notesOf('wide')).toEqual([`a${'€'.repeat(341)}`]);
      });

      test('are written of nodes that are named as no object can be', async () => {
        const names = ['Gateway_1', '-', '\u001b[31m', '.. .'];
        const errors = await recordAll(
          ...names.map((name) => ({ object: { kind: 'Pod', namespace: 'shop', name }, message: 'is lost' })),
        );
        expect(errors).toEqual([]);
        for (const name of names) expect(await notesOf(name)).toEqual(['is lost']);
      });

      test('and that it refuses all the same are told once and forgotten, or others would wait for ever', async () => {
        const reason = 'TooLong'.repeat(20) as Reason;
        expect(await recordAll({ object: reference('refused'), reason, message: 'm' })).toEqual([
          expect.stringMatching(/422|[Ii]nvalid/),
        ]);
      });
    });

    describe('generated Secrets', () => {
      let faults: string[] = [];
      const taken: string[] = [];
      function start(api: KubeApi = noted()): GeneratedSecrets {
        faults = [];
        const secrets = createGeneratedSecrets<GeneratedKeyRequest>({
          api,
          live: (object) => provider.live(object),
          leader,
          requestsOf: generatedKeyRequests,
          dataOf: (request, present) => generateKeyData(request, present, systemClock(), randomBytes),
          onTaken: ({ key, secretName }) => {
            taken.push(secretName);
            provider.suspect(key, secretName);
          },
          onFault: (_request, message) => faults.push(message),
        });
        closers.push(() => secrets.close());
        return secrets;
      }
      const follow = (...all: readonly GeneratedSecrets[]) => {
        onPublish = () => all.forEach((secrets) => secrets.reconcile(published.resources));
        onPublish();
      };
      const secretPath = (name: string) => `/api/v1/namespaces/shop/secrets/${name}-signature-key`;
      const storedSecret = async (name: string) => (await server.request('GET', secretPath(name))).body;
      const published1 = (name: string) => published.resources.Secret.get(`shop/${name}-signature-key`);
      const exists = (name: string) => eventually(() => must(published1(name)));
      const creations = (name: string) =>
        writes.filter((each) => each === `create Secret ${name}-signature-key`).length;

      test('carry type, data and owner, and nothing of the labels and annotations of the key', async () => {
        follow(start());
        await createKey('fresh', {}, { labels: { team: 'a' }, annotations: { note: 'b' } });
        await exists('fresh');
        const secret = await storedSecret('fresh');
        expect(secret['type']).toBe('countersign.dev/signature-key');
        const metadata = secret['metadata'] as Record<string, unknown>;
        expect(metadata['labels']).toEqual({ 'app.kubernetes.io/managed-by': 'countersign' });
        expect(metadata['annotations']).toBeUndefined();
        const { uid } = must(provider.live(reference('fresh')));
        expect(metadata['ownerReferences']).toEqual([
          { apiVersion: 'countersign.dev/v1alpha1', kind: 'SignatureKey', name: 'fresh', uid, controller: true },
        ]);
        expect(Object.keys(secret['data'] as object).sort()).toEqual(['generation', 'idSeed', 'keyId', 'secret']);
      });

      test('are created once under concurrent reconciles of two processes', async () => {
        const all = [start(), start()];
        follow(...all);
        await Promise.all(Array.from({ length: 10 }, (_, i) => createKey(`many-${String(i)}`)));
        await eventually(() => {
          follow(...all);
          expect(published.resources.Secret.size).toBe(10);
        });
        const first = await storedSecret('many-0');
        for (let i = 0; i < 5; i += 1) follow(...all);
        await eventually(() => expect(all.map(({ pending }) => pending)).toEqual([0, 0]));
        expect(await storedSecret('many-0')).toEqual(first);
        expect(published.resources.Secret.size).toBe(10);
      });

      test('rotate once for each generation, the previous secret stays until its grace ends', async () => {
        const secrets = start();
        follow(secrets);
        await createKey('rotated');
        const before = must(await exists('rotated')).text('secret');
        await editKey('rotated', { spec: { rotation: { generation: 2, gracePeriod: '1h' } } });
        const after = await eventually(() => {
          const secret = must(published1('rotated'));
          expect(secret.text('generation')).toBe('2');
          return secret;
        });
        expect(after.text('previousSecret')).toBe(before);
        expect(after.text('secret')).not.toBe(before);
        expect(after.has('previousNotAfter')).toBe(true);
        for (let i = 0; i < 3; i += 1) follow(secrets);
        await eventually(() => expect(secrets.pending).toBe(0));
        expect(published1('rotated')).toBe(after);

        await editKey('rotated', { spec: { rotation: { generation: 3, gracePeriod: '0s' } } });
        await eventually(() => expect(published1('rotated')?.text('generation')).toBe('3'));
        expect(published1('rotated')?.has('previousSecret')).toBe(false);
      });

      test('a rotation that read an older Secret changes nothing', async () => {
        const secrets = start();
        follow(secrets);
        await createKey('raced');
        await exists('raced');
        await eventually(() => expect(secrets.pending).toBe(0));
        onPublish = () => undefined;
        await editKey('raced', { spec: { rotation: { generation: 2, gracePeriod: '1h' } } });
        await eventually(() => expect(generation('raced')).toBe(2));
        const old = published.resources;
        secrets.reconcile(old);
        await eventually(() => expect(published1('raced')?.text('generation')).toBe('2'));
        const rotated = await storedSecret('raced');
        // A process that was stopped for a while goes on with what it knew.
        const late = start();
        late.reconcile(old);
        await eventually(() => expect(late.pending).toBeGreaterThan(0));
        await late.close();
        expect(await storedSecret('raced')).toEqual(rotated);
      });

      test('a Secret of that name that is not ours is never overwritten', async () => {
        const foreign = {
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: { name: 'taken-signature-key' },
          stringData: { a: 'b' },
        };
        await server.request('POST', '/api/v1/namespaces/shop/secrets', foreign);
        const before = await storedSecret('taken');
        follow(start());
        await createKey('taken');
        await eventually(() => expect(must(published1('taken'))).toMatchObject({ type: 'Opaque' }));
        expect(taken).toContain('taken-signature-key');
        expect(generatedKeyRequests(published.resources)).toEqual([]);
        expect(must(published1('taken')).has('a')).toBe(false);
        expect({ faults, stored: await storedSecret('taken') }).toEqual({ faults: [], stored: before });
      });

      test('a Secret that its user wrote under that name is used and never rotated', async () => {
        const own = {
          apiVersion: 'v1',
          kind: 'Secret',
          type: 'countersign.dev/signature-key',
          metadata: { name: 'brought-signature-key' },
          stringData: { keyId: 'AKBROUGHT', secret: 'brought-brought-brought' },
        };
        await server.request('POST', '/api/v1/namespaces/shop/secrets', own);
        const secrets = start();
        await createKey('brought', { rotation: { generation: 5, gracePeriod: '1h' } });
        const before = await storedSecret('brought');
        follow(secrets);
        await eventually(() => expect(secrets.pending).toBe(0));
        expect(await storedSecret('brought')).toEqual(before);
        expect(writes).toEqual([]);
      });

      test('a process that ends between writing and knowing creates no second Secret', async () => {
        const api = noted();
        const deaf = Object.assign(Object.create(api) as KubeApi, {
          create: async (...args: Parameters<KubeApi['create']>): Promise<RawObject> => {
            await api.create(...args);
            throw new Error('the connection broke after the request');
          },
        });
        const first = start(deaf);
        follow(first);
        await createKey('crashed');
        const secret = await exists('crashed');
        await first.close();
        const second = start();
        follow(second);
        await eventually(() => expect(second.pending).toBe(0));
        expect(published1('crashed')).toBe(secret);
        expect(creations('crashed')).toBe(1);
      });

      test('that was deleted is generated anew, with other ids', async () => {
        follow(start());
        await createKey('again');
        const first = must(await exists('again')).text('keyId');
        await server.request('DELETE', secretPath('again'));
        await eventually(() => {
          const next = published1('again')?.text('keyId');
          expect(next).toBeDefined();
          expect(next).not.toBe(first);
        });
      });

      test('waits for the Secret of a deleted key of the same name to go, and heals within a second', async () => {
        follow(start());
        await createKey('reborn');
        const first = must(await exists('reborn')).text('keyId');
        await removeKey('reborn');
        await eventually(() => expect(published.resources.SignatureKey.size).toBe(0));
        await createKey('reborn');
        await eventually(() => expect(taken).toContain('reborn-signature-key'));
        expect(published1('reborn')).toBeUndefined();
        // What the garbage collector of a cluster does.
        await server.request('DELETE', secretPath('reborn'));
        await eventually(() => expect(must(published1('reborn')).text('keyId')).not.toBe(first), { withinMs: 1000 });
      });

      test('are written by the leader alone', async () => {
        leader.isLeader = false;
        const secrets = start();
        follow(secrets);
        await createKey('follower');
        await eventually(() => expect(secrets.pending).toBe(0));
        expect(writes).toEqual([]);
        leader.isLeader = true;
        secrets.resync();
        await exists('follower');
      });
    });
  });
}
