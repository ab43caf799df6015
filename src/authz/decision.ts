/** The outcome of a check. Data, mapped to a CheckResponse by one function (`reply.ts`) that has no default. */
import type { DenyReason } from '../lib/reason.js';

export type HeaderPair = readonly [name: string, value: string];

/** What goes to the access log, to metrics and to dynamic metadata, whatever the outcome. Never secrets. */
export interface DecisionFacts {
  /** `namespace/group/api`, empty when none matched. */
  readonly api: string;
  readonly environment: string;
  /** Only an id that exists in the table; never a text the caller made up. */
  readonly keyId: string;
  readonly planId: string;
  /** Signature profile that matched. */
  readonly profile: string;
}

export interface Allow {
  readonly outcome: 'allow';
  /** Towards the backend: overwrite. Pseudo headers `:path`, `:method` and `host` are allowed. */
  readonly setHeaders: readonly HeaderPair[];
  readonly removeHeaders: readonly string[];
  /** Towards the caller, over whatever the backend says. */
  readonly responseHeaders: readonly HeaderPair[];
  readonly facts: DecisionFacts;
}

export interface Deny {
  readonly outcome: 'deny';
  readonly reason: DenyReason;
  readonly status: number;
  readonly headers: readonly HeaderPair[];
  readonly body: string;
  readonly facts: DecisionFacts;
}

export type Decision = Allow | Deny;
