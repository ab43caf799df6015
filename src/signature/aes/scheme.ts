import { createCipheriv, timingSafeEqual } from 'node:crypto';
import { AppError } from '../../lib/errors.js';
import type { Redacted } from '../../lib/redacted.js';
import type { BackendScheme } from '../backend-scheme.js';
import type { DenyReason } from '../../lib/reason.js';
import type { Refusal, WireRequest } from '../dialect.js';
import { stringToSign } from '../huawei/candidates.js';
import { canonicalPath, canonicalQuery, canonicalRequest, headerLines } from '../huawei/canonical.js';
import {
  CONTENT_HASH_HEADER,
  DATE_HEADER,
  absentHeader,
  hasScheme,
  parseFields,
  parseSignedHeaders,
} from '../huawei/credential.js';
import { payloadOf } from '../huawei/payload.js';
import { draftSignature } from '../huawei/sign.js';
import { decodeBase64, headerValue, parseCompactDate, repeatedHeader, splitTarget, trimBlanks } from '../wire.js';

export type AesAlgorithm = 'AES128CFB' | 'AES256CFB';

/** Both texts are secret: the key is the cipher key, the vector is fixed for its life. On the wire it goes by `name`. */
export interface AesKey {
  /** `namespace/name` of the SignatureKey. */
  readonly name: string;
  readonly algorithm: AesAlgorithm;
  /** 16 or 32 characters, by algorithm. */
  readonly key: Redacted<string>;
  /** 16 characters. */
  readonly vector: Redacted<string>;
}

const VECTOR_BYTES = 16;
const CIPHERS = {
  AES128CFB: { scheme: 'SDK-AES-128-CFB', cipher: 'aes-128-cfb', keyBytes: 16 },
  AES256CFB: { scheme: 'SDK-AES-256-CFB', cipher: 'aes-256-cfb', keyBytes: 32 },
} as const;
const SCHEMES = Object.values(CIPHERS).map(({ scheme }) => scheme);

/** True when key and vector have the lengths of the algorithm; others can neither sign nor verify. */
export function isUsableAesKey({ algorithm, key, vector }: AesKey): boolean {
  const bytes = (secret: Redacted<string>): number => Buffer.byteLength(secret.reveal(), 'utf8');
  return bytes(key) === CIPHERS[algorithm].keyBytes && bytes(vector) === VECTOR_BYTES;
}

/** Full-block CFB (CFB128), no padding: the ciphertext is as long as the plaintext. Texts are their UTF-8 bytes. */
export function encryptCfb(
  key: Pick<AesKey, 'algorithm'> & {
    readonly key: Redacted<string | Buffer>;
    readonly vector: Redacted<string | Buffer>;
  },
  plaintext: Uint8Array,
): Buffer {
  const cipher = createCipheriv(CIPHERS[key.algorithm].cipher, key.key.reveal(), key.vector.reveal());
  return Buffer.concat([cipher.update(plaintext), cipher.final()]);
}

const refuse = (reason: DenyReason, detail: string, subject?: string): Refusal => ({
  ok: false,
  reason,
  detail,
  ...(subject === undefined ? {} : { subject }),
});

function canonicalOf(request: WireRequest, signedHeaders: readonly string[], payloadHash: string): string {
  const { path, query } = splitTarget(request.target);
  return canonicalRequest({
    method: request.method,
    path: canonicalPath(path, 'decoded'),
    query: canonicalQuery(query),
    headerLines: headerLines(request, signedHeaders),
    signedHeaders: signedHeaders.join(';'),
    payloadHash,
  });
}

/**
 * Profile P1: the text to sign of SDK-HMAC-SHA256 under another first line, encrypted instead of authenticated.
 * Spec: huawei.md §8.
 * @deprecated Legacy, for backends that know nothing else. CFB with a fixed vector is not a MAC: one known text gives
 * the key stream of the first block, and equal beginnings show. Use an HMAC key.
 */
export const aes: BackendScheme<AesKey> = {
  name: 'AES',
  detect: (authorization) => SCHEMES.some((scheme) => hasScheme(authorization, scheme)),
  sign(request, key, context) {
    if (!isUsableAesKey(key)) throw new AppError('ERR_AES_KEY_LENGTH', `AES key ${key.name} has a wrong length`);
    const { scheme } = CIPHERS[key.algorithm];
    const draft = draftSignature(scheme, request, context.nowMs);
    const signature = encryptCfb(key, Buffer.from(draft.stringToSign, 'latin1')).toString('base64');
    const authorization = `${scheme} Access=${key.name}, SignedHeaders=${draft.signedHeaders}, Signature=${signature}`;
    return [...draft.headers, ['authorization', authorization]];
  },
  /** Recomputes and compares; never decrypts, since a change in the last block would survive that. */
  verify(authorization, request, keys, check) {
    const word = SCHEMES.find((scheme) => hasScheme(authorization, scheme));
    const fields = word === undefined ? undefined : parseFields(authorization, word);
    const signedHeaders = fields && parseSignedHeaders(fields.signedHeaders);
    if (word === undefined || !fields || !signedHeaders) {
      return refuse('malformed_credential', 'Authorization does not follow the grammar of profile P1');
    }
    const repeated = repeatedHeader(request, [DATE_HEADER, CONTENT_HASH_HEADER, 'host']);
    if (repeated !== undefined) return refuse('duplicate_header', `header ${repeated} is repeated`, repeated);
    if (!signedHeaders.includes(DATE_HEADER))
      return refuse('missing_date', `${DATE_HEADER} is not signed`, DATE_HEADER);
    const absent = absentHeader(request, signedHeaders);
    if (absent !== undefined) return refuse('missing_signed_header', `signed header ${absent} did not arrive`, absent);
    const date = trimBlanks(headerValue(request, DATE_HEADER)!);
    const timeMs = parseCompactDate(date);
    if (timeMs === undefined) return refuse('malformed_date', `${DATE_HEADER} is not YYYYMMDDTHHMMSSZ`, DATE_HEADER);
    if (!(Math.abs(check.nowMs - timeMs) <= check.maxClockSkewMs))
      return refuse('clock_skew', 'the signed date is too far from the clock');

    const payload = payloadOf(request, signedHeaders, refuse);
    const canonical = canonicalOf(request, signedHeaders, payload.hash);
    const text = stringToSign(word, date, canonical);
    const received = decodeBase64(fields.signature, text.length);
    if (!received) return refuse('malformed_credential', 'Signature is not canonical base64 of the expected length');
    const named = keys.filter((key) => key.name === fields.access && CIPHERS[key.algorithm].scheme === word);
    if (named.length === 0) return refuse('unknown_key', 'no key has this name and algorithm');
    const usable = named.filter(isUsableAesKey);
    if (usable.length === 0) return refuse('key_not_ready', 'the key has a wrong length');
    const matches = usable.filter((key) => timingSafeEqual(encryptCfb(key, Buffer.from(text, 'latin1')), received));
    if (matches.length === 0) return refuse('bad_signature', 'the signature does not match');
    if (payload.refuse) return payload.refuse;
    return {
      ok: true,
      keyId: fields.access,
      bodyCovered: payload.covered,
      canonicalRequest: canonical,
      stringToSign: text,
    };
  },
};
