/** Certificates for tests, written in DER by hand: Node reads X.509 but does not make it. */
import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { isIPv4 } from 'node:net';

export interface TestCertificate {
  readonly certificate: string;
  readonly privateKey: string;
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const oid = (...bytes: readonly number[]): Buffer => der(0x06, Buffer.from(bytes));
const utcTime = (time: Date): Buffer =>
  der(
    0x17,
    Buffer.from(
      `${time
        .toISOString()
        .replace(/[-:T]|\.\d+/g, '')
        .slice(2, 14)}Z`,
    ),
  );

const ECDSA_WITH_SHA256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));
const COMMON_NAME = oid(0x55, 0x04, 0x03);
const BASIC_CONSTRAINTS = oid(0x55, 0x1d, 0x13);
const SUBJECT_ALT_NAME = oid(0x55, 0x1d, 0x11);

/** Its own authority, valid for a day around now; `names` are DNS names, IPv4 addresses or URIs. */
export function selfSigned(...names: readonly [string, ...string[]]): TestCertificate {
  return issue(names, true);
}

export interface TestAuthority extends TestCertificate {
  /** A certificate for client and server alike. */
  issue(...names: readonly [string, ...string[]]): TestCertificate;
}

export function createAuthority(name = 'test authority'): TestAuthority {
  const own = issue([name], true);
  return { ...own, issue: (...names) => issue(names, false, { name, privateKey: own.key }) };
}

interface Issuer {
  readonly name: string;
  readonly privateKey: KeyObject;
}

const nameOf = (text: string): Buffer => sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(text)))));

function alternative(name: string): Buffer {
  if (isIPv4(name)) return der(0x87, Buffer.from(name.split('.').map(Number)));
  return der(name.includes('://') ? 0x86 : 0x82, Buffer.from(name));
}

function issue(
  names: readonly [string, ...string[]],
  isAuthority: boolean,
  issuer?: Issuer,
): TestCertificate & { readonly key: KeyObject } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const day = 24 * 3600 * 1000;
  const now = Date.now();
  const basic = isAuthority ? sequence(der(0x01, Buffer.from([0xff]))) : sequence();
  const extensions = sequence(
    sequence(BASIC_CONSTRAINTS, der(0x01, Buffer.from([0xff])), der(0x04, basic)),
    sequence(SUBJECT_ALT_NAME, der(0x04, sequence(...names.map(alternative)))),
  );
  const serial = randomBytes(8);
  serial[0] = (serial[0]! & 0x3f) | 0x40; // positive and without a leading zero
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    ECDSA_WITH_SHA256,
    nameOf(issuer?.name ?? names[0]),
    sequence(utcTime(new Date(now - day)), utcTime(new Date(now + day))),
    nameOf(names[0]),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  );
  const signature = sign('sha256', body, issuer?.privateKey ?? privateKey);
  const certificate = sequence(body, ECDSA_WITH_SHA256, der(0x03, Buffer.from([0]), signature));
  const base64 = certificate.toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    key: privateKey,
  };
}
