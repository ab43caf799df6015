/** Schemes that only the gateway uses, towards a backend; no caller may present them. Spec: huawei.md §7, §8. */
import type { OutgoingRequest, Refusal, SignatureHeaders, SigningContext, WireRequest } from './dialect.js';

/** The backend's clock and window, for schemes that have a date. */
export interface BackendCheck {
  readonly nowMs: number;
  readonly maxClockSkewMs: number;
}

export interface BackendVerified {
  readonly ok: true;
  /** What the credential calls the key. */
  readonly keyId: string;
  /** The credential binds the body received, or there is none. */
  readonly bodyCovered: boolean;
  readonly canonicalRequest?: string;
  readonly stringToSign?: string;
}

export interface BackendScheme<Key> {
  readonly name: 'Basic' | 'AES';
  /** By the scheme word alone. */
  detect(authorization: string): boolean;
  sign(request: OutgoingRequest, key: Key, context: SigningContext): SignatureHeaders;
  /** Total. `keys` holds one key, two during rotation; each is compared in constant time. */
  verify(
    authorization: string,
    request: WireRequest,
    keys: readonly Key[],
    check: BackendCheck,
  ): BackendVerified | Refusal;
}
