import { describe, expect, test } from '@jest/globals';
import { createGate, NOW_MS } from '../../support/authz/authz-check.js';
import { APP, EVERYTHING, fixture, SECRET, signedBy, SIGNED } from '../../support/authz/authz-fixture.js';
import type { CallerKeyInput } from '../../support/authz/authz-model.js';
import type { RequestInput } from '../../support/authz/authz-request.js';

const TARGET = '/orders/release/x';
const at = (seconds: number): string => new Date(NOW_MS + seconds * 1000).toISOString();

async function reasonFor(key: Partial<CallerKeyInput>, request: Partial<RequestInput> = SIGNED): Promise<string> {
  const gate = createGate(fixture({ callerKeys: [{ ...APP, ...key }] }));
  const decision = await gate.send({ target: TARGET, ...request });
  return decision.outcome === 'allow' ? 'allow' : `${decision.status} ${decision.reason}`;
}

describe('each dialect', () => {
  test.each(['Huawei', 'JDCloud', 'Tencent'] as const)('%s is verified and named', async (dialect) => {
    const gate = createGate(fixture());
    const decision = await gate.send({ target: TARGET, sign: signedBy(dialect) });
    expect(decision).toMatchObject({ outcome: 'allow', facts: { keyId: 'AKok' } });
    expect(decision.facts.profile).not.toBe('');
    expect(gate.observations).toMatchObject([{ decision: 'allow', reason: '', dialect, usesSha1: false }]);
  });
  test.each(['Huawei', 'JDCloud', 'Tencent'] as const)(
    '%s carries an imported id of 200 characters',
    async (dialect) => {
      const keyId = `AK${'0123456789'.repeat(19)}abcdefgh`;
      expect(keyId).toHaveLength(200);
      const gate = createGate(fixture({ callerKeys: [{ ...APP, keyId }] }));
      const allowed = await gate.send({ target: TARGET, sign: { ...signedBy(dialect), keyId } });
      expect(allowed).toMatchObject({ outcome: 'allow', facts: { keyId } });
      const cut = await gate.send({ target: TARGET, sign: { ...signedBy(dialect), keyId: keyId.slice(0, -1) } });
      expect(cut).toMatchObject({ outcome: 'deny', reason: 'unknown_key' });
    },
  );
  test('an unlisted one is a foreign scheme', async () => {
    const gate = createGate(fixture({ apis: [{ ...EVERYTHING, verification: { dialects: ['JDCloud'] } }] }));
    expect(await gate.send({ target: TARGET, ...SIGNED })).toMatchObject({
      reason: 'unsupported_scheme',
      facts: { keyId: '' },
    });
  });
  test('TencentApplication signs the path without the environment segment', async () => {
    const gate = createGate(fixture({ apis: [{ ...EVERYTHING, verification: { dialects: ['TencentApplication'] } }] }));
    const sign = { ...signedBy('Tencent'), dialect: 'TencentApplication' } as const;
    expect(
      await gate.send({ target: '/orders/x?b=2&a=1', sign, alter: [{ target: '/orders/release/x?b=2&a=1' }] }),
    ).toMatchObject({ outcome: 'allow' });
  });
});

describe('a key', () => {
  test('verifies within its times, both ends exact', async () => {
    expect(await reasonFor({ notBefore: at(0), expiration: at(1) })).toBe('allow');
    expect(await reasonFor({ notBefore: at(1) })).toBe('401 key_not_yet_valid');
    expect(await reasonFor({ expiration: at(0) })).toBe('401 key_expired');
    expect(await reasonFor({ expiration: 'never' })).toBe('401 key_expired');
  });
  test('that is disabled, without secret or unwilling is refused', async () => {
    expect(await reasonFor({ state: 'Disabled' })).toBe('401 key_disabled');
    expect(await reasonFor({ admits: ['elsewhere'] })).toBe('401 key_not_permitted');
    expect(await reasonFor({ admits: ['team'] })).toBe('allow');
    const { secret: _, ...bare } = APP;
    const gate = createGate(fixture({ callerKeys: [bare] }));
    expect(await gate.send({ target: TARGET, ...SIGNED })).toMatchObject({ reason: 'key_not_ready' });
  });
  test('in rotation verifies with the previous secret until its grace ends', async () => {
    const old: Partial<RequestInput> = { sign: { ...signedBy('Huawei'), secret: 'old-secret' } };
    expect(await reasonFor({ previous: { secret: 'old-secret', notAfter: at(0) } }, old)).toBe('allow');
    expect(await reasonFor({ previous: { secret: 'old-secret', notAfter: at(-1) } }, old)).toBe('401 bad_signature');
    expect(await reasonFor({ previous: { secret: 'old-secret', notAfter: at(-1) } })).toBe('allow');
  });
  test('state is told only to the holder of the secret', async () => {
    const wrong: Partial<RequestInput> = { sign: { ...signedBy('Huawei'), secret: 'guess' } };
    expect(await reasonFor({ state: 'Disabled' }, wrong)).toBe('401 bad_signature');
  });
});

describe('the log', () => {
  const facts = async (sign: RequestInput['sign']) =>
    (await createGate(fixture()).send({ target: TARGET, ...(sign ? { sign } : {}) })).facts;
  test('names a key that exists also when the signature is wrong, and never a text the caller made up', async () => {
    expect((await facts({ ...signedBy('Huawei'), secret: 'guess' })).keyId).toBe('AKok');
    expect((await facts({ ...signedBy('Huawei'), keyId: 'AKunknown' })).keyId).toBe('');
    expect((await facts({ ...signedBy('Huawei'), keyId: '__proto__' })).keyId).toBe('');
    expect((await facts(undefined)).keyId).toBe('');
  });
});

describe('SHA-1', () => {
  test('is counted', async () => {
    const gate = createGate(fixture());
    const { createHmac } = await import('node:crypto');
    const date = new Date(NOW_MS).toUTCString();
    const mac = createHmac('sha1', SECRET).update(`date: ${date}`).digest('base64');
    const authorization = `hmac id="AKok", algorithm="hmac-sha1", headers="date", signature="${mac}"`;
    await gate.send({
      target: TARGET,
      headers: [
        ['date', date],
        ['authorization', authorization],
      ],
    });
    expect(gate.observations).toMatchObject([{ decision: 'allow', dialect: 'Tencent', usesSha1: true }]);
  });
});

test('an API without authentication asks for no signature and believes none', async () => {
  const gate = createGate(
    fixture({ apis: [{ ...EVERYTHING, access: { authentication: 'None', authorization: 'Disabled' } }] }),
  );
  expect(await gate.send({ target: TARGET, headers: [['authorization', 'Bearer x']] })).toMatchObject({
    outcome: 'allow',
    facts: { keyId: '' },
  });
  expect(gate.admissions).toEqual([]);
});
