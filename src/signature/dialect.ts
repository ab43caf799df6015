import type { Redacted } from '../lib/redacted.js';
import type { DenyReason } from '../lib/reason.js';

/** The closed list of caller dialects. Adding one: a folder, a line in `dialects.ts`, vectors. */
export type DialectName = 'JDCloud' | 'Huawei' | 'Tencent' | 'TencentApplication';

/**
 * A request as the server has it from the wire, never as a framework decoded it.
 * Text is latin1: one character per wire byte.
 */
export interface WireRequest {
  readonly method: string;
  /** Path and query exactly as received; absolute-form already stripped of scheme and authority. */
  readonly target: string;
  /** Lower-case names in wire order, repeats kept. `host` is present (over HTTP/2 it is `:authority`). */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** `undefined` where the gateway did not buffer the body (`body: Streamed`). No body is an empty array. */
  readonly body: Uint8Array | undefined;
}

export type HmacAlgorithm = 'HMACSHA1' | 'HMACSHA256' | 'HMACSHA384' | 'HMACSHA512';

/** `ApiGroup.spec.verification` after defaults and overrides. */
export interface VerificationOptions {
  readonly dialects: readonly DialectName[];
  readonly compatibility: 'Vendor' | 'Strict' | 'Lenient';
  /** Tencent dialects only. */
  readonly algorithms: readonly HmacAlgorithm[];
  readonly maxClockSkewMs: number;
  readonly dateOnly: 'Checked' | 'Allow' | 'Deny';
  readonly body: 'Declared' | 'Signed' | 'Streamed';
  /** Lower-case names. */
  readonly requiredSignedHeaders: readonly string[];
  readonly replayProtection: 'Nonce' | 'Signature' | 'Disabled';
  readonly replayStoreFailure: 'LocalFallback' | 'Deny';
  readonly maxBodyBytes: number;
}

/** What the route knows and a signature scheme may need. */
export interface VerificationContext {
  /** Environment segment that TencentApplication leaves out of the signed path, e.g. `release`; with its place in the path: `/orders/release` has base `/orders`. */
  readonly environmentPath?: { readonly basePath: string; readonly segment: string };
}

/** A refusal by a signature scheme. `detail` may be shown to the caller where the vendor's table does so; it never tells which secret part was wrong. */
export interface Refusal {
  readonly ok: false;
  readonly reason: DenyReason;
  /** One sentence for the log and `countersign verify`. */
  readonly detail: string;
  /** Names what the vendor's message interpolates (a header name, an algorithm). */
  readonly subject?: string;
  /** The dialect whose scheme word was seen, if any. */
  readonly dialect?: DialectName;
}

export type Parsed<T> = { readonly ok: true; readonly value: T } | Refusal;

/** A credential as parsed: bounded, decoded, not yet believed. */
export interface Credential {
  readonly dialect: DialectName;
  readonly keyId: string;
  /** Lower-case names in signing order. */
  readonly signedHeaders: readonly string[];
  /** Their list as received: a line of what some dialects sign. */
  readonly signedHeaderList: string;
  /** Decoded MAC; its length already fits `hash`. */
  readonly mac: Uint8Array;
  readonly hash: 'sha1' | 'sha256' | 'sha384' | 'sha512';
  /** The signed time in ms since the epoch; `undefined` only where the dialect may leave it unchecked (Tencent `dateOnly: Allow`). */
  readonly timestampMs: number | undefined;
  /** A date sent beside the signed one without being signed: it proves nothing, and still must not be stale. */
  readonly unsignedTimestampMs?: number | undefined;
  /** The nonce, only if the signature covers it. */
  readonly nonce: string | undefined;
}

/** One way the client may have canonicalised. Tried in order; the first whose MAC equals wins. */
export interface Candidate {
  /** Profile or switch name that goes to the log: `doc`, `raw-path`, `default`, … */
  readonly profile: string;
  /** Absent where the scheme has none (Tencent key pair). Latin1. */
  readonly canonicalRequest?: string | undefined;
  /** Latin1, as fed to the MAC. */
  readonly stringToSign: string;
  /** The signature covers the body received (or there is none). */
  readonly bodyCovered: boolean;
  /** Set when a match under this profile must still be refused, e.g. `uncovered_query`, `body_mismatch`. */
  readonly refuse?: Refusal | undefined;
}

