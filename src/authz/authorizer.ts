/**
 * The authorizer: the current table, the pipeline and what it needs. A check uses the table that was current
 * when it began, to its end. Without a table it is not ready and refuses everything.
 */
import type { Clock } from '../lib/clock.js';
import { errorMessage } from '../lib/errors.js';
import { listChanges } from '../lib/list-changes.js';
import { createMemoryStore } from '../ratelimit/memory.js';
import type { CounterStore } from '../ratelimit/store.js';
import { forgetKeys } from '../signature/dialects.js';
import type { Model } from '../model/model.js';
import type { Decision } from './decision.js';
import { check, type CheckDependencies } from './pipeline.js';
import { internalError } from './phases/reply.js';
import type { CheckRequest } from './request.js';
import type { RouteEntry } from './table/routes.js';
import { buildTable, dropRetired, type Table } from './table/table.js';

export interface AuthorizerOptions {
  readonly store: CounterStore;
  readonly clock: Clock;
  /** A fresh UUID v4 each. */
  readonly random: () => string;
  readonly metrics?: NonNullable<CheckDependencies['metrics']>;
  readonly logger?: { error(fields: object, message: string): void };
}

export interface Authorizer {
  /** Never rejects. */
  check(request: CheckRequest): Promise<Decision>;
  /** Swaps in a table built elsewhere. */
  setTable(table: Table): void;
  /**
   * Builds on the current table, so that routes which Envoy still has stay answerable.
   * @param retired those that Envoy may have from before there was a table.
   */
  setModel(model: Model, retired?: readonly RouteEntry[]): void;
  /** Once every Envoy has acked the routes of the current model. */
  dropRetired(): void;
  /** How many authorizers share the limits while the store is away; 1 until told. */
  setAuthorizers(count: number): void;
  readonly table: Table | undefined;
  readonly ready: boolean;
}

/** Derived keys of revoked or changed secrets must not outlive them in a cache; those that go on are derived again. */
function forgetChangedKeys({ model: before }: Table, { model: after }: Table): void {
  const keyIds = new Set(listChanges(before.callerKeys, after.callerKeys).gone.map(({ keyId }) => keyId));
  for (const { environments } of listChanges(before.groups, after.groups).gone)
    for (const { backendSignature } of environments.flatMap(({ apis }) => apis))
      if (backendSignature?.dialect && backendSignature.material) keyIds.add(backendSignature.material.keyId.reveal());
  if (keyIds.size > 0) forgetKeys(keyIds);
}

/** Give `check` to a transport; it closes nothing that it was given. */
export function createAuthorizer({ store, clock, random, metrics, logger }: AuthorizerOptions): Authorizer {
  let table: Table | undefined;
  let authorizers = 1;
  const deps: CheckDependencies = {
    store,
    local: createMemoryStore({ clock }),
    authorizers: () => authorizers,
    clock,
    uuid: random,
    ...(metrics ? { metrics } : {}),
    onError: (error, request) =>
      logger?.error(
        { reason: 'internal_error', requestId: request.requestId, error: errorMessage(error) },
        'check failed',
      ),
  };

  function setTable(next: Table): void {
    if (table) forgetChangedKeys(table, next);
    table = next;
  }

  return {
    check: (request) => (table ? check(request, table, deps) : Promise.resolve(internalError(request.requestId))),
    setTable,
    setModel: (model, retired) => setTable(buildTable(model, table, retired)),
    dropRetired() {
      if (table) setTable(dropRetired(table));
    },
    setAuthorizers(count) {
      authorizers = Math.max(1, count);
    },
    get table() {
      return table;
    },
    get ready() {
      return table !== undefined;
    },
  };
}
