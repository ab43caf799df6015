/** Judges what is found in a Secret. Its content is anybody's: every fault is a sentence, none an exception. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { Redacted } from '../lib/redacted.js';
import { alternativeNames, type AlternativeName, type KeyPair } from './issue.js';
import type { KeyPurpose } from './roles.js';

/** Texts by the names of a Secret's data. */
export type SecretData = Readonly<Record<string, Redacted<string>>>;

/** A value, or why there is none: a clause that follows the name of a Secret. */
export type Judged<T> = { readonly value: T } | { readonly fault: string };

/** Farther ahead than this a certificate was made by a clock that was wrong, and no peer takes it. */
const MAX_AHEAD_MS = 60 * 60_000;

/** RFC 5280 §4.2.1.12. */
const PURPOSE_OIDS: Readonly<Record<KeyPurpose, string>> = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
};

const MAX_PEM_LENGTH = 64 * 1024;

/** What can sign leaves at `nowMs`. */
export function readAuthority(data: SecretData, certificateAt: string, keyAt: string, nowMs: number): Judged<KeyPair> {
  const read = readPair(data, certificateAt, keyAt);
  if ('fault' in read) return read;
  const { x509, pair } = read.value;
  if (!x509.ca) return { fault: `has a ${certificateAt} that is no authority` };
  const { asymmetricKeyType, asymmetricKeyDetails } = x509.publicKey;
  if (asymmetricKeyType !== 'ec' || asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    return { fault: `has a ${certificateAt} without a key of the curve P-256` };
  if (!isIssuedBy(x509, x509)) return { fault: `has a ${certificateAt} that is not signed by itself` };
  const late = timeFault(x509, certificateAt, nowMs);
  return late === undefined ? { value: pair } : { fault: late };
}

/** An authority that is trusted only. */
export function readTrusted(data: SecretData, at: string): Judged<string> {
  const read = readCertificate(data, at);
  if ('fault' in read) return read;
  return read.value.ca ? { value: read.value.toString() } : { fault: `has a ${at} that is no authority` };
}

export interface LeafWish {
  readonly authority: KeyPair;
  readonly names: readonly string[];
  readonly purposes: readonly KeyPurpose[];
}

/** Why a leaf has to be made anew; `undefined` while it is good. */
export function leafFault(
  data: SecretData,
  nowMs: number,
  { authority, names, purposes }: LeafWish,
): string | undefined {
  const read = readPair(data, 'tls.crt', 'tls.key');
  if ('fault' in read) return read.fault;
  const { x509, pair } = read.value;
  if (data['tls.crt']?.reveal() !== pair.certificate) return 'has more than one certificate in tls.crt';
  if (!isIssuedBy(x509, new X509Certificate(authority.certificate))) return 'has a certificate of another authority';
  const late = timeFault(x509, 'tls.crt', nowMs);
  if (late !== undefined) return late;
  if (x509.subjectAltName !== alternativeNames(names).map(textOf).join(', '))
    return 'has a certificate for other names';
  // Node calls the extended key usage so, and gives its object identifiers.
  if (x509.keyUsage.join() !== purposes.map((purpose) => PURPOSE_OIDS[purpose]).join())
    return 'has a certificate for another purpose';
  return isDue(x509, nowMs) ? 'has a certificate that is due for renewal' : undefined;
}

/** What a server needs: a certificate with its key, and the authorities of its clients. */
export function readServed(data: SecretData): Judged<KeyPair & { readonly trust: string }> {
  const read = readPair(data, 'tls.crt', 'tls.key');
  if ('fault' in read) return read;
  const trust = data['ca.crt']?.reveal().match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----\n?/g) ?? [];
  // TLS refuses a bundle as a whole for one certificate in it that is none.
  const faults = trust.flatMap((text) => {
    const trusted = readTrusted({ 'ca.crt': new Redacted(text) }, 'ca.crt');
    return 'fault' in trusted ? [trusted.fault] : [];
  });
  if (faults[0] !== undefined || trust.length === 0) return { fault: faults[0] ?? 'has no authority in ca.crt' };
  return { value: { ...read.value.pair, trust: trust.join('') } };
}

/** After two thirds of its life. */
export function isDue(certificate: X509Certificate, nowMs: number): boolean {
  const [fromMs, untilMs] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()];
  return nowMs >= fromMs + ((untilMs - fromMs) * 2) / 3;
}

function readPair(
  data: SecretData,
  certificateAt: string,
  keyAt: string,
): Judged<{ readonly x509: X509Certificate; readonly pair: KeyPair }> {
  const read = readCertificate(data, certificateAt);
  if ('fault' in read) return read;
  const privateKey = data[keyAt];
  if (privateKey === undefined) return { fault: `has no ${keyAt}` };
  try {
    if (!read.value.checkPrivateKey(createPrivateKey(privateKey.reveal())))
      return { fault: `has a ${keyAt} that is not the key of ${certificateAt}` };
  } catch {
    // What the parser says may quote the key.
    return { fault: `has a ${keyAt} that cannot be read` };
  }
  return { value: { x509: read.value, pair: { certificate: read.value.toString(), privateKey } } };
}

function readCertificate(data: SecretData, at: string): Judged<X509Certificate> {
  const text = data[at]?.reveal();
  if (text === undefined) return { fault: `has no ${at}` };
  try {
    if (text.length > MAX_PEM_LENGTH) throw new Error('too long');
    return { value: new X509Certificate(text) };
  } catch {
    return { fault: `has a ${at} that cannot be read` };
  }
}

/** As Node prints it; names that it would quote are in no certificate of ours. */
const textOf = ({ type, value }: AlternativeName): string => `${type === 'url' ? 'URI' : 'DNS'}:${value}`;

const isIssuedBy = (certificate: X509Certificate, authority: X509Certificate): boolean =>
  certificate.checkIssued(authority) && certificate.verify(authority.publicKey);

function timeFault(certificate: X509Certificate, at: string, nowMs: number): string | undefined {
  if (nowMs >= certificate.validToDate.getTime()) return `has a ${at} that has expired`;
  if (certificate.validFromDate.getTime() > nowMs + MAX_AHEAD_MS) return `has a ${at} from the future`;
  return undefined;
}
