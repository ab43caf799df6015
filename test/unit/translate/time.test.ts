import { describe, expect, test } from '@jest/globals';
import type { SignatureKey } from '../../../src/api/types.js';
import { SecretResource } from '../../../src/resources/core-resources.js';
import { createResourceSet } from '../../../src/resources/resource-set.js';
import { createTranslationMemo, translate } from '../../../src/translate/translate.js';

const key: SignatureKey = {
  apiVersion: 'countersign.dev/v1alpha1',
  kind: 'SignatureKey',
  metadata: { name: 'app', namespace: 'mobile' },
  spec: {
    usage: 'Caller',
    identity: 'SignatureKeyPair',
    type: 'HMAC',
    state: 'Enabled',
    keyID: 'AKTIME0001',
    secretRef: { name: 'app' },
    notBeforeTime: '2027-01-01T00:00:00Z',
    expirationTime: '2027-01-03T00:00:00Z',
  },
};
const data = {
  keyId: 'AKTIME0001',
  secret: '0123456789',
  previousSecret: '9876543210',
  previousNotAfter: '2027-01-02T00:00:00Z',
};
const secret = new SecretResource(
  { name: 'app', namespace: 'mobile' },
  'countersign.dev/signature-key',
  new Map(Object.entries(data).map(([name, text]) => [name, Buffer.from(text)])),
);
const resources = createResourceSet([key, secret]);
const memo = createTranslationMemo();

/** `Accepted` reason, number of secrets, next change. */
function at(time: string): string {
  const context = {
    nowMs: Date.parse(time),
    services: new Map(),
    allowedBackendHosts: 'Any' as const,
    hostnameClaims: [],
  };
  const { model, statuses, nextChangeMs } = translate(resources, context, memo);
  const [accepted] = [...statuses.values()].map(({ conditions }) => conditions[0]?.reason);
  const next = nextChangeMs === undefined ? 'never' : new Date(nextChangeMs).toISOString().slice(0, 10);
  return `${accepted} ${model.callerKeys[0]?.secrets.length} ${next}`;
}

describe('time alone changes a key, at the moment that was announced', () => {
  test.each([
    ['2026-12-31T23:59:59.999Z', 'NotYetValid 2 2027-01-01'],
    ['2027-01-01T00:00:00.000Z', 'Accepted 2 2027-01-02'],
    ['2027-01-01T23:59:59.999Z', 'Accepted 2 2027-01-02'],
    ['2027-01-02T00:00:00.000Z', 'Accepted 1 2027-01-03'],
    ['2027-01-02T23:59:59.999Z', 'Accepted 1 2027-01-03'],
    ['2027-01-03T00:00:00.000Z', 'Expired 1 never'],
  ])('at %s: %s', (time, expected) => {
    expect(at(time)).toBe(expected);
  });

  test('and a clock that is set back brings the earlier state back', () => {
    at('2027-01-03T00:00:00Z');
    expect(at('2027-01-01T12:00:00Z')).toBe('Accepted 2 2027-01-02');
  });
});
