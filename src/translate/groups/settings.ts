/**
 * Effective settings of an API: the group's, field by field overridden by the API's, then the defaults of
 * design.md §4. The CRD gives override structs no defaults, so that absent means "as the group".
 */
import type {
  ApiGroupAccess,
  ApiGroupApiAccess,
  ApiGroupApiVerification,
  ApiGroupVerification,
} from '../../api/generated/api-group.js';
import { durationMs, sizeBytes } from '../../api/units.js';
import type { Access } from '../../model/model.js';
import type { VerificationOptions } from '../../signature/dialect.js';

const DEFAULT_VERIFICATION: VerificationOptions = {
  dialects: [],
  compatibility: 'Vendor',
  algorithms: ['HMACSHA1', 'HMACSHA256', 'HMACSHA384', 'HMACSHA512'],
  maxClockSkewMs: 15 * 60_000,
  dateOnly: 'Checked',
  body: 'Declared',
  requiredSignedHeaders: [],
  replayProtection: 'Nonce',
  replayStoreFailure: 'LocalFallback',
  maxBodyBytes: 4 * 1024 * 1024,
};

/** No dialect listed anywhere leaves `dialects` empty: nothing verifies, which only an unauthenticated API may have. */
export function mergeVerification(
  group: ApiGroupVerification | undefined,
  api?: ApiGroupApiVerification,
): VerificationOptions {
  const merged = { ...group, ...api };
  const { maxClockSkew, maxBodySize, requiredSignedHeaders, ...same } = merged;
  return {
    ...DEFAULT_VERIFICATION,
    ...same,
    ...(maxClockSkew !== undefined && { maxClockSkewMs: durationMs(maxClockSkew) }),
    ...(maxBodySize !== undefined && { maxBodyBytes: sizeBytes(maxBodySize) }),
    ...(requiredSignedHeaders && { requiredSignedHeaders: requiredSignedHeaders.map((name) => name.toLowerCase()) }),
  };
}

export type MergedAccess = { readonly access: Access } | { readonly contradiction: string };

/**
 * Where nobody is authenticated there is no key to authorize or to bind, so the group's demands do not carry over;
 * an API that asks for them itself on an unauthenticated group contradicts it.
 */
export function mergeAccess(group: ApiGroupAccess | undefined, api?: ApiGroupApiAccess): MergedAccess {
  const merged = { ...group, ...api };
  const ranges = { ...group?.sourceRanges, ...api?.sourceRanges };
  const sourceRanges =
    (ranges.allow?.length ?? 0) + (ranges.deny?.length ?? 0) > 0
      ? { allow: ranges.allow ?? [], deny: ranges.deny ?? [] }
      : undefined;
  if (merged.authentication === 'None') {
    if (api?.authorization === 'Enabled' || api?.usagePlan === 'Required')
      return {
        contradiction: 'authorization Enabled and usagePlan Required need authentication, which the group sets to None',
      };
    return { access: { authentication: 'None', authorization: 'Disabled', usagePlan: 'Optional', sourceRanges } };
  }
  return {
    access: {
      authentication: 'Signature',
      authorization: merged.authorization ?? 'Enabled',
      usagePlan: merged.usagePlan ?? 'Optional',
      sourceRanges,
    },
  };
}
