/** Requests that verify, and changed ones that must not: for the exhaustive test and the fuzzer. */
import { isCanonicalPath } from '../../../src/authz/guard/path.js';
import { Redacted } from '../../../src/lib/redacted.js';
import type {
  OutgoingRequest,
  VerificationContext,
  VerificationOptions,
  Verification,
  WireRequest,
} from '../../../src/signature/dialect.js';
import { DIALECTS } from '../../../src/signature/dialects.js';
import { verifyRequest } from '../../../src/signature/verify.js';
import { contextOf, optionsFor } from '../../vectors/labels.js';
import { VECTORS } from '../../vectors/vector.js';
import { bodyText, documentedForm, isCoveredAsParameters, splitTarget, type Scheme } from './documented-form.js';

/** A request that is accepted under the default options. */
export interface Base {
  readonly name: string;
  readonly scheme: Scheme;
  readonly request: WireRequest;
  readonly keyId: string;
  readonly secret: Redacted<string>;
  readonly nowMs: number;
  readonly context: VerificationContext;
  readonly options: VerificationOptions;
  readonly form: string;
  readonly signedHeaders: readonly string[];
  readonly bodyCovered: boolean;
}

type Draft = Omit<Base, 'form' | 'signedHeaders' | 'bodyCovered'>;

/** As the gateway judges: the guard refuses paths with two readings before any signature is looked at. */
export function judge(base: Draft, request: WireRequest, options = base.options): Verification | undefined {
  if (!isCanonicalPath(splitTarget(request.target)[0])) return undefined;
  const key = { keyId: base.keyId, secrets: [{ secret: base.secret }] };
  return verifyRequest(request, options, base.context, (id) => (id === base.keyId ? key : undefined), base.nowMs);
}

export type Outcome = 'refused' | 'same' | { readonly finding: string };

/**
 * `same`: accepted, and by the documents the request that was signed, or another one of `signed` (a change may give a
 * request the credential of another one). What a scheme leaves uncovered makes no other request either.
 */
export function outcomeOf(
  base: Base,
  request: WireRequest,
  options = base.options,
  signed: ReadonlyMap<string, readonly Base[]> = new Map([[base.form, [base]]]),
): Outcome {
  const verification = judge(base, request, options);
  if (!verification?.ok) return 'refused';
  const form = documentedForm(base.scheme, request);
  const candidates = signed.get(form ?? '') ?? [];
  if (candidates.length === 0) return { finding: `accepted as ${verification.profile}: ${form}` };
  const fault = candidates.map((candidate) => bodyFault(candidate, request, verification.bodyCovered));
  return fault.includes(undefined) ? 'same' : { finding: fault[0]! };
}

/** A body that is covered as the parameters it holds is part of the form; no body is always covered. */
function bodyFault(base: Base, request: WireRequest, bodyCovered: boolean): string | undefined {
  if (isCoveredAsParameters(base.scheme, request) || bodyText(request) === bodyText(base.request)) return undefined;
  if (!base.bodyCovered)
    return bodyCovered && request.body?.length ? 'a body that was not signed is called covered' : undefined;
  // A body put where none was signed is not covered by Tencent's schemes, and said not to be.
  if (base.request.body?.length || bodyCovered) return 'a covered body was changed';
  return undefined;
}

/** Bases by their form, for `outcomeOf`. */
export function byForm(bases: readonly Base[]): ReadonlyMap<string, readonly Base[]> {
  const forms = new Map<string, Base[]>();
  for (const base of bases) forms.set(base.form, [...(forms.get(base.form) ?? []), base]);
  return forms;
}

function baseOf(draft: Draft): Base | undefined {
  const verification = judge(draft, draft.request);
  if (!verification?.ok) return undefined;
  const form = documentedForm(draft.scheme, draft.request);
  if (form === undefined) throw new Error(`${draft.name}: the credential follows no documented grammar`);
  return { ...draft, form, signedHeaders: verification.signedHeaders, bodyCovered: verification.bodyCovered };
}

