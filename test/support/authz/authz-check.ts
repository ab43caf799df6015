/** The real pipeline with a memory store and a clock of the test's own. */
import { randomUUID } from 'node:crypto';
import { check as runCheck, type CheckDependencies, type Observation } from '../../../src/authz/pipeline.js';
import type { Decision } from '../../../src/authz/decision.js';
import type { CheckRequest } from '../../../src/authz/request.js';
import { buildTable, type Table } from '../../../src/authz/table/table.js';
import { createMemoryStore } from '../../../src/ratelimit/memory.js';
import type { Admission, CounterStore } from '../../../src/ratelimit/store.js';
import { buildModel, type ModelInput } from './authz-model.js';
import { buildRequest, type RequestInput } from './authz-request.js';

export const NOW_MS = Date.parse('2025-06-02T08:30:00Z');

export interface Gate {
  nowMs: number;
  table: Table;
  readonly deps: CheckDependencies;
  /** What the store was asked. */
  readonly admissions: Admission[];
  readonly observations: Observation[];
  readonly errors: unknown[];
  send(input: RequestInput): Promise<Decision>;
  check(request: CheckRequest): Promise<Decision>;
}

export interface GateOptions {
  readonly nowMs?: number;
  readonly store?: CounterStore;
  readonly deps?: Partial<CheckDependencies>;
  readonly random?: () => string;
}

/** An authorizer of one model, without transport. */
export function createGate(
  model: ModelInput,
  { nowMs = NOW_MS, store, deps, random = randomUUID }: GateOptions = {},
): Gate {
  const admissions: Admission[] = [];
  const observations: Observation[] = [];
  const errors: unknown[] = [];
  const clock = (): number => gate.nowMs;
  const counters = store ?? createMemoryStore({ clock });
  const gate: Gate = {
    nowMs,
    table: buildTable(buildModel(model)),
    admissions,
    observations,
    errors,
    deps: {
      store: {
        mode: counters.mode,
        admit(admission) {
          admissions.push(admission);
          return counters.admit(admission);
        },
        health: () => counters.health(),
        close: () => counters.close(),
      },
      local: createMemoryStore({ clock }),
      authorizers: () => 1,
      clock,
      uuid: () => '11111111-2222-4333-8444-555555555555',
      metrics: { observe: (observation) => void observations.push(observation) },
      onError: (error) => void errors.push(error),
      ...deps,
    },
    send: (input) => gate.check(buildRequest(input, gate.nowMs, random)),
    check: (request) => runCheck(request, gate.table, gate.deps),
  };
  return gate;
}
