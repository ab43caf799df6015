// Changes of objects and what must come of each within EFFECTIVE_MS. Each leaves the objects as it found them.
import assert from 'node:assert/strict';

/** From a change to its effect on the next request. */
export const EFFECTIVE_MS = 5_000;

const PROVIDER = 'conformance-provider';
const CALLER = 'conformance-caller';
const LIST = '/conformance/v1/items';
const later = (ms) => new Date(Date.now() + ms).toISOString();

const withSpec = (change) => (object) => ({ ...object, spec: { ...object.spec, ...change(object.spec) } });

/**
 * One edit and back. The request that `key` signs for `path` gets the status `edited` from `edit` on, and `restored`
 * once the object is as it was. `before`: the status at first; `ready`: condition Ready after the edit.
 */
const EDITS = [
  {
    name: 'deleting an Authorization revokes; applying it again grants',
    object: ['Authorization', PROVIDER, 'revocable'],
    edit: 'delete',
    ...{ key: 'revocable', path: LIST, before: 200, edited: 403, restored: 200 },
  },
  {
    name: 'state Disabled of a key refuses, Enabled serves',
    object: ['SignatureKey', CALLER, 'editable'],
    edit: withSpec(() => ({ state: 'Disabled' })),
    ...{ key: 'editable', path: LIST, edited: 401, restored: 200 },
    ready: 'True Disabled',
  },
  {
    name: 'a key that withdraws its consent is refused like an unknown one',
    object: ['SignatureKey', CALLER, 'editable'],
    edit: withSpec(() => ({ allowedAuthorizers: { namespaces: { from: 'Same' } } })),
    ...{ key: 'editable', path: LIST, edited: 401, restored: 200 },
  },
  {
    name: 'deleting a key refuses it',
    object: ['SignatureKey', CALLER, 'editable'],
    edit: 'delete',
    ...{ key: 'editable', path: LIST, edited: 401, restored: 200 },
  },
  {
    name: 'an API that is added is served, one that is removed is not',
    object: ['ApiGroup', PROVIDER, 'main'],
    edit: withSpec(({ apis }) => ({
      apis: [...apis, { name: 'added', match: { path: { type: 'Exact', value: '/v3/added' }, methods: ['GET'] } }],
    })),
    ...{ key: 'huawei', path: '/conformance/v3/added', before: 404, edited: 200, restored: 404 },
  },
  {
    name: 'an environment goes offline and comes back',
    object: ['ApiGroup', PROVIDER, 'main'],
    edit: withSpec(({ environments: [release, ...others] }) => ({
      environments: [{ ...release, state: 'Offline' }, ...others],
    })),
    ...{ key: 'huawei', path: LIST, edited: 404, restored: 200 },
  },
  {
    name: 'a plan that is changed limits by its new numbers',
    object: ['UsagePlan', PROVIDER, 'slow'],
    edit: withSpec(() => ({ state: 'Disabled' })),
    ...{ key: 'limited', path: LIST, before: 429, edited: 200, restored: 429 },
  },
];

const editAndBack = ({ name, object: which, edit, key, path, before, edited, restored, ready }) => ({
  name,
  async run(t) {
    const object = t.object(...which);
    if (before !== undefined) assert.equal(await t.status(key, path), before);
    await (edit === 'delete' ? t.remove(object) : t.apply(edit(object)));
    await t.becomes(edited, key, path);
    if (ready !== undefined) assert.equal(await t.condition(object, 'Ready'), ready);
    await t.apply(object);
    await t.becomes(restored, key, path);
  },
});

/**
 * `t.object(kind, ns, name)` a copy as applied; `t.apply`, `t.remove`; `t.status(key, path)` the status that a Huawei
 * client gets, `t.becomes(status, …)` waits for it; `t.condition`; `t.key` a key of the suite, `t.generated` one of the
 * gateway; `t.signedBy(key, path)` asserts who signed for the backend; `t.eventually`.
 */
export const CHANGE_CASES = [
  ...EDITS.map(editAndBack),
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
];
