import type { DenyReason } from '../../lib/reason.js';
import type { DialectName } from '../../signature/dialect.js';
import type { DecisionFacts, HeaderPair } from '../decision.js';

/** What a phase answers instead of its result. The caller learns what `reply.ts` makes of it, the log learns the reason. */
export interface Refused {
  readonly refused: DenyReason;
  /** Names what the vendor's text interpolates (a header name, an algorithm). */
  readonly subject?: string;
  /** The dialect of the credential, where one was read. */
  readonly dialect?: DialectName;
  readonly retryAfterSeconds?: number;
  /** Beside the reply's own headers, e.g. the limit headers of a 429. */
  readonly headers?: readonly HeaderPair[];
}

/** Mixed into every phase's result, so that `if (result.refused)` tells the two apart. */
export interface Passed {
  readonly refused?: undefined;
}

/** How refusals are worded, and what is known about the request by now. Grows from phase to phase. */
export interface Scope {
  readonly errors: 'Vendor' | 'Uniform';
  readonly dialects: readonly DialectName[];
  readonly facts: DecisionFacts;
}

/** Before a group is known: nobody's dialect, nothing to log but the reason. */
export const UNKNOWN_SCOPE: Scope = {
  errors: 'Uniform',
  dialects: [],
  facts: { api: '', environment: '', keyId: '', planId: '', profile: '' },
};
