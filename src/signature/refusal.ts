import type { DenyReason } from '../lib/reason.js';
import type { DialectName, Refusal } from './dialect.js';

/** `refuse` of one dialect: its refusals carry its name, so that the reply speaks the caller's language. */
export function refusalsOf(dialect: DialectName) {
  return (reason: DenyReason, detail: string, subject?: string): Refusal => ({
    ok: false,
    reason,
    detail,
    dialect,
    ...(subject === undefined ? {} : { subject }),
  });
}
