/**
 * Phase 5: what the backend receives. Path, query, method and host are computed once, here, and are what is
 * signed and what Envoy sends (routes rewrite nothing). Credentials of the caller stay behind, identity
 * headers are always ours.
 */
import type { Redacted } from '../../lib/redacted.js';
import type { Api, Backend, BackendKeyMaterial, BackendSignature, Plan } from '../../model/model.js';
import { aes, isUsableAesKey, type AesKey } from '../../signature/aes/scheme.js';
import { basic } from '../../signature/basic/scheme.js';
import { DIALECTS, dialectByName } from '../../signature/dialects.js';
import type { OutgoingRequest, SignatureHeaders, SigningContext } from '../../signature/dialect.js';
import { headerValue } from '../../signature/wire.js';
import type { HeaderPair } from '../decision.js';
import { METHOD_OVERRIDES, OWN_HEADER_PREFIX } from '../guard/headers.js';
import type { Matched } from './match.js';
import type { Passed, Refused } from './refused.js';
import type { CheckRequest } from '../request.js';
import type { Caller } from './verify.js';

export interface Signed extends Passed {
  /** Overwrite; `:path`, `:method` and `host` among them where they change. */
  readonly setHeaders: readonly HeaderPair[];
  readonly removeHeaders: readonly string[];
}

/** The same request signed with the secret that is being rotated out: a backend accepts either. */
const PREVIOUS_AUTHORIZATION = `${OWN_HEADER_PREFIX}previous-authorization`;

/** Every header that carries a credential in some dialect: none travels beside a signature of ours. */
const CREDENTIAL_HEADERS = new Set(['authorization', ...DIALECTS.flatMap((dialect) => dialect.credentialHeaders)]);

const UNSIGNABLE: Refused = { refused: 'backend_key_unavailable' };

type Signer = (outgoing: OutgoingRequest, context: SigningContext) => SignatureHeaders;

/** `undefined` where the binding cannot be carried out: no dialect or algorithm, or material that does not fit it. */
function signerOf(
  { key, type, dialect, aesAlgorithm }: BackendSignature,
  { keyId }: BackendKeyMaterial,
  secret: Redacted<string>,
): Signer | undefined {
  switch (type) {
    case 'HMAC': {
      const scheme = dialect && dialectByName(dialect);
      return scheme && ((outgoing, context) => scheme.sign(outgoing, { keyId: keyId.reveal(), secret }, context));
    }
    case 'Basic':
      return (outgoing, context) => basic.sign(outgoing, { keyId: keyId.reveal(), secret }, context);
    case 'AES': {
      const aesKey: AesKey | undefined = aesAlgorithm && {
        name: key,
        algorithm: aesAlgorithm,
        key: keyId,
        vector: secret,
      };
      if (!aesKey || !isUsableAesKey(aesKey)) return undefined;
      return (outgoing, context) => aes.sign(outgoing, aesKey, context);
    }
    default:
      return undefined;
  }
}

/** The material of a backend key that may sign now. */
function usableMaterial(signature: BackendSignature, nowMs: number): BackendKeyMaterial | undefined {
  if (signature.notBeforeMs !== undefined && !(nowMs >= signature.notBeforeMs)) return undefined;
  if (signature.expirationMs !== undefined && !(nowMs < signature.expirationMs)) return undefined;
  return signature.material;
}

/** Judged before limits, so that a request which cannot be signed is not charged either. */
export function judgeBackendKey(api: Api, nowMs: number): Refused | undefined {
  const signature = api.backendSignature;
  if (!signature) return undefined;
  const material = usableMaterial(signature, nowMs);
  return material && signerOf(signature, material, material.secret) ? undefined : UNSIGNABLE;
}

/** API path without base path and environment, or the rewrite with the template's variables; raw bytes. */
function upstreamPath({ api, path, variables }: Matched): string {
  const rewritten = api.rewrite?.path?.replace(/\{([^{}]+)\}/g, (text, name: string) => variables.get(name) ?? text);
  return (rewritten ?? path) || '/';
}

/** The form that all verifiers of the backend's scheme agree on; `query` and the result have no `?`. */
function canonicalQuery(signature: BackendSignature, query: string): string {
  switch (signature.type) {
    case 'HMAC':
      return signature.dialect === undefined ? query : dialectByName(signature.dialect).canonicalQuery(query);
    case 'AES': // its text to sign is that of the Huawei scheme
      return dialectByName('Huawei').canonicalQuery(query);
    case 'Basic':
      return query;
  }
}

function upstreamTarget(matched: Matched): string {
  const { query, api } = matched;
  const path = upstreamPath(matched);
  if (query === '' || !api.backendSignature) return path + query;
  const canonical = canonicalQuery(api.backendSignature, query.slice(1));
  return canonical === '' ? path : `${path}?${canonical}`;
}

