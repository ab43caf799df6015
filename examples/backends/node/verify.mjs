// Verifies that a request comes from the gateway: SDK-HMAC-SHA256, `backendSignature: {dialect: Huawei}`.
// Standard library only: copy this file. The key is the Secret of the SignatureKey with `usage: Backend`.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

const MAX_CLOCK_SKEW_MS = 5 * 60 * 1000;
const CREDENTIAL =
  /^SDK-HMAC-SHA256 Access=([\w-]{1,64}), SignedHeaders=([a-z0-9_;-]{1,4096}), Signature=([0-9a-f]{64})$/;
const PREVIOUS = 'x-countersign-previous-authorization';

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const refuse = (reason) => ({ valid: false, reason });

/**
 * @param {{ method: string, url: string, rawHeaders: string[] }} request Node's request, before a router changes `url`
 * @param {Buffer} body the bytes of the body before any parser
 * @param {{ keyId: string, secret: string }[]} keys one; two while the key rotates
 * @returns {{ valid: true, keyId: string } | { valid: false, reason: string }}
 */
export function verifyGatewaySignature(request, body, keys, nowMs = Date.now()) {
  // `request.headers` joins or drops repeats; a second value next to a signed one must not go unseen.
  const headers = new Map();
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i].toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), request.rawHeaders[i + 1].replace(/^[ \t]+|[ \t]+$/g, '')]);
  }
  const current = headers.get('authorization') ?? [];
  if (current.length === 0) return refuse('none');
  const previous = headers.get(PREVIOUS) ?? [];
  if (current.length > 1 || previous.length > 1) return refuse('more than one credential');

  // During a rotation the gateway signs with both secrets: whichever this backend has will do.
  const result = verifyCredential(current[0], request, headers, body, keys, nowMs);
  if (result.valid || previous.length === 0) return result;
  const older = verifyCredential(previous[0], request, headers, body, keys, nowMs);
  return older.valid ? older : result;
}

function verifyCredential(credential, { method, url }, headers, body, keys, nowMs) {
  const [, keyId, signedHeaders, signature] = CREDENTIAL.exec(credential) ?? [];
  if (signature === undefined) return refuse('not an SDK-HMAC-SHA256 credential');

  const names = signedHeaders.split(';');
  // Who is calling is in these headers: one that is not signed is not the gateway's.
  const identity = [...headers.keys()].filter((name) => name.startsWith('x-countersign-') && name !== PREVIOUS);
  for (const name of ['host', 'x-sdk-date', ...identity]) {
    if (!names.includes(name)) return refuse(`${name} is not signed`);
  }
  const repeated = names.find((name) => headers.get(name)?.length !== 1);
  if (repeated !== undefined) return refuse(`signed header ${repeated} has to occur once`);
  // The gateway signs this one only for bodies that it does not read (verification.body: Streamed).
  if (names.includes('x-sdk-content-sha256')) return refuse('the body is not signed');

  const date = headers.get('x-sdk-date')[0];
  const signedAtMs = parseDate(date);
  if (!(Math.abs(nowMs - signedAtMs) <= MAX_CLOCK_SKEW_MS)) return refuse('the signature has expired');

  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  // The gateway sends the query in canonical form: what arrived is what was signed, byte for byte.
  const query = mark < 0 ? '' : url.slice(mark + 1);
  if (/%2F|%(?![0-9A-F]{2})/i.test(path)) return refuse('the path can be read in two ways');

  const lines = names.map((name) => `${name}:${headers.get(name)[0]}\n`).join('');
  const canonical = [method, canonicalPath(path), query, lines, signedHeaders, sha256(body)].join('\n');
  const text = ['SDK-HMAC-SHA256', date, sha256(Buffer.from(canonical, 'latin1'))].join('\n');
  for (const key of keys) {
    const expected = createHmac('sha256', key.secret).update(text).digest();
    const equal = timingSafeEqual(expected, Buffer.from(signature, 'hex'));
    if (equal && key.keyId === keyId && key.secret !== '') return { valid: true, keyId };
  }
  return refuse('the signature does not match');
}

/** Milliseconds since the epoch; NaN for all but `YYYYMMDDTHHMMSSZ` of a real date. */
function parseDate(text) {
  const iso = text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6.000Z');
  const timeMs = iso === text ? NaN : Date.parse(iso);
  return timeMs >= 0 && new Date(timeMs).toISOString() === iso ? timeMs : NaN;
}

/** Decoded and encoded again, byte by byte, with a slash at the end. */
function canonicalPath(path) {
  const decoded = path.replace(/%([0-9A-F]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  const encoded = decoded.replace(
    /[^A-Za-z0-9\-._~/]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
  return encoded.endsWith('/') ? encoded : `${encoded}/`;
}
