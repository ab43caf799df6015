import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { Redacted } from '../../../src/lib/redacted.js';
import { basic } from '../../../src/signature/basic/scheme.js';

interface BasicVector {
  readonly name: string;
  readonly scheme: string;
  readonly keyId: string;
  readonly secret: string;
  readonly authorization: string;
  readonly expect: { readonly valid: boolean; readonly code?: string };
}

const file = JSON.parse(readFileSync(new URL('../../vectors/huawei.json', import.meta.url), 'utf8')) as {
  vectors: BasicVector[];
};
const VECTORS = file.vectors.filter(({ scheme }) => scheme === 'basic');
const REASONS: Readonly<Record<string, string>> = {
  'auth-format': 'malformed_credential',
  'key-unknown': 'unknown_key',
};

const REQUEST = { method: 'GET', target: '/backend', headers: [], body: new Uint8Array() };
const CHECK = { nowMs: 0, maxClockSkewMs: 900_000 };
const keyOf = (keyId: string, secret: string) => ({ keyId, secret: new Redacted(secret) });
const outcome = (authorization: string, keys = [keyOf('user', 'Passw0rd')]): string => {
  const verdict = basic.verify(authorization, REQUEST, keys, CHECK);
  return verdict.ok ? verdict.keyId : verdict.reason;
};
const encoded = (pair: string): string => Buffer.from(pair).toString('base64');

describe('vectors', () => {
  test('there are some', () => expect(VECTORS.length).toBeGreaterThan(0));
  for (const vector of VECTORS) {
    test(`${vector.name}: ${vector.expect.valid ? 'accepted' : vector.expect.code}`, () => {
      const expected = vector.expect.valid ? vector.keyId : REASONS[vector.expect.code ?? ''];
      expect(outcome(vector.authorization, [keyOf(vector.keyId, vector.secret)])).toBe(expected);
      if (!vector.expect.valid) return;
      const request = { ...REQUEST, host: 'h', signHeaders: [], contentType: undefined };
      expect(basic.sign(request, keyOf(vector.keyId, vector.secret), { nowMs: 0, nonce: '' })).toEqual([
        ['authorization', vector.authorization],
      ]);
    });
  }
});

describe('a credential', () => {
  test('spells its scheme in any case', () => expect(outcome(`bAsIc ${encoded('user:Passw0rd')}`)).toBe('user'));
  test('with a wrong secret is refused', () =>
    expect(outcome(`Basic ${encoded('user:passw0rd')}`)).toBe('bad_signature'));
  test('is accepted with either key during a rotation', () => {
    const keys = [keyOf('user', 'new-secret'), keyOf('user', 'old-secret')];
    expect(outcome(`Basic ${encoded('user:new-secret')}`, keys)).toBe('user');
    expect(outcome(`Basic ${encoded('user:old-secret')}`, keys)).toBe('user');
    expect(outcome(`Basic ${encoded('user:older-secret')}`, keys)).toBe('bad_signature');
  });
  test('cannot mix the id of one key with the secret of another', () => {
    expect(outcome(`Basic ${encoded('a:secret-b')}`, [keyOf('a', 'secret-a'), keyOf('b', 'secret-b')])).toBe(
      'bad_signature',
    );
  });
  test('never matches a key without a secret', () => {
    expect(outcome(`Basic ${encoded('user:')}`, [keyOf('user', '')])).toBe('bad_signature');
  });
  test('that is malformed is refused', () => {
    const good = encoded('user:Passw0rd');
    for (const text of [
      '',
      'Basic',
      'Basic ',
      `Basic${good}`,
      `Bearer ${good}`,
      `Basic ${good}=`,
      `Basic ${good} x`,
      `Basic ${encoded('user')}`,
      `Basic ${encoded(':x')}`,
      `Basic ${'A'.repeat(65_536)}`,
    ]) {
      expect(outcome(text)).toBe('malformed_credential');
    }
  });
});