const OUTGOING: readonly OutgoingRequest[] = [
  {
    method: 'POST',
    target: '/orders/v1/a%20b:c?a=1&b=%2B%26&a=%C3%A9&flag=',
    host: 'api.example.com',
    signHeaders: [
      ['x-countersign-api', 'shop/orders/create-order'],
      ['x-tag', 'one two'],
    ],
    contentType: 'application/json',
    body: Buffer.from('{"item":"a","count":1}'),
  },
  {
    method: 'PUT',
    target: '/orders/v1',
    host: 'api.example.com',
    signHeaders: [],
    contentType: 'application/x-www-form-urlencoded',
    body: Buffer.from('a=1&b=two+words&c=%2F'),
  },
];

/** What we sign ourselves: every dialect's full set of headers. */
function signedDrafts(): Draft[] {
  const nowMs = Date.UTC(2024, 1, 29, 12);
  const key = { keyId: 'AKMUTANT0123', secret: new Redacted('mutant secret 0123456789') };
  return DIALECTS.flatMap((dialect) =>
    OUTGOING.map((outgoing, i): Draft => {
      const signed = dialect.sign(outgoing, key, {
        nowMs,
        nonce: 'c0ffee00-0000-4000-8000-000000000000',
        requestId: 'r-1',
      });
      const headers = new Map([
        ['host', outgoing.host],
        ['content-type', outgoing.contentType!],
        ...outgoing.signHeaders,
        ...signed,
      ]);
      return {
        name: `${dialect.name} signed ${i}`,
        scheme: dialect.name === 'JDCloud' ? 'JDCLOUD2' : dialect.name,
        request: { method: outgoing.method, target: outgoing.target, headers: [...headers], body: outgoing.body },
        ...key,
        nowMs,
        context: {},
        options: optionsFor(dialect.name),
      };
    }),
  );
}

const vectorDrafts = (): Draft[] =>
  VECTORS.map((vector) => ({
    name: vector.name,
    scheme:
      vector.dialect !== 'JDCloud'
        ? vector.dialect
        : vector.request.headers.some(([n, v]) => n === 'authorization' && v.startsWith('JDCLOUD3'))
          ? 'JDCLOUD3'
          : 'JDCLOUD2',
    request: vector.request,
    keyId: vector.keyId,
    secret: new Redacted(vector.secret),
    nowMs: vector.nowMs,
    context: contextOf(vector),
    options: optionsFor(vector.dialect),
  }));

/** Captures of the vendors' clients and what we sign, as far as guard and default options accept them. */
export function readBases(): readonly Base[] {
  // Without its environment segment a path signs alike, and belongs to another route: not this test's matter.
  const drafts = [...vectorDrafts(), ...signedDrafts()].filter(
    ({ scheme, context }) => scheme !== 'TencentApplication' || !context.environmentPath,
  );
  return drafts.flatMap((draft) => baseOf(draft) ?? []);
}

export const withHeader = (request: WireRequest, at: number, value: string): WireRequest => ({
  ...request,
  headers: request.headers.map(([n, v], i) => [n, i === at ? value : v]),
});

/** Every text that differs from `text` in one place: a byte replaced, taken away, doubled, or one put in before it. */
export function* changedTexts(text: string, alphabet: readonly string[]): Generator<string> {
  for (let i = 0; i <= text.length; i++) {
    const [before, byte, after] = [text.slice(0, i), text.slice(i, i + 1), text.slice(i + 1)];
    for (const other of alphabet) {
      yield before + other + byte + after;
      if (byte !== '' && other !== byte) yield before + other + after;
    }
    if (byte !== '') {
      yield before + after;
      yield before + byte + byte + after;
      yield before + String.fromCharCode(byte.charCodeAt(0) ^ 1) + after;
      yield before + String.fromCharCode(byte.charCodeAt(0) ^ 0x20) + after;
    }
  }
}
