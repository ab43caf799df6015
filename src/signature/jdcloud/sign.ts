import type { OutgoingRequest, SignatureHeaders, SigningContext, SigningKey } from '../dialect.js';
import { hmac } from '../hmac.js';
import { UNSIGNED_PAYLOAD } from '../options.js';
import { collapseBlanks, formatCompactDate, sha256Hex, splitTarget } from '../wire.js';
import { canonicalQuery, signatureTexts } from './canonical.js';
import { algorithmOf, CONTENT_HASH_HEADER, DATE_HEADER, NONCE_HEADER, terminatorOf } from './credential.js';
import { derivedKey, trustScope } from './derived-key.js';

/** Scope of a gateway without region or group: the region is the one that region-less official clients use. */
const DEFAULT_REGION = 'jdcloud-api';
const DEFAULT_SERVICE = 'gateway';

const byName = ([a]: readonly [string, string], [b]: readonly [string, string]): number => (a < b ? -1 : 1);

/**
 * Version 2, profile `doc`, over the set that the official validators know: content-type, date, nonce and the
 * identity headers; no host, since a backend may sit behind a proxy that changes it. Specs JD Cloud §6.2.
 */
export function signRequest(request: OutgoingRequest, key: SigningKey, context: SigningContext): SignatureHeaders {
  const date = formatCompactDate(context.nowMs);
  const scope = {
    keyId: key.keyId,
    version: 2,
    date,
    region: context.region ?? DEFAULT_REGION,
    service: context.service ?? DEFAULT_SERVICE,
  } as const;
  const added: (readonly [string, string])[] = [
    [DATE_HEADER, date],
    [NONCE_HEADER, context.nonce],
  ];
  if (request.body === undefined) added.push([CONTENT_HASH_HEADER, UNSIGNED_PAYLOAD]);
  const signed = request.signHeaders.concat(added);
  if (request.contentType !== undefined) {
    signed.push(['content-type', request.contentType]);
  } else if (request.body?.length !== 0) {
    // The official validators sign a type wherever there is a body.
    added.push(['content-type', 'application/octet-stream']);
    signed.push(['content-type', 'application/octet-stream']);
  }
  signed.sort(byName);
  let names = '';
  let lines = '';
  for (const [name, value] of signed) {
    names += names === '' ? name : `;${name}`;
    lines += `${name}:${collapseBlanks(value)}\n`;
  }
  const { path, query } = splitTarget(request.target);
  const bodyHash = request.body === undefined ? UNSIGNED_PAYLOAD : sha256Hex(request.body);
  const canonical = `${request.method}\n${path}\n${canonicalQuery(query)}\n${lines}\n${names}\n${bodyHash}`;

  const { stringToSign } = signatureTexts(canonical, scope);
  trustScope(scope); // ours, not a caller's
  const macKey = derivedKey(scope, key.secret.reveal());
  const signature = hmac('sha256', macKey, stringToSign, 'hex');
  const credential = `${key.keyId}/${date.slice(0, 8)}/${scope.region}/${scope.service}/${terminatorOf(2)}`;
  return [
    ...added,
    ['authorization', `${algorithmOf(2)} Credential=${credential}, SignedHeaders=${names}, Signature=${signature}`],
  ];
}
