/** Headers that declare a digest of the body: they protect it only because we compare. Spec: tencent.md §2, §3. */
import { hash } from 'node:crypto';
import type { Refusal, WireRequest } from '../dialect.js';
import { refusalsOf } from '../refusal.js';
import { headerValue, trimBlanks } from '../wire.js';
import type { TencentDialect } from './credential.js';

/** What the signed headers say about the body received. */
export interface BodyCoverage {
  readonly covered: boolean;
  readonly refuse?: Refusal;
}

/** The demos' form of Content-MD5: base64 of the hex text, not of the digest. */
export const contentMd5 = (body: Uint8Array): string => Buffer.from(hash('md5', body, 'hex')).toString('base64');

/** The demos' hex text, RFC 1864, and the Java demo's hex text, which loses leading zeros in a big integer. */
function isContentMd5(value: string, body: Uint8Array): boolean {
  if (value === contentMd5(body)) return true;
  const hex = hash('md5', body, 'hex');
  const others = [Buffer.from(hex, 'hex'), Buffer.from(hex.replace(/^0+/, ''))];
  return others.some((bytes) => bytes.toString('base64') === value);
}

export const sha256Digest = (body: Uint8Array): string => `SHA-256=${hash('sha256', body, 'base64')}`;

/** RFC 3230: a list of instances, of which the SHA-256 one has to be there and right; others are not judged. */
function isDigest(value: string, body: Uint8Array): boolean {
  const expected = sha256Digest(body);
  if (value === expected) return true;
  let found = false;
  for (const instance of value.split(',')) {
    const text = trimBlanks(instance);
    const equals = text.indexOf('=');
    if (text.slice(0, equals).toLowerCase() !== 'sha-256') continue;
    if (text.slice(equals) !== expected.slice('SHA-256'.length)) return false;
    found = true;
  }
  return found;
}

const CHECKS = { digest: isDigest, 'content-md5': isContentMd5 } as const;

/** Compares each of `names` (signed ones) with the body. None of them: covered only if there is no body. */
export function bodyCoverage(
  dialect: TencentDialect,
  request: WireRequest,
  names: readonly (keyof typeof CHECKS)[],
): BodyCoverage {
  const refuse = refusalsOf(dialect);
  const { body } = request;
  if (names.length === 0) return { covered: body?.length === 0 };
  if (body === undefined) {
    return {
      covered: true,
      refuse: refuse('body_unavailable', `${names.join(' and ')} cannot be compared on a streamed route`),
    };
  }
  const wrong = names.find((name) => !CHECKS[name](trimBlanks(headerValue(request, name) ?? ''), body));
  return wrong === undefined
    ? { covered: true }
    : { covered: false, refuse: refuse('body_mismatch', `${wrong} is not that of the body received`) };
}

/** Those of `signedHeaders` that declare a digest. */
export function digestHeaders(signedHeaders: readonly string[]): (keyof typeof CHECKS)[] {
  const declared: (keyof typeof CHECKS)[] = [];
  if (signedHeaders.includes('digest')) declared.push('digest');
  if (signedHeaders.includes('content-md5')) declared.push('content-md5');
  return declared;
}
