/**
 * A UsagePlan that the schema refuses must not set its keys free: of one that was never valid, the bindings are
 * kept and refuse. Other kinds need no stand-in: without them less is served, not more.
 */
import { checkObject } from './schema.js';
import type { UsagePlan } from './types.js';

const standIns = new WeakSet<object>();

/** The plan that binds what a refused one binds, without its limits; `undefined` where that cannot be told either. */
export function planStandIn(raw: Readonly<Record<string, unknown>>): UsagePlan | undefined {
  const { apiVersion, kind, metadata, spec } = raw;
  if (kind !== 'UsagePlan' || typeof spec !== 'object' || spec === null) return undefined;
  const { keys, targets, state } = spec as Readonly<Record<string, unknown>>;
  const bindings = { keys, targets, ...(state === 'Disabled' ? { state } : {}) };
  const { object } = checkObject({ apiVersion, kind, metadata, spec: bindings });
  if (object?.kind !== 'UsagePlan') return undefined;
  standIns.add(object);
  return object;
}

export const isStandIn = (object: object): boolean => standIns.has(object);
