/**
 * The controller's side of policy: hands each model to the authorizers with an epoch of a higher revision. Only the
 * leader publishes. Local authorizers (`run`) take the model as it is.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Authorizer } from '../../authz/authorizer.js';
import { Routes } from '../../authz/table/routes.js';
import type { Clock } from '../../lib/clock.js';
import type { Model } from '../../model/model.js';
import { summarize, policySnapshot } from '../../policy/epoch.js';
import { EPOCH_TYPE } from '../../policy/resource-types.js';
import type { ConnectedNode, SnapshotPlane } from '../../xds/server/plane.js';
import type { Resources } from '../../xds/snapshot.js';

/** The authorizers as a controller sees them. */
export interface AuthorizerPlane {
  /** @param policy `encodePolicy(model)`. */
  setModel(model: Model, policy: Resources): void;
  /** Every Envoy holds the routes of the model set last: what only earlier models had may go. */
  dropRetired(): void;
  /** How many share the limits while the counter store is away. */
  setAuthorizers(count: number): void;
  /** Resolves when all that are connected serve the model set last, or had their time; `undefined` = already. */
  settled(): Promise<void> | undefined;
  /** Those that serve the model set last. */
  holders(): readonly ConnectedNode[];
  /** Of the epoch published last; 0 = none. */
  readonly revision: number;
}

/** The one authorizer in this process. */
export function createLocalAuthorizers(authorizer: Pick<Authorizer, 'setModel' | 'dropRetired'>): AuthorizerPlane {
  return {
    setModel: (model) => authorizer.setModel(model),
    dropRetired: () => authorizer.dropRetired(),
    setAuthorizers: () => undefined,
    settled: () => undefined,
    holders: () => [LOCAL_AUTHORIZER],
    revision: 0,
  };
}

export const LOCAL_AUTHORIZER: ConnectedNode = { id: 'authorizer', cluster: 'countersign', stream: 0 };

export interface PolicyPublisherOptions {
  readonly plane: Pick<SnapshotPlane, 'snapshot' | 'setSnapshot' | 'acknowledged' | 'nodes' | 'holders'>;
  readonly clock: Clock;
  /** Asked before every publication. */
  readonly isLeader: () => boolean;
  /** How long a change of Envoy waits for authorizers that do not answer. */
  readonly settleMs?: number;
}

export interface PolicyPublisher extends AuthorizerPlane {
  /** This process leads now: publishes what it has. */
  lead(): void;
  /** An authorizer has seen this revision. A leader goes beyond it, whatever clocks say; anybody else does nothing. */
  adopt(revision: number): void;
}

const SETTLE_MS = 5_000;
/** Revisions start at the microseconds of the clock, so that a later leader has a higher one. */
const PER_MS = 1_000;
/** A replica that does not lead hears nothing of what Envoys hold. */
const STANDBY_RETIRED_MS = 60_000;
/** A second: more changes than a stale leader makes before it notices. */
const MARGIN = 1_000_000;
/** No clock of a leader is wrong by more; numbers stay exact for centuries after. */
const MAX_AHEAD_MS = 10 * 365 * 24 * 3_600_000;

export function createPolicyPublisher(options: PolicyPublisherOptions): PolicyPublisher {
  const { plane, clock, isLeader, settleMs = SETTLE_MS } = options;
  let content: Resources | undefined;
  let summary: ReturnType<typeof summarize> | undefined;
  let authorizers = 1;
  let routesHeld = false;
  let revision = 0;
  /** Of the model, and those that Envoys may still have. */
  let routes = Routes.none;
  /** When each of `routes.kept` last lost something in the model. */
  let retiredMs = new Map<string, number>();

  function publish(): void {
    if (!content || !summary || !isLeader()) return;
    revision += 1;
    const retired = [...routes.kept.values()].map(({ route, apis }) => ({ route, apis: [...apis].sort() }));
    plane.setSnapshot(policySnapshot(content, { ...summary, revision, authorizers, routesHeld, retired }));
  }

  /** Keeps what authorizers keep that were there all the time, for those that start meanwhile. */
  function retire(model: Model): void {
    const nowMs = clock();
    const isOver = ([, sinceMs]: readonly [string, number]): boolean => nowMs - sinceMs > STANDBY_RETIRED_MS;
    const forgotten = new Set(isLeader() ? [] : [...retiredMs].filter(isOver).map(([id]) => id));
    const before = routes;
    routes = before.next(model.groups, { forgotten });
    const sinceMs = (id: string): number => (before.loses(id, routes) ? nowMs : (retiredMs.get(id) ?? nowMs));
    retiredMs = new Map([...routes.kept.keys()].map((id) => [id, sinceMs(id)]));
  }

  return {
    get revision() {
      return revision;
    },
    setModel(model, policy) {
      const next = summarize(policy);
      if (content && next.hash === summary?.hash) return;
      retire(model);
      content = policy;
      summary = next;
      routesHeld = false;
      publish();
    },
    dropRetired() {
      if (routesHeld) return;
      routesHeld = true;
      routes = routes.withoutKept();
      retiredMs.clear();
      publish();
    },
    setAuthorizers(count) {
      const next = Math.max(1, count);
      if (next === authorizers) return;
      authorizers = next;
      publish();
    },
    lead() {
      revision = Math.max(revision, clock() * PER_MS);
      // Another leader may have changed the routes meanwhile.
      routesHeld = false;
      publish();
    },
    adopt(seen) {
      // A node could tell a number so high that no later revision is above it, and no change would be taken any more.
      if (seen <= revision || !(seen < (clock() + MAX_AHEAD_MS) * PER_MS) || !isLeader()) return;
      revision = seen + MARGIN;
      publish();
    },
    settled() {
      if (plane.holders([EPOCH_TYPE]).length === plane.nodes.length) return undefined;
      const done = new AbortController();
      const acknowledged = plane.acknowledged(plane.snapshot.version, { typeUrls: [EPOCH_TYPE], signal: done.signal });
      const late = delay(settleMs, undefined, { signal: done.signal });
      return Promise.race([acknowledged, late])
        .catch(() => undefined)
        .finally(() => {
          done.abort();
          acknowledged.catch(() => undefined);
          late.catch(() => undefined);
        });
    },
    holders: () => plane.holders([EPOCH_TYPE], 'all'),
  };
}
