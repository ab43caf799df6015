/** JD Cloud API Gateway: JDCLOUD2-HMAC-SHA256 and JDCLOUD3-HMAC-SHA256. */
import type { Dialect } from '../dialect.js';
import { candidatesOf, canonicalQuery } from './canonical.js';
import {
  CONTENT_HASH_HEADER,
  DATE_HEADER,
  isJdcloud,
  NONCE_HEADER,
  parseCredential,
  TOKEN_HEADER,
  type JdcloudCredential,
} from './credential.js';
import { derivedKey, forgetDerivedKeys, trustScope } from './derived-key.js';
import { vendorReply } from './reply.js';
import { signRequest } from './sign.js';

export const jdcloud = {
  name: 'JDCloud',
  detect: isJdcloud,
  parse: parseCredential,
  candidates: (credential: JdcloudCredential, request, options) => candidatesOf(credential, request, options),
  macKey: (credential: JdcloudCredential, secret) => derivedKey(credential, secret),
  accepted: (credential: JdcloudCredential) => trustScope(credential),
  forgetKeys: forgetDerivedKeys,
  sign: signRequest,
  canonicalQuery,
  singleHeaders: ['host', DATE_HEADER, NONCE_HEADER, CONTENT_HASH_HEADER, TOKEN_HEADER],
  strictSignedHeaders: ['host', DATE_HEADER, NONCE_HEADER],
  credentialHeaders: [
    'authorization',
    DATE_HEADER,
    NONCE_HEADER,
    CONTENT_HASH_HEADER,
    TOKEN_HEADER,
    'x-jdcloud-algorithm',
    // Python clients send a header whose name is the algorithm's.
    'jdcloud2-hmac-sha256',
    'jdcloud3-hmac-sha256',
  ],
  vendorReply,
} as const satisfies Dialect;
