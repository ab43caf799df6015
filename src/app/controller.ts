/**
 * From resources to what is served: translate, authorizer table, Envoy snapshot, and back from acknowledgements
 * to conditions. Order of a change: the table learns the new routes, Envoy gets them, and only when every Envoy
 * holds them the table forgets the old ones.
 */
import type { Problem } from '../api/problem.js';
import type { Authorizer } from '../authz/authorizer.js';
import type { Clock } from '../lib/clock.js';
import { errorMessage } from '../lib/errors.js';
import { EMPTY_MODEL, type Group, type Model } from '../model/model.js';
import type { CounterStore } from '../ratelimit/store.js';
import type { ResourceSet } from '../resources/resource-set.js';
import type { Logger } from '../telemetry/logger.js';
import type { Metrics } from '../telemetry/metrics.js';
import { withLimiter, withProgrammed, type ProgrammedOutcome } from '../translate/status.js';
import { createTranslationMemo, translate } from '../translate/translate.js';
import type { ObjectStatus, TranslateContext, Translation } from '../translate/translation.js';
import { clusterName } from '../xds/names.js';
import type { RenderOptions } from '../xds/render/options.js';
import { renderSnapshot } from '../xds/render/snapshot.js';
import { CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE } from '../xds/resource-types.js';
import type { AdsServer } from '../xds/server/ads-server.js';
import type { NodeEvent } from '../xds/server/plane.js';
import { createDebounce } from './debounce.js';
import type { KeyState } from './key-state.js';
import { createStatusBoard, type BoardEntry, type ReadyChange } from './status-board.js';

export interface ControllerOptions {
  readonly context: Omit<TranslateContext, 'nowMs'>;
  readonly renderOptions: RenderOptions;
  readonly keyState: KeyState;
  readonly authorizer: Pick<Authorizer, 'setModel' | 'dropRetired'>;
  readonly ads: Pick<AdsServer, 'snapshot' | 'setSnapshot' | 'acknowledged' | 'nodes'>;
  /** Where the counters of plans are kept. */
  readonly limiter: Pick<CounterStore, 'mode' | 'health'>;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly clock: Clock;
  /** After each rebuild and each change of what Envoy acknowledged. */
  readonly onChange: (change: ControllerChange) => void;
}

export interface ControllerChange {
  readonly problems: readonly Problem[];
  readonly ready: readonly ReadyChange[];
}

export interface Controller {
  /** The newest resources; a rebuild follows after a short quiet time. */
  setResources(resources: ResourceSet): void;
  /** Give every event of the ADS server here. */
  onNode(event: NodeEvent): void;
  /** Call it when the health of `limiter` has changed. */
  onLimiterChange(): void;
  /** Resolves after the first rebuild, when table and snapshot exist. */
  readonly built: Promise<void>;
  /** An Envoy is connected and has held a whole snapshot since it connected. */
  readonly served: boolean;
  readonly model: Model;
  readonly entries: readonly BoardEntry[];
  readonly problems: readonly Problem[];
  close(): Promise<void>;
}

const QUIET_MS = 50;
const MAX_DELAY_MS = 500;
/** An upload that picked its route before a change may still be on its way to the authorizer. */
const RETIRE_DELAY_MS = 15_000;

interface Rejected {
  readonly version: string | undefined;
  readonly error: string;
}

