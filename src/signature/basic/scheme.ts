import { hash, timingSafeEqual } from 'node:crypto';
import type { DenyReason } from '../../lib/reason.js';
import type { BackendScheme } from '../backend-scheme.js';
import type { Refusal, SigningKey } from '../dialect.js';
import { decodeBase64, trimBlanks } from '../wire.js';

const SCHEME = 'basic';
const MAX_CREDENTIAL_BYTES = 8192; // an attacker chooses this text: bound the work before looking at it

const refuse = (reason: DenyReason, detail: string): Refusal => ({ ok: false, reason, detail });

/** Texts of any length in constant time: their hashes are of one. */
const equals = (a: string, b: string): boolean =>
  timingSafeEqual(hash('sha256', a, 'buffer'), hash('sha256', b, 'buffer'));

const detect = (authorization: string): boolean =>
  authorization.slice(0, SCHEME.length).toLowerCase() === SCHEME &&
  (authorization.length === SCHEME.length || authorization[SCHEME.length] === ' ');

/** Canonical, padded base64 of UTF-8 `key:secret`, cut at the first colon: a key id has none. */
function parseCredential(authorization: string): { readonly keyId: string; readonly secret: string } | undefined {
  if (authorization.length > MAX_CREDENTIAL_BYTES || !detect(authorization)) return undefined;
  const text = trimBlanks(authorization.slice(SCHEME.length));
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const bytes = decodeBase64(text, (text.length / 4) * 3 - padding);
  if (!bytes) return undefined;
  const pair = Buffer.from(bytes).toString('utf8');
  const colon = pair.indexOf(':');
  return colon < 1 ? undefined : { keyId: pair.slice(0, colon), secret: pair.slice(colon + 1) };
}

/**
 * RFC 7617 towards backends. Covers no path, body or time, and the secret itself travels: TLS only.
 * Spec: huawei.md §7.
 */
export const basic: BackendScheme<SigningKey> = {
  name: 'Basic',
  detect,
  sign(_request, key) {
    const pair = Buffer.from(`${key.keyId}:${key.secret.reveal()}`, 'utf8').toString('base64');
    return [['authorization', `Basic ${pair}`]];
  },
  verify(authorization, request, keys) {
    const credential = parseCredential(trimBlanks(authorization));
    if (!credential) return refuse('malformed_credential', 'not Basic with canonical base64 of key:secret');
    let known = false;
    let matches = false;
    for (const key of keys) {
      const secret = key.secret.reveal();
      const sameId = equals(key.keyId, credential.keyId);
      const sameSecret = equals(secret, credential.secret) && secret !== '';
      known = known || sameId;
      matches = matches || (sameId && sameSecret);
    }
    if (matches) return { ok: true, keyId: credential.keyId, bodyCovered: request.body?.length === 0 };
    return known ? refuse('bad_signature', 'the secret differs') : refuse('unknown_key', 'no key has this id');
  },
};
