import type { OutgoingRequest } from '../dialect.js';
import { UNSIGNED_PAYLOAD } from '../options.js';
import { formatCompactDate, hasNonAscii, sha256Hex, splitTarget, trimBlanks } from '../wire.js';
import { stringToSign } from './candidates.js';
import { canonicalPath, canonicalQuery, canonicalRequest } from './canonical.js';
import { CONTENT_HASH_HEADER, DATE_HEADER } from './credential.js';

/** What is to be authenticated, and the headers that go with it but `authorization`. */
export interface SigningDraft {
  readonly stringToSign: string;
  readonly signedHeaders: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/**
 * The set most verifiers agree on: `host;x-sdk-date` and our own headers with non-empty ASCII values, never
 * content-type; the body hashed whatever the method; a streamed body declared UNSIGNED-PAYLOAD. Spec: huawei.md §6.
 */
export function draftSignature(scheme: string, request: OutgoingRequest, nowMs: number): SigningDraft {
  const date = formatCompactDate(nowMs);
  const signed = new Map<string, string>();
  for (const [name, value] of request.signHeaders) {
    const text = trimBlanks(value);
    if (text !== '' && !hasNonAscii(text)) signed.set(name, text);
  }
  signed.set('host', request.host).set(DATE_HEADER, date);
  if (request.body === undefined) signed.set(CONTENT_HASH_HEADER, UNSIGNED_PAYLOAD);
  const names = [...signed.keys()].sort();
  const { path, query } = splitTarget(request.target);
  const canonical = canonicalRequest({
    method: request.method,
    path: canonicalPath(path, 'decoded'),
    query: canonicalQuery(query),
    headerLines: names.map((name) => `${name}:${signed.get(name)}\n`).join(''),
    signedHeaders: names.join(';'),
    payloadHash:
      request.body === undefined ? UNSIGNED_PAYLOAD : (signed.get(CONTENT_HASH_HEADER) ?? sha256Hex(request.body)),
  });
  return {
    stringToSign: stringToSign(scheme, date, canonical),
    signedHeaders: names.join(';'),
    headers: [
      [DATE_HEADER, date],
      ...(request.body === undefined ? [[CONTENT_HASH_HEADER, UNSIGNED_PAYLOAD] as const] : []),
    ],
  };
}