export function createController(options: ControllerOptions): Controller {
  const { context, renderOptions, keyState, authorizer, ads, limiter, metrics, log, clock, onChange } = options;
  const memo = createTranslationMemo();
  const board = createStatusBoard(clock);
  const closing = new AbortController();
  // An Envoy that has only just connected subscribes to these in turn.
  const typeUrls = [CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE, ...(renderOptions.https ? [SECRET_TYPE] : [])];
  let resources: ResourceSet | undefined;
  let translation: Translation = { model: EMPTY_MODEL, statuses: new Map(), problems: [], nextChangeMs: undefined };
  let acknowledgedVersion: string | undefined;
  let served = false;
  let retireTimer: NodeJS.Timeout | undefined;
  /** Groups as Envoy acknowledged them: the same object again is programmed already. */
  let programmed = new Map<string, Group>();
  /** By `typeUrl name`. */
  const rejected = new Map<string, Rejected>();
  let resolveBuilt = (): void => undefined;
  const built = new Promise<void>((resolve) => (resolveBuilt = resolve));

  const debounce = createDebounce({
    quietMs: QUIET_MS,
    maxMs: MAX_DELAY_MS,
    clock,
    run: rebuild,
    onError: (error) =>
      log.error({ error: errorMessage(error) }, 'the configuration could not be rebuilt; the last one stays'),
  });

  async function rebuild(): Promise<void> {
    if (!resources) return;
    const stopTimer = metrics.rebuildDuration.startTimer();
    const complete = await keyState.complete(resources);
    translation = translate(complete, { ...context, nowMs: clock() }, memo);
    authorizer.setModel(translation.model);
    const snapshot = renderSnapshot(translation.model, renderOptions);
    stopTimer();
    if (snapshot.version !== ads.snapshot.version) publish(snapshot);
    debounce.setAlarm(translation.nextChangeMs);
    metrics.snapshotVersion.reset();
    metrics.snapshotVersion.set({ version: snapshot.version }, 1);
    log.debug({ snapshot: snapshot.version }, 'configuration rebuilt');
    if (acknowledgedVersion === snapshot.version) markProgrammed();
    report();
    resolveBuilt();
  }

  function publish(snapshot: ReturnType<typeof renderSnapshot>): void {
    clearTimeout(retireTimer);
    ads.setSnapshot(snapshot);
    for (const [key, { version }] of rejected) if (versionOf(key) !== version) rejected.delete(key);
    awaitAcknowledgement(snapshot.version);
  }

  function awaitAcknowledgement(version: string): void {
    ads.acknowledged(version, { typeUrls, minimumNodes: 1, signal: closing.signal }).then(
      () => onAcknowledged(version),
      () => undefined,
    );
  }

  function onAcknowledged(version: string): void {
    served = true;
    // A later snapshot waits for its own acknowledgement.
    if (version !== ads.snapshot.version) return;
    acknowledgedVersion = version;
    log.debug({ snapshot: version }, 'configuration acknowledged by Envoy');
    markProgrammed();
    clearTimeout(retireTimer);
    retireTimer = setTimeout(() => authorizer.dropRetired(), RETIRE_DELAY_MS);
    retireTimer.unref();
    report();
  }

  function markProgrammed(): void {
    programmed = new Map(
      translation.model.groups.filter((group) => rejectionOf(group) === undefined).map((group) => [group.key, group]),
    );
  }

  const versionOf = (key: string): string | undefined => {
    const [typeUrl = '', name = ''] = key.split(' ');
    return ads.snapshot.resources.get(typeUrl)?.get(name)?.version;
  };

  /** Envoy's message about a resource made of the group. Only clusters belong to single groups. */
  function rejectionOf(group: Group): string | undefined {
    for (const [key, { error }] of rejected) {
      const [typeUrl, name] = key.split(' ');
      if (typeUrl !== CLUSTER_TYPE) return error;
      const backends = group.environments
        .flatMap(({ route, apis }) => [route, ...apis.map((api) => api.route)])
        .map(({ backend }) => backend);
      if (backends.some((backend) => backend && clusterName(backend.id) === name)) return error;
    }
    return undefined;
  }

  function outcomeOf(status: ObjectStatus, groups: ReadonlyMap<string, Group>): ProgrammedOutcome {
    if (ads.nodes.length === 0 && acknowledgedVersion === undefined) return { type: 'NoDataPlane' };
    // Keys, grants and plans are the authorizer's, which has had them since the rebuild.
    if (status.object.kind !== 'ApiGroup') return { type: 'Programmed' };
    const key = `${status.object.namespace}/${status.object.name}`;
    const group = groups.get(key);
    const error = group && rejectionOf(group);
    if (error !== undefined) return { type: 'Rejected', message: error };
    if (programmed.get(key) === group) return { type: 'Programmed' };
    return { type: 'Propagating', acked: 0, expected: 1, lacking: ['envoy'] };
  }

  function report(): void {
    const groups = new Map(translation.model.groups.map((group) => [group.key, group]));
    const limits = { mode: limiter.mode, ...limiter.health() };
    const statuses = new Map(
      [...translation.statuses].map(([key, status]) => [
        key,
        withProgrammed(withLimiter(status, limits), outcomeOf(status, groups)),
      ]),
    );
    const ready = board.update(statuses);
    metrics.resources.reset();
    for (const { kind, ready: state, count } of board.counts()) metrics.resources.set({ kind, ready: state }, count);
    onChange({ problems: translation.problems, ready });
  }

  return {
    built,
    setResources(next) {
      resources = next;
      debounce.trigger();
    },
    onNode(event) {
      if (event.type === 'disconnected' && ads.nodes.length === 0) served = false;
      if (event.type === 'connected') awaitAcknowledgement(ads.snapshot.version);
      if (event.type === 'connected' || event.type === 'disconnected') return report();
      const { typeUrl } = 'typeUrl' in event ? event : { typeUrl: '' };
      const type = typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
      if (event.type === 'acknowledged') metrics.xdsAcks.inc({ type });
      if (event.type === 'rejected') {
        metrics.xdsNacks.inc({ type });
        for (const name of event.resourceNames) {
          const key = `${typeUrl} ${name}`;
          rejected.set(key, { version: versionOf(key), error: event.error });
          log.error(
            { type, name, error: event.error },
            'Envoy rejected a part of its configuration and keeps what it had',
          );
        }
        report();
      }
    },
    onLimiterChange: () => report(),
    get served() {
      return served;
    },
    get model() {
      return translation.model;
    },
    get entries() {
      return board.entries;
    },
    get problems() {
      return translation.problems;
    },
    async close() {
      closing.abort();
      clearTimeout(retireTimer);
      await debounce.close();
    },
  };
}
