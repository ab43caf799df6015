// Verifies the gateway's signature (SDK-HMAC-SHA256, as Huawei Cloud APIG signs towards backends).
// Standard library only. Copy it into a backend; the key is the SignatureKey with usage: Backend.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

const MAX_SKEW_MS = 15 * 60 * 1000;
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const encode = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

function canonicalPath(path) {
  const encoded = path.split('/').map((segment) => encode(decodeURIComponent(segment))).join('/');
  return encoded.endsWith('/') ? encoded : `${encoded}/`;
}

function canonicalQuery(query) {
  const decode = (text) => decodeURIComponent(text.replace(/\+/g, ' '));
  return query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const at = pair.indexOf('=');
      return at < 0 ? [decode(pair), ''] : [decode(pair.slice(0, at)), decode(pair.slice(at + 1))];
    })
    .sort(([a, x], [b, y]) => byBytes(a, b) || byBytes(x, y))
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .join('&');
}

/**
 * @param {import('node:http').IncomingMessage} request
 * @param {Buffer} body the whole body as received
 * @param {Record<string, string>} secrets key id → secret; two entries while a key rotates
 * @returns {{ valid: true, keyId: string } | { valid: false, reason: string }}
 */
export function verifyGatewaySignature(request, body, secrets, nowMs = Date.now()) {
  const refuse = (reason) => ({ valid: false, reason });
  const authorization = request.headers.authorization;
  if (!authorization) return refuse('no Authorization header');
  const fields = /^SDK-HMAC-SHA256 Access=([^,\s]+), SignedHeaders=([a-z0-9_;-]+), Signature=([0-9a-f]{64})$/.exec(authorization);
  if (!fields) return refuse('not an SDK-HMAC-SHA256 credential');
  const [, keyId, signedHeaders, signature] = fields;
  const names = signedHeaders.split(';');
  if (!names.includes('x-sdk-date') || !names.includes('host')) return refuse('host and x-sdk-date must be signed');

  const date = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(request.headers['x-sdk-date'] ?? '');
  if (!date) return refuse('x-sdk-date is missing or malformed');
  const [, year, month, day, hour, minute, second] = date.map(Number);
  const skew = Math.abs(nowMs - Date.UTC(year, month - 1, day, hour, minute, second));
  if (!(skew <= MAX_SKEW_MS)) return refuse('signature expired');

  const at = request.url.indexOf('?');
  const path = at < 0 ? request.url : request.url.slice(0, at);
  const query = at < 0 ? '' : request.url.slice(at + 1);
  const lines = [];
  for (const name of names) {
    // Node joins repeats; a signed header must have arrived exactly once.
    const values = request.rawHeaders.filter((_, i, all) => i % 2 === 1 && all[i - 1].toLowerCase() === name);
    if (values.length !== 1) return refuse(`signed header ${name} must occur once`);
    lines.push(`${name}:${values[0].trim()}`);
  }
  let canonical;
  try {
    canonical = [request.method, canonicalPath(path), canonicalQuery(query), ...lines, '', signedHeaders, sha256(body)].join('\n');
  } catch {
    return refuse('malformed escape in path or query');
  }
  const text = ['SDK-HMAC-SHA256', request.headers['x-sdk-date'], sha256(Buffer.from(canonical, 'latin1'))].join('\n');
  const secret = Object.hasOwn(secrets, keyId) ? secrets[keyId] : undefined;
  const expected = createHmac('sha256', secret ?? 'no such key').update(text).digest();
  const equal = timingSafeEqual(expected, Buffer.from(signature, 'hex'));
  return secret !== undefined && equal ? { valid: true, keyId } : refuse('signature does not match');
}
