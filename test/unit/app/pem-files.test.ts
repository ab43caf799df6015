import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkPemFiles } from '../../../src/app/gateway/pem-files.js';
import { selfSigned } from '../../support/certificate.js';

const [one, other] = [selfSigned('one.example.com'), selfSigned('other.example.com')];
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-pem-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const check = (files: { tlsCert?: string; tlsKey?: string; caBundle?: string }) => (): void =>
  checkPemFiles({ tlsCert: undefined, tlsKey: undefined, caBundle: undefined, ...files });

describe('files of certificates', () => {
  test('are fine when they can be read and belong together', () => {
    const [tlsCert, tlsKey] = [file('tls.crt', one.certificate), file('tls.key', one.privateKey)];
    const caBundle = file('ca.crt', `# a comment\n${one.certificate}\n${other.certificate}`);
    expect(check({ tlsCert, tlsKey, caBundle })).not.toThrow();
  });

  test('that do not belong together say so', () => {
    const [tlsCert, tlsKey] = [file('tls.crt', one.certificate), file('other.key', other.privateKey)];
    expect(check({ tlsCert, tlsKey })).toThrow(/--tls-cert \S+ and --tls-key \S+ do not belong together/);
  });

  test.each([
    ['--ca-bundle', { caBundle: '/nowhere/ca.crt' }, /ca\.crt does not exist$/],
    ['--ca-bundle', { caBundle: '/' }, /is a folder, not a file$/],
  ])('that cannot be read name the flag and what is wrong (%s)', (flag, files, message) => {
    expect(check(files)).toThrow(message);
    expect(check(files)).toThrow(flag);
  });

  test('with another content say what is missing', () => {
    const [tlsCert, tlsKey, nothing] = [
      file('tls.crt', one.certificate),
      file('tls.key', one.privateKey),
      file('nothing', 'text'),
    ];
    expect(check({ tlsCert: nothing, tlsKey })).toThrow(/--tls-cert \S+ holds no certificate; give a PEM file/);
    expect(check({ tlsCert, tlsKey: nothing })).toThrow(/--tls-key \S+ holds no private key; give a PEM file/);
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    expect(check({ caBundle: file('ca.crt', one.certificate + broken) })).toThrow(/certificate 2 of 2 cannot be read$/);
  });
});
