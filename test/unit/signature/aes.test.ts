import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { Redacted } from '../../../src/lib/redacted.js';
import type { AesKey } from '../../../src/signature/aes/scheme.js';
import { aes, encryptCfb } from '../../../src/signature/aes/scheme.js';
import type { OutgoingRequest, WireRequest } from '../../../src/signature/dialect.js';

interface AesVector {
  readonly name: string;
  readonly scheme: string;
  readonly algorithm: 'aes-128-cfb' | 'aes-256-cfb';
  readonly keyId: string;
  readonly secret: string;
  readonly keyName: string;
  readonly keyHex: string;
  readonly ivHex: string;
  readonly plaintextHex: string;
  readonly ciphertextHex: string;
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly authorization: string;
  readonly canonicalRequest?: string;
  readonly stringToSign?: string;
  readonly now: string;
  readonly expect: { readonly valid: boolean };
}

const file = JSON.parse(readFileSync(new URL('../../vectors/huawei.json', import.meta.url), 'utf8')) as {
  vectors: AesVector[];
};
const ALGORITHMS = { 'aes-128-cfb': 'AES128CFB', 'aes-256-cfb': 'AES256CFB' } as const;
const PRIMITIVES = file.vectors.filter(({ scheme, keyId }) => scheme === 'aes-cfb128' && keyId !== undefined);
const PROFILE = file.vectors.filter(({ scheme }) => scheme === 'aes-profile-p1');

const keyOf = ({ algorithm, keyId, secret, keyName }: AesVector): AesKey => ({
  name: keyName ?? '',
  algorithm: ALGORITHMS[algorithm],
  key: new Redacted(keyId),
  vector: new Redacted(secret),
});
const requestOf = ({ method, target, headers, body }: AesVector): WireRequest => ({
  method,
  target,
  headers: headers.map(([name, value]) => [name.toLowerCase(), value]),
  body: Buffer.from(body),
});

