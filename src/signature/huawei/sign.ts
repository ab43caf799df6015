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

const NO_BODY = new Uint8Array();
const byName = ([a]: readonly [string, string], [b]: readonly [string, string]): number => (a < b ? -1 : 1);

/**
 * The set most verifiers agree on: `host;x-sdk-date` and our own headers with non-empty ASCII values, never
 * content-type; the body hashed whatever the method; a streamed body declared UNSIGNED-PAYLOAD. Spec: huawei.md §6.
 */
export function draftSignature(scheme: string, request: OutgoingRequest, nowMs: number): SigningDraft {
  const date = formatCompactDate(nowMs);
  const own: (readonly [string, string])[] = [[DATE_HEADER, date]];
  if (request.body === undefined) own.push([CONTENT_HASH_HEADER, UNSIGNED_PAYLOAD]);
  const signed = own.concat([['host', request.host]]);
  for (const [name, value] of request.signHeaders) {
    const text = trimBlanks(value);
    if (text === '' || hasNonAscii(text) || signed.some((header) => header[0] === name)) continue;
    signed.push([name, text]);
  }
  signed.sort(byName);
  let names = '';
  let lines = '';
  for (const [name, value] of signed) {
    names += names === '' ? name : `;${name}`;
    lines += `${name}:${value}\n`;
  }
  const declared = signed.find(([name]) => name === CONTENT_HASH_HEADER)?.[1];
  const { path, query } = splitTarget(request.target);
  const canonical = canonicalRequest({
    method: request.method,
    path: canonicalPath(path, 'decoded'),
    query: canonicalQuery(query),
    headerLines: lines,
    signedHeaders: names,
    payloadHash: declared ?? sha256Hex(request.body ?? NO_BODY),
  });
  return { stringToSign: stringToSign(scheme, date, canonical), signedHeaders: names, headers: own };
}
