import type { Dialect } from '../dialect.js';
import { hmac } from '../hmac.js';
import { candidatesOf } from './candidates.js';
import { canonicalQuery } from './canonical.js';
import { CONTENT_HASH_HEADER, DATE_HEADER, SCHEME, hasScheme, parseCredential } from './credential.js';
import { vendorReply } from './reply.js';
import { draftSignature } from './sign.js';

/** Huawei Cloud and Open Telekom Cloud APIG: SDK-HMAC-SHA256. Spec: huawei.md. */
export const huawei: Dialect & { readonly name: 'Huawei' } = {
  name: 'Huawei',
  detect: (authorization) => hasScheme(authorization, SCHEME),
  parse: (authorization, request, options) =>
    parseCredential(authorization, request, options.compatibility === 'Strict'),
  candidates: candidatesOf,
  macKey: (_credential, secret) => secret,
  sign(request, key, context) {
    const draft = draftSignature(SCHEME, request, context.nowMs);
    const mac = hmac('sha256', key.secret.reveal(), draft.stringToSign, 'hex');
    const authorization = `${SCHEME} Access=${key.keyId}, SignedHeaders=${draft.signedHeaders}, Signature=${mac}`;
    return [...draft.headers, ['authorization', authorization]];
  },
  canonicalQuery,
  singleHeaders: [DATE_HEADER, CONTENT_HASH_HEADER, 'host'],
  strictSignedHeaders: ['host', DATE_HEADER],
  // The simple modes of the vendor's gateway send a key and its secret in clear; none may travel on.
  credentialHeaders: [
    'authorization',
    DATE_HEADER,
    CONTENT_HASH_HEADER,
    'x-security-token',
    'x-apig-appcode',
    'x-hw-id',
    'x-hw-appkey',
  ],
  vendorReply,
};
