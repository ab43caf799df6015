import type { VerificationOptions } from './dialect.js';

const KIBI = 1024;
const MINUTE_MS = 60_000;

/** Text that a client signs in place of a body hash when it leaves the body out. */
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';

/** What `ApiGroup.spec.verification` means when a field is left out; design §4. `dialects` has no default. */
export const DEFAULT_VERIFICATION: Omit<VerificationOptions, 'dialects'> = {
  compatibility: 'Vendor',
  algorithms: ['HMACSHA1', 'HMACSHA256', 'HMACSHA384', 'HMACSHA512'],
  maxClockSkewMs: 15 * MINUTE_MS,
  dateOnly: 'Checked',
  body: 'Declared',
  requiredSignedHeaders: [],
  replayProtection: 'Nonce',
  replayStoreFailure: 'LocalFallback',
  maxBodyBytes: 4 * KIBI * KIBI,
};
