/** What each label of the vector files means: under which options the request is judged, and the verdict. */
import type { DialectName, VerificationContext, VerificationOptions } from '../../src/signature/dialect.js';
import type { DenyReason } from '../../src/lib/reason.js';
import { DEFAULT_VERIFICATION } from '../../src/signature/options.js';
import type { Vector } from './vector.js';

export type Verdict =
  | { readonly accepted: true; readonly profile: string; readonly bodyCovered?: boolean }
  | { readonly accepted: false; readonly reason: DenyReason };

/** One judgement; a label may have several, under different options. */
export interface Expectation {
  readonly options: Partial<VerificationOptions>;
  readonly verdict: Verdict;
}

const accepted = (profile: string): Verdict => ({ accepted: true, profile });
const refused = (reason: DenyReason): Verdict => ({ accepted: false, reason });
const VENDOR = { compatibility: 'Vendor' } as const;
const LENIENT = { compatibility: 'Lenient' } as const;
const always = (verdict: Verdict): Expectation[] => [
  { options: VENDOR, verdict },
  { options: LENIENT, verdict },
];

const LABELS: { readonly [Name in DialectName]: Readonly<Record<string, readonly Expectation[]>> } = {
  JDCloud: {
    'profile:doc': always(accepted('doc')),
    'profile:node': always(accepted('node')),
    'profile:java': always(accepted('java')),
    'profile:go': always(accepted('go')),
    'profile:apim-python': always(accepted('apim-python')),
    'profile:v3': always(accepted('v3')),
    'profile:python3': always(accepted('python3')),
    'bodySigned:false': [
      { options: VENDOR, verdict: refused('body_mismatch') },
      { options: LENIENT, verdict: { accepted: true, profile: 'doc', bodyCovered: false } },
      { options: { ...LENIENT, body: 'Signed' }, verdict: refused('unsigned_body') },
    ],
    'wireVerifiable:false': always(refused('bad_signature')),
    // The JD Cloud body hash is part of the signature: a changed body is a wrong signature.
    'negative:neg-body-byte-changed': always(refused('bad_signature')),
    'negative:neg-method-changed': always(refused('bad_signature')),
    'negative:neg-path-changed': always(refused('bad_signature')),
    'negative:neg-query-value-changed': always(refused('bad_signature')),
    'negative:neg-host-changed': always(refused('bad_signature')),
    'negative:neg-nonce-changed-when-signed': always(refused('bad_signature')),
    'negative:neg-date-header-changed-same-day': always(refused('bad_signature')),
    'negative:neg-date-other-day-than-scope': always(refused('invalid_scope')),
    'negative:neg-security-token-changed': always(refused('bad_signature')),
    'negative:neg-unsigned-content-sha256-must-be-ignored': always(refused('bad_signature')),
    'negative:neg-signature-uppercase-hex': always(refused('malformed_credential')),
    'negative:neg-signature-last-nibble': always(refused('bad_signature')),
    'negative:neg-unknown-access-key': always(refused('unknown_key')),
    'negative:neg-scope-service-changed': always(refused('bad_signature')),
    'negative:neg-algorithm-downgrade-3-to-2': always(refused('bad_signature')),
    'negative:neg-no-authorization': always(refused('missing_credential')),
    'negative:neg-no-credential': always(refused('malformed_credential')),
    'negative:neg-no-date': always(refused('missing_date')),
    'negative:neg-no-signedheaders': always(refused('malformed_credential')),
    'negative:neg-signed-header-removed': always(refused('missing_signed_header')),
  },
  Huawei: {
    'mode:strict': always(accepted('default')),
    'mode:compat:raw-path': always(accepted('raw-path')),
    'mode:compat:empty-body-hash': always(accepted('empty-body-hash')),
    'mode:compat:order-utf16': always(accepted('order-utf16')),
    'mode:compat:order-encoded': always(accepted('order-encoded')),
    'mode:compat:header-order-icu': always(accepted('header-order-icu')),
    'mode:compat:plus-literal': [
      { options: VENDOR, verdict: refused('bad_signature') },
      { options: LENIENT, verdict: accepted('plus-literal') },
    ],
    'code:mismatch': always(refused('bad_signature')),
    'code:key-unknown': always(refused('unknown_key')),
    'code:auth-missing': always(refused('missing_credential')),
    'code:auth-format': always(refused('unsupported_scheme')),
    'code:expired': always(refused('clock_skew')),
    'code:signed-headers': always(refused('malformed_credential')),
    'code:signed-header-missing': always(refused('missing_signed_header')),
    'code:date-format': always(refused('malformed_date')),
  },
  Tencent: {
    'mode:default': always(accepted('default')),
    'code:alg': always(refused('algorithm_not_allowed')),
    'code:auth-format': always(refused('malformed_credential')),
    'code:id-or-signature-missing': always(refused('malformed_credential')),
    'code:date-required': always(refused('missing_date')),
    'code:header-missing': always(refused('missing_signed_header')),
    'code:x-date-format': always(refused('malformed_date')),
    'code:expired': always(refused('clock_skew')),
    'code:mismatch': always(refused('bad_signature')),
  },
  TencentApplication: {
    'mode:default': always(accepted('default')),
    'mode:raw': always(accepted('raw')),
    'mode:query-then-form': always(accepted('query-then-form')),
    'mode:md5-computed': always(accepted('md5-computed')),
    'code:content-md5': always(refused('body_mismatch')),
    'code:x-date-required': always(refused('missing_date')),
    'code:expired': always(refused('clock_skew')),
    'code:mismatch': always(refused('bad_signature')),
  },
};

/** Vectors whose label alone does not tell all. */
const BY_NAME: Readonly<Record<string, readonly Expectation[]>> = {
  // `e=a=b=c` is signed as `e=a`: the rest would be forwarded unsigned.
  'apim-py-query-slash-equals-truncated': [
    { options: VENDOR, verdict: refused('uncovered_query') },
    { options: LENIENT, verdict: accepted('apim-python') },
  ],
};

/** An unlabelled vector is an error, not a pass. */
export function expectationsOf(vector: Vector): readonly Expectation[] {
  const expectations = BY_NAME[vector.name] ?? LABELS[vector.dialect][vector.label];
  if (!expectations) throw new Error(`${vector.dialect} vector ${vector.name}: no row for label "${vector.label}"`);
  return expectations;
}

export const optionsFor = (dialect: DialectName, options: Partial<VerificationOptions> = {}): VerificationOptions => ({
  ...DEFAULT_VERIFICATION,
  dialects: [dialect],
  ...options,
});

const ENVIRONMENTS = ['release', 'prepub', 'test'];

/** On the vendor's default domain the first segment of a path is the environment. */
export function contextOf(vector: Vector): VerificationContext {
  const segment = vector.request.target.split(/[/?]/)[1] ?? '';
  return ENVIRONMENTS.includes(segment) ? { environmentPath: { basePath: '/', segment } } : {};
}
