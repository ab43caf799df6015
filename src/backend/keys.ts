import type { AesAlgorithm } from '../signature/aes/scheme.js';
import type { DialectName } from '../signature/dialect.js';

/** A backend key of type HMAC; `dialect` is that of `backendSignature`. */
export interface HmacBackendKey {
  readonly type: 'HMAC';
  readonly dialect: DialectName;
  readonly keyId: string;
  readonly secret: string;
}

/** A backend key of type Basic: proves who is calling and covers nothing of the request. TLS only. */
export interface BasicBackendKey {
  readonly type: 'Basic';
  readonly keyId: string;
  readonly secret: string;
}

/** A backend key of type AES. Both datums of its Secret are secret: `keyId` holds the cipher key, `secret` the vector. */
export interface AesBackendKey {
  readonly type: 'AES';
  readonly algorithm: AesAlgorithm;
  /** `namespace/name` of the SignatureKey. */
  readonly name: string;
  /** 16 or 32 characters, by algorithm: `keyId` of the Secret. */
  readonly key: string;
  /** 16 characters: `secret` of the Secret. */
  readonly vector: string;
}

/** What a backend shares with the gateway: the Secret of a SignatureKey with `usage: Backend`. */
export type BackendKey = HmacBackendKey | BasicBackendKey | AesBackendKey;
