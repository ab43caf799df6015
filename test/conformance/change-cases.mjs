// Changes of objects and what must come of each within EFFECTIVE_MS. Each leaves the objects as it found them.
import assert from 'node:assert/strict';

/** From a change to its effect on the next request. */
export const EFFECTIVE_MS = 5_000;

const PROVIDER = 'conformance-provider';
const CALLER = 'conformance-caller';
const LIST = '/conformance/v1/items';
const later = (ms) => new Date(Date.now() + ms).toISOString();

/**
 * `t.object(kind, ns, name)` a copy as applied; `t.apply`, `t.remove`; `t.status(key, path)` the status that a Huawei
 * client gets; `t.becomes(status, …)` waits for it and answers how long it took; `t.condition`; `t.secret`.
 */
export const CHANGE_CASES = [
  {
    name: 'deleting an Authorization revokes; applying it again grants',
    async run(t) {
      const grant = t.object('Authorization', PROVIDER, 'revocable');
      assert.equal(await t.status('revocable', LIST), 200);
      await t.remove(grant);
      await t.becomes(403, 'revocable', LIST);
      await t.apply(grant);
      await t.becomes(200, 'revocable', LIST);
    },
  },
  {
    name: 'state Disabled of a key refuses, Enabled serves',
    async run(t) {
      const key = t.object('SignatureKey', CALLER, 'editable');
      await t.apply({ ...key, spec: { ...key.spec, state: 'Disabled' } });
      await t.becomes(401, 'editable', LIST);
      assert.equal(await t.condition(key, 'Ready'), 'True Disabled');
      await t.apply(key);
      await t.becomes(200, 'editable', LIST);
    },
  },
  {
    name: 'a key refuses from its expirationTime on, without another change',
    async run(t) {
      const key = t.object('SignatureKey', CALLER, 'editable');
      const atMs = Date.now() + 3_000;
      await t.apply({ ...key, spec: { ...key.spec, expirationTime: new Date(atMs).toISOString() } });
      await t.becomes(401, 'editable', LIST, { withinMs: 3_000 + EFFECTIVE_MS });
      assert.ok(Date.now() >= atMs - 1_000, 'refused before its time');
      await t.apply(key);
      await t.becomes(200, 'editable', LIST);
    },
  },
  {
    name: 'a key that withdraws its consent is refused like an unknown one',
    async run(t) {
      const key = t.object('SignatureKey', CALLER, 'editable');
      await t.apply({ ...key, spec: { ...key.spec, allowedAuthorizers: { namespaces: { from: 'Same' } } } });
      await t.becomes(401, 'editable', LIST);
      await t.apply(key);
      await t.becomes(200, 'editable', LIST);
    },
  },
  {
    name: 'deleting a key refuses it',
    async run(t) {
      const key = t.object('SignatureKey', CALLER, 'editable');
      await t.remove(key);
      await t.becomes(401, 'editable', LIST);
      await t.apply(key);
      await t.becomes(200, 'editable', LIST);
    },
  },
  {
    name: 'an API that is added is served, one that is removed is not',
    async run(t) {
      const group = t.object('ApiGroup', PROVIDER, 'main');
      const path = '/conformance/v3/added';
      const added = { name: 'added', match: { path: { type: 'Exact', value: '/v3/added' }, methods: ['GET'] } };
      assert.equal(await t.status('huawei', path), 404);
      await t.apply({ ...group, spec: { ...group.spec, apis: [...group.spec.apis, added] } });
      await t.becomes(200, 'huawei', path);
      await t.apply(group);
      await t.becomes(404, 'huawei', path);
    },
  },
  {
    name: 'an environment goes offline and comes back',
    async run(t) {
      const group = t.object('ApiGroup', PROVIDER, 'main');
      const [release, ...others] = group.spec.environments;
      await t.apply({
        ...group,
        spec: { ...group.spec, environments: [{ ...release, state: 'Offline' }, ...others] },
      });
      await t.becomes(404, 'huawei', LIST);
      await t.apply(group);
      await t.becomes(200, 'huawei', LIST);
    },
  },
  {
    name: 'a Secret that is created later heals its key',
    async run(t) {
      const key = t.object('SignatureKey', CALLER, 'late');
      assert.equal(await t.condition(key, 'ResolvedRefs'), 'False SecretNotFound');
      const secret = {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'late', namespace: CALLER },
        type: 'countersign.dev/signature-key',
        stringData: { keyId: t.key('late').keyId, secret: t.key('late').secret },
      };
      await t.apply(secret);
      await t.becomes(200, 'late', LIST);
      await t.eventually(async () => assert.equal(await t.condition(key, 'Ready'), 'True Ready'));
      await t.remove(secret);
      await t.becomes(401, 'late', LIST);
    },
  },
  {
    name: 'an imported key rotates in its Secret: both secrets verify, then the old one does not',
    async run(t) {
      const secret = t.object('Secret', CALLER, 'rotated');
      const { keyId, secret: old } = t.key('rotated');
      const fresh = { keyId, secret: `${old}-next` };
      const data = { keyId, secret: fresh.secret };
      await t.apply({ ...secret, stringData: { ...data, previousSecret: old, previousNotAfter: later(3_600_000) } });
      await t.becomes(200, fresh, LIST);
      assert.equal(await t.status('rotated', LIST), 200, 'the previous secret within its grace');
      await t.apply({ ...secret, stringData: { ...data, previousSecret: old, previousNotAfter: later(-1_000) } });
      await t.becomes(401, 'rotated', LIST);
      assert.equal(await t.status(fresh, LIST), 200);
      await t.apply({
        ...secret,
        stringData: { ...data, secret: old, previousSecret: old, previousNotAfter: later(-1_000) },
      });
      await t.becomes(200, 'rotated', LIST);
    },
  },
  {
    name: 'a generated key rotates by its generation: both secrets verify, then the old one does not',
    async run(t) {
      const key = t.object('SignatureKey', CALLER, 'generated');
      const next = (generation, gracePeriod) => ({
        ...key,
        spec: { ...key.spec, rotation: { generation, gracePeriod } },
      });
      const first = await t.generated(CALLER, 'generated');
      await t.becomes(200, first, LIST);
      await t.apply(next(2, '1h'));
      const second = await t.eventually(async () => {
        const found = await t.generated(CALLER, 'generated');
        assert.notEqual(found.secret, first.secret, 'the secret was not rotated');
        return found;
      });
      assert.equal(second.keyId, first.keyId);
      await t.becomes(200, second, LIST);
      assert.equal(await t.status(first, LIST), 200, 'the previous secret within its grace');
      await t.apply(next(3, '0s'));
      await t.becomes(401, first, LIST);
      await t.becomes(401, second, LIST);
      await t.becomes(200, await t.generated(CALLER, 'generated'), LIST);
    },
  },
  {
    name: 'a new secret of a backend key signs the next requests',
    async run(t) {
      const secret = t.object('Secret', PROVIDER, 'backend-hmac');
      const { keyId } = secret.stringData;
      const fresh = { keyId, secret: 'conformance-backend-secret-2' };
      const signedBy = (key) => t.eventually(() => t.signedBy(key, '/conformance/v1/signed'));
      await t.apply({ ...secret, stringData: { ...secret.stringData, secret: fresh.secret } });
      await signedBy(fresh);
      await t.apply(secret);
      await signedBy({ keyId, secret: secret.stringData.secret });
    },
  },
  {
    name: 'a plan that is changed limits by its new numbers',
    async run(t) {
      const plan = t.object('UsagePlan', PROVIDER, 'slow');
      assert.equal(await t.status('limited', LIST), 429);
      await t.apply({ ...plan, spec: { ...plan.spec, state: 'Disabled' } });
      await t.becomes(200, 'limited', LIST);
      await t.apply(plan);
      await t.becomes(429, 'limited', LIST);
    },
  },
];