/** Documented headers of the Tencent gateway towards a backend; X-Forwarded-For is Envoy's own. */
function tencentHeaders(request: CheckRequest): HeaderPair[] {
  const scheme = headerValue(request, 'x-forwarded-proto') ?? 'http';
  return [
    ['x-client-proto', scheme],
    ['x-client-proto-ver', request.protocol],
    ['x-real-ip', request.sourceAddress],
    ['x-b3-traceid', request.requestId.replaceAll('-', '')],
    ['x-api-requestid', request.requestId],
    ['x-api-scheme', scheme],
  ];
}

function identityHeaders(matched: Matched, caller: Caller, plan: Plan | undefined): HeaderPair[] {
  const headers: HeaderPair[] = [];
  if (caller.key) headers.push([`${OWN_HEADER_PREFIX}key-id`, caller.key.keyId]);
  if (plan) headers.push([`${OWN_HEADER_PREFIX}plan`, plan.planId]);
  headers.push([`${OWN_HEADER_PREFIX}api`, matched.apiId]);
  headers.push([`${OWN_HEADER_PREFIX}environment`, matched.environment.environment.name]);
  return headers;
}

function sentHost(backend: Backend | undefined, request: CheckRequest): string {
  return backend?.host.type === 'Fixed' ? backend.host.value : request.authority;
}

/** Computes and signs the upstream request. `nonce` is a fresh UUID v4. */
export function sign(
  request: CheckRequest,
  matched: Matched,
  caller: Caller,
  plan: Plan | undefined,
  nowMs: number,
  nonce: string,
): Signed | Refused {
  const { api, route } = matched;
  const { backend } = route.route;
  const set = new Map<string, string>();
  const target = upstreamTarget(matched);
  const method = api.rewrite?.method ?? request.method;
  const host = sentHost(backend, request);
  if (target !== request.target) set.set(':path', target);
  if (method !== request.method) set.set(':method', method);
  if (host !== request.authority) set.set('host', host);
  for (const [name, value] of api.rewrite?.setHeaders ?? []) set.set(name.toLowerCase(), value);
  if (backend?.headers.includes('Tencent')) for (const [name, value] of tencentHeaders(request)) set.set(name, value);
  const identity = identityHeaders(matched, caller, plan);
  for (const [name, value] of identity) set.set(name, value);

  const signature = api.backendSignature;
  if (signature) {
    const material = usableMaterial(signature, nowMs);
    const signer = material && signerOf(signature, material, material.secret);
    if (!signer) return UNSIGNABLE;
    const accept = set.get('accept') ?? headerValue(request, 'accept');
    const outgoing: OutgoingRequest = {
      method,
      target,
      host,
      signHeaders: identity,
      contentType: set.get('content-type') ?? headerValue(request, 'content-type'),
      ...(accept === undefined ? {} : { accept }),
      body: matched.body,
    };
    const context: SigningContext = { nowMs, nonce, requestId: request.requestId };
    for (const [name, value] of signer(outgoing, context)) set.set(name, value);

    const { previous } = material;
    if (previous && (previous.notAfterMs === undefined || nowMs <= previous.notAfterMs)) {
      const old = signerOf(signature, material, previous.secret)?.(outgoing, context);
      const authorization = old?.find(([name]) => name === 'authorization')?.[1];
      if (authorization !== undefined) set.set(PREVIOUS_AUTHORIZATION, authorization);
    }
  }

  return {
    setHeaders: [...set],
    removeHeaders: headersToRemove(request, matched, caller, signature !== undefined, set),
  };
}

/** An override that the caller signed stays if it asks for what was authorized: a method of this very API. */
function isAuthorizedOverride(name: string, value: string, matched: Matched, { signature }: Caller): boolean {
  if (!signature?.signedHeaders.includes(name)) return false;
  return matched.environment.matcher.find(matched.path, value.toUpperCase()).found?.api === matched.api;
}

/** Of the headers that arrived: spent credentials, what only we may say, and method overrides that were not authorized. */
function headersToRemove(
  request: CheckRequest,
  matched: Matched,
  caller: Caller,
  backendSigns: boolean,
  set: ReadonlyMap<string, string>,
): string[] {
  const spent = caller.signature ? dialectByName(caller.signature.dialect).credentialHeaders : [];
  const remove = new Set<string>();
  for (const [name, value] of request.headers) {
    if (set.has(name)) continue;
    const isCredential = spent.includes(name) || (backendSigns && CREDENTIAL_HEADERS.has(name));
    const isOverride = METHOD_OVERRIDES.has(name) && !isAuthorizedOverride(name, value, matched, caller);
    if (isCredential || isOverride || name.startsWith(OWN_HEADER_PREFIX)) remove.add(name);
  }
  return [...remove];
}