describe('CFB128', () => {
  for (const vector of PRIMITIVES) {
    test(vector.name, () => {
      expect(encryptCfb(keyOf(vector), Buffer.from(vector.plaintextHex, 'hex')).toString('hex')).toBe(
        vector.ciphertextHex,
      );
    });
  }

  // SP 800-38A F.3.13 and F.3.17: the keys are bytes, not text.
  const PLAINTEXT =
    '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710';
  const NIST = {
    AES128CFB: {
      key: '2b7e151628aed2a6abf7158809cf4f3c',
      ciphertext:
        '3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b26751f67a3cbb140b1808cf187a4f4dfc04b05357c5d1c0eeac4c66f9ff7f2e6',
    },
    AES256CFB: {
      key: '603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4',
      ciphertext:
        'dc7e84bfda79164b7ecd8486985d386039ffed143b28b1c832113c6331e5407bdf10132415e54b92a13ed0a8267ae2f975a385741ab9cef82031623d55b1e471',
    },
  } as const;
  for (const [algorithm, { key, ciphertext }] of Object.entries(NIST)) {
    test(`NIST SP 800-38A, ${algorithm}`, () => {
      const bytes = {
        name: '',
        algorithm: algorithm as AesKey['algorithm'],
        key: new Redacted(Buffer.from(key, 'hex')),
        vector: new Redacted(Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')),
      };
      expect(encryptCfb(bytes, Buffer.from(PLAINTEXT, 'hex')).toString('hex')).toBe(ciphertext);
    });
  }
});

describe('profile P1', () => {
  const verdictOf = (
    vector: AesVector,
    request = requestOf(vector),
    nowMs = Date.parse(vector.now),
    keys = [keyOf(vector)],
  ) =>
    aes.verify(request.headers.find(([name]) => name === 'authorization')![1], request, keys, {
      nowMs,
      maxClockSkewMs: 900_000,
    });

  test('there are vectors', () => expect(PROFILE.length).toBeGreaterThan(0));
  for (const vector of PROFILE) {
    test(`${vector.name}: ${vector.expect.valid ? 'accepted' : 'bad_signature'}`, () => {
      const verdict = verdictOf(vector);
      if (!vector.expect.valid) expect(verdict).toMatchObject({ ok: false, reason: 'bad_signature' });
      else {
        const { canonicalRequest, stringToSign } = vector;
        expect(verdict).toMatchObject({
          ok: true,
          keyId: vector.keyName,
          bodyCovered: true,
          canonicalRequest,
          stringToSign,
        });
      }
    });
  }

  const vector = PROFILE.find(({ name }) => name === 'aes-profile-128-post')!;

  test('refuses a changed body, a stale date, an unknown name, a second date', () => {
    const request = requestOf(vector);
    const now = Date.parse(vector.now);
    expect(verdictOf(vector, { ...request, body: Buffer.from('{}') })).toMatchObject({ reason: 'bad_signature' });
    expect(verdictOf(vector, request, now + 900_000)).toMatchObject({ ok: true });
    expect(verdictOf(vector, request, now + 901_000)).toMatchObject({ reason: 'clock_skew' });
    expect(verdictOf(vector, request, NaN)).toMatchObject({ reason: 'clock_skew' });
    expect(verdictOf(vector, request, now, [{ ...keyOf(vector), name: 'other' }])).toMatchObject({
      reason: 'unknown_key',
    });
    const twice = { ...request, headers: [...request.headers, ['x-sdk-date', '20240102T030405Z'] as const] };
    expect(verdictOf(vector, twice)).toMatchObject({ reason: 'duplicate_header' });
  });
  test('refuses every changed byte of the signature, the last block among them', () => {
    const request = requestOf(vector);
    const signature = Buffer.from(/Signature=(.*)$/.exec(vector.authorization)![1]!, 'base64');
    for (let i = 0; i < signature.length; i++) {
      const changed = Buffer.from(signature);
      changed[i]! ^= 1;
      const authorization = vector.authorization.replace(/Signature=.*$/, `Signature=${changed.toString('base64')}`);
      const headers = request.headers.map(
        ([name, value]) => [name, name === 'authorization' ? authorization : value] as const,
      );
      expect(verdictOf(vector, { ...request, headers })).toMatchObject({ reason: 'bad_signature' });
    }
  });
  test('accepts either key during a rotation', () => {
    const other = { ...keyOf(vector), vector: new Redacted('another-16-chars') };
    expect(verdictOf(vector, requestOf(vector), Date.parse(vector.now), [other, keyOf(vector)])).toMatchObject({
      ok: true,
    });
  });
  test('a key of a wrong length neither signs nor verifies', () => {
    const short = { ...keyOf(vector), key: new Redacted('short') };
    const outgoing: OutgoingRequest = {
      method: 'GET',
      target: '/',
      host: 'h',
      signHeaders: [],
      contentType: undefined,
      body: new Uint8Array(),
    };
    expect(() => aes.sign(outgoing, short, { nowMs: 0, nonce: '' })).toThrow('wrong length');
    expect(verdictOf(vector, requestOf(vector), Date.parse(vector.now), [short])).toMatchObject({
      reason: 'key_not_ready',
    });
  });
  test('verifies what it signs, and never sends the key', () => {
    const key = { ...keyOf(vector), name: 'team-a/orders' };
    const outgoing: OutgoingRequest = {
      method: 'PUT',
      target: '/a%20b?x=1',
      host: 'orders:8080',
      signHeaders: [['x-countersign-api', 'a/b/c']],
      contentType: 'text/plain',
      body: undefined,
    };
    const headers = aes.sign(outgoing, key, { nowMs: 1_700_000_000_000, nonce: '' });
    expect(JSON.stringify(headers)).not.toContain(vector.keyId);
    const request: WireRequest = {
      method: 'PUT',
      target: '/a%20b?x=1',
      headers: [['host', 'orders:8080'], ['x-countersign-api', 'a/b/c'], ...headers],
      body: Buffer.from('streamed'),
    };
    const verdict = aes.verify(headers.at(-1)![1], request, [key], {
      nowMs: 1_700_000_000_000,
      maxClockSkewMs: 900_000,
    });
    expect(verdict).toMatchObject({ ok: true, keyId: 'team-a/orders', bodyCovered: false });
  });
});
