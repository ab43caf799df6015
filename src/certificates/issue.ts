/** Makes certificates of an authority of our own: ECDSA P-256 with SHA-256, as in RFC 5280. */
import type { Extension } from '@peculiar/x509';
import { createPrivateKey, X509Certificate, type webcrypto } from 'node:crypto';
import { AppError } from '../lib/errors.js';
import { Redacted } from '../lib/redacted.js';
import type { KeyPurpose } from './roles.js';
import { x509 } from './x509.js';

/** PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly privateKey: Redacted<string>;
}

/** Clocks of pods differ a little: a certificate is valid from before it was made. */
export const BACKDATED_MS = 5 * 60_000;

const {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} = x509;
const { subtle } = globalThis.crypto;
const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNING_ALGORITHM = { name: 'ECDSA', hash: 'SHA-256' };

/** A self-signed authority that may sign leaves and no further authority. Each has a subject of its own. */
export async function issueAuthority(nowMs: number, lifetimeMs: number): Promise<KeyPair> {
  const keys = await generateKeys();
  const serialNumber = randomSerial();
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      keys,
      serialNumber,
      // With one subject for all, a verifier that finds two of them in a bundle may try the wrong one only.
      name: [{ CN: [`countersign xDS CA ${serialNumber.slice(0, 8)}`] }],
      ...validity(nowMs, nowMs + lifetimeMs),
      signingAlgorithm: SIGNING_ALGORITHM,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, globalThis.crypto),
      ],
    },
    globalThis.crypto,
  );
  return { certificate: pem(certificate.rawData), privateKey: await exportKey(keys.privateKey) };
}

export interface LeafRequest {
  /** For people; verifiers look at `names`. */
  readonly subject: string;
  /** DNS names, or URIs. */
  readonly names: readonly string[];
  readonly purposes: readonly KeyPurpose[];
  readonly lifetimeMs: number;
}

/** A leaf with a fresh key, valid no longer than its authority. @throws AppError when a name cannot be in a certificate. */
export async function issueLeaf(authority: KeyPair, nowMs: number, request: LeafRequest): Promise<KeyPair> {
  const { subject, names, purposes, lifetimeMs } = request;
  const issuer = new X509Certificate(authority.certificate);
  const issuerKey = await importKeys(authority);
  const keys = await generateKeys();
  const extensions: Extension[] = [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension(purposes.map((purpose) => ExtendedKeyUsage[purpose])),
    new SubjectAlternativeNameExtension(alternativeNames(names)),
    await SubjectKeyIdentifierExtension.create(keys.publicKey, false, globalThis.crypto),
    await AuthorityKeyIdentifierExtension.create(issuerKey.publicKey, false, globalThis.crypto),
  ];
  const certificate = await X509CertificateGenerator.create(
    {
      subject: [{ CN: [subject] }],
      issuer: issuer.subject,
      publicKey: keys.publicKey,
      signingKey: issuerKey.privateKey,
      signingAlgorithm: SIGNING_ALGORITHM,
      serialNumber: randomSerial(),
      ...validity(nowMs, Math.min(nowMs + lifetimeMs, issuer.validToDate.getTime())),
      extensions,
    },
    globalThis.crypto,
  );
  return { certificate: pem(certificate.rawData), privateKey: await exportKey(keys.privateKey) };
}

export interface AlternativeName {
  readonly type: 'dns' | 'url';
  readonly value: string;
}

/** As they stand in a certificate, in this order. @throws AppError */
export function alternativeNames(names: readonly string[]): AlternativeName[] {
  if (names.length === 0) throw new AppError('ERR_CERTIFICATE_NAME', 'a certificate needs a name');
  return names.map((value) => {
    // Commas and quotes are how the text forms of such lists are played with.
    if (!/^[\x21-\x7e]+$/.test(value) || /[,"\\]/.test(value))
      throw new AppError('ERR_CERTIFICATE_NAME', `${JSON.stringify(value)} cannot be the name in a certificate`);
    return { type: value.includes('://') ? 'url' : 'dns', value };
  });
}

/** RFC 5280 §4.1.2.2: positive, at most 20 octets, not to be guessed. */
function randomSerial(): string {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}

const validity = (fromMs: number, untilMs: number) => ({
  notBefore: new Date(fromMs - BACKDATED_MS),
  notAfter: new Date(untilMs),
});

const generateKeys = () => subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);

async function importKeys({ certificate, privateKey }: KeyPair): Promise<webcrypto.CryptoKeyPair> {
  const pkcs8 = createPrivateKey(privateKey.reveal()).export({ type: 'pkcs8', format: 'der' });
  const spki = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  return {
    privateKey: await subtle.importKey('pkcs8', Buffer.from(pkcs8), KEY_ALGORITHM, false, ['sign']),
    publicKey: await subtle.importKey('spki', Buffer.from(spki), KEY_ALGORITHM, true, ['verify']),
  };
}

async function exportKey(key: webcrypto.CryptoKey): Promise<Redacted<string>> {
  const der = Buffer.from(await subtle.exportKey('pkcs8', key));
  return new Redacted(
    createPrivateKey({ key: der, type: 'pkcs8', format: 'der' }).export({ type: 'pkcs8', format: 'pem' }) as string,
  );
}

const pem = (der: ArrayBuffer): string => new X509Certificate(Buffer.from(der)).toString();