/** A key as the verifier sees it. Looked up in a `Map`; two secrets during rotation. */
export interface VerificationKey {
  readonly keyId: string;
  /** Current secret first. A previous secret is good until `notAfterMs`. */
  readonly secrets: readonly { readonly secret: Redacted<string>; readonly notAfterMs?: number }[];
  /** Why the key may not be used now, judged after the MAC so that it costs the same; `undefined` = usable. */
  readonly unusable?: DenyReason;
}

export type KeyLookup = (keyId: string) => VerificationKey | undefined;

export interface Verified {
  readonly ok: true;
  readonly dialect: DialectName;
  readonly keyId: string;
  readonly profile: string;
  readonly signedHeaders: readonly string[];
  readonly timestampMs: number | undefined;
  readonly mac: Uint8Array;
  readonly nonce: string | undefined;
  readonly bodyCovered: boolean;
  readonly canonicalRequest?: string | undefined;
  readonly stringToSign: string;
}

export type Verification = Verified | (Refusal & { readonly keyId?: string });

/** The request the gateway is about to send to the backend; sign exactly these bytes. */
export interface OutgoingRequest {
  readonly method: string;
  /** Path and query as Envoy will send them, query already in canonical form (`canonicalQuery` of the dialect). */
  readonly target: string;
  readonly host: string;
  /** Identity headers of ours and others that the signature shall cover; lower-case names, single ASCII values. */
  readonly signHeaders: readonly (readonly [name: string, value: string])[];
  /** `content-type` as it will arrive, if any. */
  readonly contentType: string | undefined;
  /** `accept` as it will arrive, if any: TencentApplication signs it. */
  readonly accept?: string | undefined;
  /** `undefined` = streamed: sign UNSIGNED-PAYLOAD where the dialect has it. */
  readonly body: Uint8Array | undefined;
}

/** Scope and inputs of signing that are not the request. */
export interface SigningContext {
  readonly nowMs: number;
  /** A fresh UUID v4. */
  readonly nonce: string;
  /** JDCloud scope. */
  readonly region?: string;
  readonly service?: string;
  readonly requestId?: string;
}

export interface SigningKey {
  readonly keyId: string;
  readonly secret: Redacted<string>;
}

/** Headers to set on the outgoing request, `authorization` among them, in a fixed order. */
export type SignatureHeaders = readonly (readonly [name: string, value: string])[];

/** What the caller is answered under `errors: Vendor`. */
export interface VendorReply {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** One vendor's scheme. Everything about it is in its folder; common code is in `verify.ts`. */
export interface Dialect {
  readonly name: DialectName;
  /** By the scheme word alone; at most one listed dialect answers true. */
  detect(authorization: string): boolean;
  /** Bounded, total, never throws. Judges grammar, presence of signed headers, the date's form; not the skew, not the MAC. */
  parse(authorization: string, request: WireRequest, options: VerificationOptions): Parsed<Credential>;
  /** Lazily, in a fixed order, at most the number that the spec allows. Profiles follow `compatibility`. */
  candidates(
    credential: Credential,
    request: WireRequest,
    options: VerificationOptions,
    context: VerificationContext,
  ): Iterable<Candidate>;
  /** The key for the MAC (derived per day for JDCloud; cached there). Text is UTF-8. */
  macKey(credential: Credential, secret: string): string | Uint8Array;
  /** Told after a MAC matched, so that only what honest callers use may fill a cache. */
  accepted?(credential: Credential, secret: string): void;
  /** Drops cached key material of these key ids, or of all: called when keys are revoked or their secrets change. */
  forgetKeys?(keyIds?: ReadonlySet<string>): void;
  /** Sign towards a backend. Caller credential headers are already gone. */
  sign(request: OutgoingRequest, key: SigningKey, context: SigningContext): SignatureHeaders;
  /** The query text that is sent and signed: the form all verifiers of the dialect agree on. */
  canonicalQuery(query: string): string;
  /** Date, nonce, host and content-hash headers of the scheme: `duplicate_header` when repeated, whatever the options. Lower case. */
  readonly singleHeaders: readonly string[];
  /** Headers that `compatibility: Strict` demands in the signed list (host, date, nonce, as far as the scheme has them). Lower case. */
  readonly strictSignedHeaders: readonly string[];
  /** Headers of the caller's credential that must not reach the backend. Lower case. */
  readonly credentialHeaders: readonly string[];
  /** The vendor's documented answer for a refusal, or `undefined` where its table has no row (then: Uniform status, our text, the vendor's shape — the dialect still builds it via `shape`). */
  vendorReply(
    refusal: { readonly reason: DenyReason; readonly subject?: string; readonly retryAfterSeconds?: number },
    requestId: string,
  ): VendorReply;
}
