/** What kstatus, and Flux with expressions of its own, make of an object of a kind that they do not know. */
import { runInNewContext } from 'node:vm';
import type { KubernetesObject } from './states.js';

export type KStatus = 'InProgress' | 'Failed' | 'Current' | 'Terminating';

interface Condition {
  readonly type: string;
  readonly status: string;
}

/** The rules of kstatus for custom resources: deletion, generation, Reconciling, Stalled, Ready, else Current. */
export function kstatus({ metadata, status = {} }: KubernetesObject): KStatus {
  if (metadata.deletionTimestamp !== undefined) return 'Terminating';
  const { observedGeneration } = status;
  if (observedGeneration !== undefined && observedGeneration !== metadata.generation) return 'InProgress';
  const conditions = (status['conditions'] ?? []) as readonly Condition[];
  const is = (type: string): string | undefined => conditions.find((each) => each.type === type)?.status;
  if (is('Reconciling') === 'True') return 'InProgress';
  if (is('Stalled') === 'True') return 'Failed';
  const ready = is('Ready');
  return ready === undefined || ready === 'True' ? 'Current' : 'InProgress';
}

export interface HealthCheckExpressions {
  readonly apiVersion: string;
  readonly kind: string;
  readonly inProgress?: string;
  readonly failed?: string;
  readonly current: string;
}

/** Flux's order: generation, then the first expression that holds. One that cannot be evaluated keeps it waiting. */
export function fluxHealth(expressions: HealthCheckExpressions, object: KubernetesObject): KStatus {
  const { metadata, status = {} } = object;
  const { observedGeneration } = status;
  if (observedGeneration !== undefined && observedGeneration !== metadata.generation) return 'InProgress';
  for (const [answer, text] of [
    ['InProgress', expressions.inProgress],
    ['Failed', expressions.failed],
    ['Current', expressions.current],
  ] as const) {
    if (text === undefined) continue;
    try {
      if (evaluate(text, object)) return answer;
    } catch {
      return 'InProgress';
    }
  }
  return 'InProgress';
}

/** The little of CEL that the expressions use, turned into JavaScript; anything else is an error. */
export function evaluate(cel: string, object: object): boolean {
  const javascript = cel
    .replaceAll(/has\(([\w.]+)\)/g, '($1 !== undefined)')
    .replaceAll(/([\w.]+) in (\[[^\]]*\])/g, '$2.includes($1)')
    .replaceAll(/\.exists\((\w+), /g, '.some(($1) => ')
    .replaceAll(' == ', ' === ');
  const answer: unknown = runInNewContext(javascript, { ...object });
  if (typeof answer !== 'boolean') throw new Error(`${cel} is no condition`);
  return answer;
}
