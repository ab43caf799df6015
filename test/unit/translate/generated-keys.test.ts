import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { SignatureKey } from '../../../src/api/types.js';
import { SecretResource } from '../../../src/resources/core-resources.js';
import { createResourceSet } from '../../../src/resources/resource-set.js';
import {
  derivedPairId,
  generatedKeyRequests,
  generatedSecretName,
  generateKeyData,
  isOwnId,
  type GeneratedKeyRequest,
  type KeySecretData,
} from '../../../src/translate/keys/generated-keys.js';
import { must } from '../../support/must.js';

const key = (spec: Partial<SignatureKey['spec']> = {}): SignatureKey => ({
  apiVersion: 'countersign.dev/v1alpha1',
  kind: 'SignatureKey',
  metadata: { name: 'app', namespace: 'mobile' },
  spec: { usage: 'Backend', type: 'HMAC', state: 'Enabled', ...spec },
});
const secretOf = (data: Record<string, string>, type = 'countersign.dev/signature-key'): SecretResource =>
  new SecretResource(
    { name: 'app-signature-key', namespace: 'mobile' },
    type,
    new Map(Object.entries(data).map(([name, text]) => [name, Buffer.from(text)])),
  );
const reveal = (data: KeySecretData): Record<string, string> =>
  Object.fromEntries(Object.entries(data).map(([name, value]) => [name, value.reveal()]));
const requestsOf = (...resources: (SignatureKey | SecretResource)[]): GeneratedKeyRequest[] =>
  generatedKeyRequests(createResourceSet(resources));
const onlyRequest = (...resources: (SignatureKey | SecretResource)[]): GeneratedKeyRequest =>
  must(requestsOf(...resources)[0]);
const nowMs = Date.parse('2027-01-01T00:00:00Z');
const present = { keyId: 'AKPRESENT00000000000', secret: 'presentpresentpresentpresent0000' };

describe('what is due', () => {
  test('a key without secretRef and Secret is created, one with secretRef never', () => {
    expect(requestsOf(key())).toEqual([
      {
        key: 'mobile/app',
        namespace: 'mobile',
        secretName: 'app-signature-key',
        kind: 'create',
        generation: 1,
        graceMs: 72 * 3_600_000,
        format: 'Id',
      },
    ]);
    expect(requestsOf(key({ secretRef: { name: 'other' } }))).toEqual([]);
  });

  test('a raised generation rotates once, an equal or lower one does not', () => {
    const rotation = { generation: 3, gracePeriod: '1h' };
    expect(onlyRequest(key({ rotation }), secretOf({ ...present, generation: '2' }))).toMatchObject({
      kind: 'rotate',
      generation: 3,
      graceMs: 3_600_000,
    });
    expect(requestsOf(key({ rotation }), secretOf({ ...present, generation: '3' }))).toEqual([]);
    expect(requestsOf(key({ rotation }), secretOf({ ...present, generation: '4' }))).toEqual([]);
    expect(requestsOf(key(), secretOf(present))).toEqual([]);
  });

  test('a Secret of another type, half written or with a generation that is no number is never overwritten', () => {
    const rotation = { generation: 9, gracePeriod: '1h' };
    expect(requestsOf(key({ rotation }), secretOf(present, 'Opaque'))).toEqual([]);
    expect(requestsOf(key({ rotation }), secretOf({ keyId: 'AK' }))).toEqual([]);
    expect(requestsOf(key({ rotation }), secretOf({ ...present, generation: 'x' }))).toEqual([]);
  });
});

describe('what is written', () => {
  test('ids and secrets fit every vendor', () => {
    for (let i = 0; i < 200; i++) {
      const data = reveal(generateKeyData(onlyRequest(key()), undefined, nowMs, randomBytes));
      expect(data['keyId']).toMatch(/^AK[A-Z2-7]{18}$/);
      expect(data['secret']).toMatch(/^[A-Za-z0-9]{32}$/);
      expect(data['idSeed']).toMatch(/^[A-Za-z0-9]{32}$/);
      expect(Object.keys(data).sort()).toEqual(['generation', 'idSeed', 'keyId', 'secret']);
    }
  });

  test('an id is that of the key it was made for, also after rotations, and of no other', () => {
    const data = reveal(generateKeyData(onlyRequest(key()), undefined, nowMs, randomBytes));
    const { key: own } = onlyRequest(key());
    expect(isOwnId(own, secretOf(data))).toBe(true);
    expect(isOwnId('evil/sleeper', secretOf(data))).toBe(false);
    expect(isOwnId(own, secretOf({ ...data, keyId: 'AKVICTIM000000000001' }))).toBe(false);
    expect(isOwnId(own, secretOf({ ...data, idSeed: 'another' }))).toBe(false);
    expect(isOwnId(own, secretOf(present))).toBe(false);
    const request = onlyRequest(key({ rotation: { generation: 2, gracePeriod: '1h' } }), secretOf(data));
    expect(isOwnId(own, secretOf(reveal(generateKeyData(request, secretOf(data), nowMs, randomBytes))))).toBe(true);
  });

  test.each([
    ['AES128CFB', 16],
    ['AES256CFB', 32],
  ] as const)('%s has a cipher key of %i and a vector of 16 characters', (algorithm, length) => {
    const data = reveal(
      generateKeyData(onlyRequest(key({ type: 'AES', aes: { algorithm } })), undefined, nowMs, randomBytes),
    );
    expect(data['keyId']).toMatch(new RegExp(`^[A-Za-z0-9]{${length}}$`));
    expect(data['secret']).toMatch(/^[A-Za-z0-9]{16}$/);
  });

  test('a rotation keeps the id and lets the present secret verify until the grace ends', () => {
    const request = onlyRequest(key({ rotation: { generation: 2, gracePeriod: '1h' } }), secretOf(present));
    const data = reveal(generateKeyData(request, secretOf(present), nowMs, randomBytes));
    expect(data).toMatchObject({
      keyId: present.keyId,
      previousSecret: present.secret,
      previousNotAfter: '2027-01-01T01:00:00.000Z',
      generation: '2',
    });
    expect(data['secret']).not.toBe(present.secret);
  });

  test('a grace of 0 leaves no previous secret', () => {
    const request = onlyRequest(key({ rotation: { generation: 2, gracePeriod: '0s' } }), secretOf(present));
    expect(Object.keys(generateKeyData(request, secretOf(present), nowMs, randomBytes)).sort()).toEqual([
      'generation',
      'keyId',
      'secret',
    ]);
  });

  test('every character is equally likely: bytes that would favour some are thrown away', () => {
    // 248..255 are beyond four times 62; a modulo would turn them into A..H.
    const bytes = [248, 255, 0, 61];
    const data = reveal(
      generateKeyData({ ...onlyRequest(key()), format: 'AES128CFB' }, undefined, nowMs, () => Uint8Array.from(bytes)),
    );
    expect(data['secret']).toBe('A9'.repeat(8));
  });
});

test('names of generated Secrets stay within the limit of Kubernetes and apart', () => {
  const long = 'k'.repeat(253);
  expect(generatedSecretName(long)).toHaveLength(253);
  expect(generatedSecretName(long)).not.toBe(generatedSecretName(`${'k'.repeat(252)}j`));
  expect(generatedSecretName('app')).toBe('app-signature-key');
});

test('a pair id follows from the key id alone', () => {
  expect(derivedPairId('AK1')).toMatch(/^pair-[0-9a-f]{20}$/);
  expect(derivedPairId('AK1')).toBe(derivedPairId('AK1'));
  expect(derivedPairId('AK1')).not.toBe(derivedPairId('AK2'));
});
