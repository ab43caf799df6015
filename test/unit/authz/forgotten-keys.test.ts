import { expect, test } from '@jest/globals';
import { createAuthorizer } from '../../../src/authz/authorizer.js';
import { createMemoryStore } from '../../../src/ratelimit/memory.js';
import { derivedKey, trustScope } from '../../../src/signature/jdcloud/derived-key.js';
import { buildModel, type ModelInput } from '../../support/authz/authz-model.js';

const NOW_MS = Date.parse('2026-11-20T10:00:00Z');
const caller = { keyId: 'caller-id', secret: 'caller-secret' };
const backend = { keyId: 'backend-id', secret: 'backend-secret' };
const kept = { keyId: 'kept-id', secret: 'kept-secret' };

const modelOf = (callers: readonly (typeof caller)[], signer?: typeof backend): ModelInput => ({
  callerKeys: callers.map(({ keyId, secret }) => ({ key: `shop/${keyId}`, keyId, secret })),
  groups: [
    {
      key: 'shop/orders',
      environments: [
        {
          name: 'release',
          apis: [
            {
              name: 'list',
              path: { type: 'Exact', value: '/v1' },
              ...(signer ? { backendSignature: { type: 'HMAC', dialect: 'JDCloud', ...signer } } : {}),
            },
          ],
        },
      ],
    },
  ],
});

const derived = ({ keyId, secret }: typeof caller) =>
  derivedKey({ keyId, version: 2, date: '20261120T100000Z', region: 'cn-north-1', service: 'apigw' }, secret);

test('derived keys of revoked callers and of backend keys that are gone are dropped, others stay', () => {
  const authorizer = createAuthorizer({
    store: createMemoryStore({ clock: () => NOW_MS }),
    clock: () => NOW_MS,
    random: () => 'r',
  });
  const model = buildModel(modelOf([caller, kept], backend));
  authorizer.setModel(model);
  trustScope({ keyId: 'any', version: 2, date: '20261120T100000Z', region: 'cn-north-1', service: 'apigw' });
  const before = [caller, backend, kept].map(derived);
  expect([caller, backend, kept].map((key, i) => derived(key) === before[i])).toEqual([true, true, true]);

  authorizer.setModel({ ...buildModel(modelOf([])), callerKeys: model.callerKeys.slice(1) });
  expect([caller, backend, kept].map((key, i) => derived(key) === before[i])).toEqual([false, false, true]);
});
