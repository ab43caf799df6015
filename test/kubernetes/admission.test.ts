import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { request } from 'node:https';
import { missing, NAMESPACE, objectsOf, render, type KubeObject } from '../chart/helm.js';
import { eventually } from '../support/eventually.js';
import { findKubeBinaries, startKubeApiServer, type KubeApiServer } from '../support/kubernetes/kube-api-server.js';
import { createNamespace, installCrds } from '../support/kubernetes/kube-operator.js';

const COLLECTOR = 'system:serviceaccount:kube-system:generic-garbage-collector';
const KEYS = '/apis/countersign.dev/v1alpha1/namespaces/shop/signaturekeys';
const binaries =
  missing === undefined ? findKubeBinaries() : `${missing} found neither in KUBEBUILDER_ASSETS nor on PATH`;

if (typeof binaries === 'string') {
  describe.skip(`the policy on deleting keys: not run, ${binaries}`, () => test('deletion', () => undefined));
} else {
  describe('where the policy on deleting keys is installed', () => {
    let server: KubeApiServer;

    beforeAll(async () => {
      server = await startKubeApiServer(binaries, { users: { 'token-gc': COLLECTOR } });
      await installCrds(server);
      await createNamespace(server, 'shop');
      await createNamespace(server, NAMESPACE);
      const objects = objectsOf(await render('--set', 'admissionPolicy.enabled=true'));
      for (const [path, kind] of [
        ['validatingadmissionpolicies', 'ValidatingAdmissionPolicy'],
        ['validatingadmissionpolicybindings', 'ValidatingAdmissionPolicyBinding'],
      ] as const) {
        const [object, ...others] = objects.filter((each: KubeObject) => each.kind === kind);
        expect(others).toEqual([]);
        const url = `/apis/admissionregistration.k8s.io/v1/${path}?fieldValidation=Strict`;
        expect(await server.request('POST', url, object)).toMatchObject({ status: 201 });
      }
      // A policy is in force a moment after it was stored.
      await create('first');
      await eventually(
        async () => expect(await server.request('DELETE', `${KEYS}/first?dryRun=All`)).toMatchObject({ status: 403 }),
        { withinMs: 20_000 },
      );
    }, 120_000);
    afterAll(async () => {
      await server?.stop();
    });

    const key = (name: string, spec: object = {}) => ({
      apiVersion: 'countersign.dev/v1alpha1',
      kind: 'SignatureKey',
      metadata: { name },
      spec: { usage: 'Backend', type: 'HMAC', ...spec },
    });
    async function create(name: string, spec: object = {}, collection = KEYS): Promise<void> {
      const { status, body } = await server.request('POST', collection, key(name, spec));
      expect({ status, message: body['message'] }).toEqual({ status: 201, message: undefined });
    }
    const remove = (name: string) => server.request('DELETE', `${KEYS}/${name}`);
    const exists = async (name: string) => (await server.request('GET', `${KEYS}/${name}`)).status === 200;

    test('an Enabled key is not deleted, and the answer says how to go on', async () => {
      await create('in-use');
      const { status, body } = await remove('in-use');
      expect(status).toBe(403);
      expect(body['message']).toContain(
        `the key is Enabled, and clients may still sign with it. Disable it first, delete it when nobody has missed it: kubectl patch signaturekey in-use -n shop --type merge -p '{"spec":{"state":"Disabled"}}'`,
      );
      expect(await exists('in-use')).toBe(true);
    });

    test('nor with all others at once', async () => {
      await create('one-of-many');
      expect((await server.request('DELETE', KEYS)).status).toBe(403);
      expect(await exists('one-of-many')).toBe(true);
    });

    test('what the answer proposes works', async () => {
      await create('going');
      const patched = await server.request(
        'PATCH',
        `${KEYS}/going`,
        { spec: { state: 'Disabled' } },
        'application/merge-patch+json',
      );
      expect(patched.status).toBe(200);
      expect((await remove('going')).status).toBe(200);
      expect(await exists('going')).toBe(false);
    });

    test('a Disabled key is deleted', async () => {
      await create('disabled', { state: 'Disabled' });
      expect((await remove('disabled')).status).toBe(200);
    });

    test('the key of helm test is deleted, and no other key of that name', async () => {
      const keys = KEYS.replace('shop', NAMESPACE);
      await create('countersign-test', {}, keys);
      expect((await server.request('DELETE', `${keys}/countersign-test`)).status).toBe(200);
      await create('countersign-test');
      expect((await remove('countersign-test')).status).toBe(403);
      await create('in-use', {}, keys);
      expect((await server.request('DELETE', `${keys}/in-use`)).status).toBe(403);
    });

    test('who says that a key were of a Helm hook cannot delete it either', async () => {
      const annotations = { 'helm.sh/hook': 'test', 'helm.sh/hook-delete-policy': 'hook-succeeded' };
      const hook = { ...key('hook'), metadata: { name: 'hook', annotations } };
      expect((await server.request('POST', KEYS, hook)).status).toBe(201);
      expect((await remove('hook')).status).toBe(403);
    });

    test('the other kinds are deleted', async () => {
      const plans = '/apis/countersign.dev/v1alpha1/namespaces/shop/usageplans';
      const plan = {
        apiVersion: 'countersign.dev/v1alpha1',
        kind: 'UsagePlan',
        metadata: { name: 'gold' },
        spec: {
          keys: { refs: [{ name: 'in-use' }] },
          targets: [{ apiGroup: 'orders', environment: 'release', apis: ['*'] }],
        },
      };
      expect((await server.request('POST', plans, plan)).status).toBe(201);
      expect((await server.request('DELETE', `${plans}/gold`)).status).toBe(200);
    });

    test('what lost its owner is collected', async () => {
      await create('orphan');
      await deleteAs('token-gc', `${KEYS}/orphan`);
      expect(await exists('orphan')).toBe(false);
    });

    test('a namespace that is deleted takes its keys along', async () => {
      await createNamespace(server, 'leaving');
      const keys = KEYS.replace('shop', 'leaving');
      await create('enabled', {}, keys);
      expect((await server.request('DELETE', `${keys}/enabled`)).status).toBe(403);
      expect((await server.request('DELETE', '/api/v1/namespaces/leaving')).status).toBe(200);
      // As the namespace controller does, which is not part of an API server.
      await eventually(async () => expect((await server.request('DELETE', keys)).status).toBe(200), {
        withinMs: 10_000,
      });
      expect((await server.request('GET', keys)).body['items']).toEqual([]);
    });

    test('a definition that is deleted takes its keys along', async () => {
      const definition = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/signaturekeys.countersign.dev';
      expect((await server.request('DELETE', definition)).status).toBe(200);
      await eventually(async () => expect((await server.request('GET', definition)).status).toBe(404), {
        withinMs: 20_000,
      });
    });

    async function deleteAs(token: string, path: string): Promise<void> {
      const status = await new Promise<number | undefined>((resolve, reject) => {
        request(
          {
            ...{ method: 'DELETE', host: '127.0.0.1', port: server.port, path, ca: server.certificate },
            headers: { authorization: `Bearer ${token}` },
          },
          (response) => resolve(response.resume().statusCode),
        )
          .on('error', reject)
          .end();
      });
      expect(status).toBe(200);
    }
  });
}
