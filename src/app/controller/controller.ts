/**
 * From resources to what is served: translate, policy, Envoy snapshot, and back from acknowledgements to conditions.
 * Order of a change: the authorizers learn the new routes, Envoy gets them, and only when every Envoy holds them the
 * authorizers forget the old ones.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Problem } from '../../api/problem.js';
import type { Clock } from '../../lib/clock.js';
import { errorMessage } from '../../lib/errors.js';
import { EMPTY_MODEL, type Model } from '../../model/model.js';
import { encodePolicy } from '../../policy/encode.js';
import { EPOCH_TYPE } from '../../policy/resource-types.js';
import type { CounterStore } from '../../ratelimit/store.js';
import type { ResourceSet } from '../../resources/resource-set.js';
import type { Logger } from '../../telemetry/logger.js';
import type { Metrics } from '../../telemetry/metrics.js';
import type { ProgrammedOutcome } from '../../translate/statuses/status.js';
import { createTranslationMemo, translate } from '../../translate/translate.js';
import type { ObjectStatus, TranslateContext, Translation } from '../../translate/translation.js';
import type { RenderOptions } from '../../xds/render/options.js';
import { renderSnapshot } from '../../xds/render/snapshot.js';
import { CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE } from '../../xds/resource-types.js';
import type { NodeEvent, SnapshotPlane } from '../../xds/server/plane.js';
import type { Resources, Snapshot } from '../../xds/snapshot.js';
import { createDebounce } from './debounce.js';
import type { KeyState } from './key-state.js';
import { NodeTracker, type ExpectedNode, type NodeKind } from './node-tracker.js';
import { ObjectStates } from './object-states.js';
import type { AuthorizerPlane } from './policy-publisher.js';
import { Rejections, shortType } from './rejections.js';
import { ReportedStatuses, type StatusChanges } from './reported-statuses.js';
import { createStatusBoard, type BoardEntry, type ReadyChange } from './status-board.js';

export interface ControllerOptions {
  readonly context: Omit<TranslateContext, 'nowMs'>;
  readonly renderOptions: RenderOptions;
  readonly keyState: Pick<KeyState, 'complete'>;
  readonly authorizers: AuthorizerPlane;
  readonly envoys: Pick<SnapshotPlane, 'snapshot' | 'setSnapshot' | 'hold' | 'holders' | 'nodes'>;
  /** Where the counters of plans are kept. */
  readonly limiter: Pick<CounterStore, 'mode' | 'health'>;
  /** How long a node that vanished is still expected to take up changes. */
  readonly nodeLossMs: number;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly clock: Clock;
  /** After each rebuild and each change of what nodes acknowledged. */
  readonly onChange: (change: ControllerChange) => void;
  /** A node vanished and is no longer expected. */
  readonly onNodeLost?: (node: ExpectedNode) => void;
  /** Who is expected, as a text for the next leader, when it changed. */
  readonly onExpected?: (names: string) => void;
}

export interface ControllerChange extends Pick<StatusChanges, 'gone'> {
  readonly problems: readonly Problem[];
  readonly ready: readonly ReadyChange[];
  readonly model: Model;
  /** The latest state of which anything was new, once every expected node holds it and an Envoy is among them. */
  readonly live: number | undefined;
  /** Of all objects, by `Kind/namespace/name`: a live view, which later changes show in too. */
  readonly statuses: ReadonlyMap<string, ObjectStatus>;
}

export interface Controller {
  /**
   * The newest resources; a rebuild follows after a short quiet time.
   * @param writtenMs when the earliest of the changes was written, where that is known; epoch ms.
   */
  setResources(resources: ResourceSet, writtenMs?: number): void;
  /** Give every event of both planes here. */
  onNode(kind: NodeKind, event: NodeEvent): void;
  /** Call it when the health of `limiter` has changed. */
  onLimiterChange(): void;
  /** This replica leads now. `expected`: what `onExpected` told the leader before. */
  onLeading(expected: string | undefined): void;
  /** It leads no more: nodes that leave go to another leader. */
  onStandby(): void;
  /** Rebuilds at once what waits for quiet. */
  flush(): Promise<void>;
  /** Resolves after the first rebuild, when table and snapshot exist. */
  readonly built: Promise<void>;
  /** An Envoy is connected and has held a whole snapshot since it connected. */
  readonly served: boolean;
  readonly model: Model;
  readonly entries: readonly BoardEntry[];
  readonly problems: readonly Problem[];
  readonly nodes: readonly NodeProgress[];
  close(): Promise<void>;
}

export interface NodeProgress extends Omit<ExpectedNode, 'held'> {
  /** Holds the configuration as it is now. */
  readonly current: boolean;
  /** `Kind/namespace/name` of objects that it does not enforce as they are now; at most 20. */
  readonly lacks: readonly string[];
}

const QUIET_MS = 50;
const MAX_DELAY_MS = 500;
/** An upload that picked its route before a change may still be on its way to the authorizer. */
const RETIRE_DELAY_MS = 15_000;
/** Of Envoys that connect to nobody, somebody's own, nothing is known; no Envoy of ours stays away as long. */
const UNSEEN_RETIRE_DELAY_MS = 60_000;
/** Envoy gets a change at the latest after this, even if authorizers never settle. */
const MAX_SETTLE_MS = 5_000;
/** An authorizer that lost its connection asks again within 5 s, and has its answer within another 5. */
const COMES_BACK_MS = 10_000;
const SETTLE_CHECK_MS = 100;
/** Acknowledgements come in bursts; conditions are worked out once for all of them. */
const REPORT_DELAY_MS = 10;
/** Where tens of thousands of conditions take a while to work out, edits must not wait for them. */
const REPORT_SHARE = 4;
const MAX_REPORT_DELAY_MS = 1_000;
const LONG_REPORT_MS = 20;
const NODE_CHECK_MS = 1_000;
/** For people; whoever lacks more lacks nearly all. */
const MAX_LACKING = 20;
/** Changes whose way to the nodes is timed at once; more come only from a data plane that does not answer. */
const MAX_TIMED = 1_000;

const PROGRAMMED: ProgrammedOutcome = { type: 'Programmed' };
const NO_DATA_PLANE: ProgrammedOutcome = { type: 'NoDataPlane' };

export function createController(options: ControllerOptions): Controller {
  const { context, renderOptions, keyState, authorizers, envoys, limiter, metrics, log, clock, onChange } = options;
  const memo = createTranslationMemo();
  const board = createStatusBoard(clock);
  const tracker = new NodeTracker(options.nodeLossMs);
  const objects = new ObjectStates();
  // An Envoy that has only just connected subscribes to these in turn.
  const typeUrls = [CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE, ...(renderOptions.https ? [SECRET_TYPE] : [])];
  let resources: ResourceSet | undefined;
  let translation: Translation = { model: EMPTY_MODEL, statuses: new Map(), problems: [], nextChangeMs: undefined };
  let policy: Resources = new Map();
  /** Number of the state that authorizers were given last, and of that which Envoys were given. */
  let state = 0;
  let envoyState = 0;
  /** The latest state that differs from the one before it in what is enforced. */
  let changedState = 0;
  /** State whose routes every Envoy holds, so that authorizers were told to forget older ones. */
  let retiredState = 0;
  let pending: { readonly snapshot: Snapshot; readonly state: number } | undefined;
  let publishing: Promise<void> | undefined;
  let retireTimer: NodeJS.Timeout | undefined;
  let reportTimer: NodeJS.Timeout | undefined;
  /** How long the last report took. */
  let reportMs = 0;
  let standsBy = false;
  /** Without a leader to be (`run`) it stays false. */
  let leads = false;
  let holding = 0;
  let expectedNames = '';
  /** When the first change came that no rebuild has seen. */
  let beganMs: number | undefined;
  /** Changes on their way to the nodes, oldest first. */
  const timed: { readonly state: number; readonly beganMs: number }[] = [];
  const reported = new ReportedStatuses();
  let closed = false;
  const rejections = new Rejections(typeUrls, (typeUrl, name) =>
    typeUrl === EPOCH_TYPE
      ? String(authorizers.revision)
      : (envoys.snapshot.resources.get(typeUrl) ?? policy.get(typeUrl))?.get(name)?.version,
  );
  let resolveBuilt = (): void => undefined;
  const built = new Promise<void>((resolve) => (resolveBuilt = resolve));

  const nodeTimer = setInterval(giveUpNodes, NODE_CHECK_MS);
  nodeTimer.unref();
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
    const sinceMs = beganMs;
    beganMs = undefined;
    const complete = await keyState.complete(resources);
    translation = translate(complete, { ...context, nowMs: clock() }, memo);
    const { model } = translation;
    policy = encodePolicy(model);
    state += 1;
    if (objects.update(translation.statuses, model, policy, state)) {
      changedState = state;
      if (sinceMs !== undefined && timed.length < MAX_TIMED) timed.push({ state, beganMs: sinceMs });
    }
    authorizers.setModel(model, policy);
    const snapshot = renderSnapshot(model, renderOptions);
    stopTimer();
    offerToEnvoys(snapshot);
    debounce.setAlarm(translation.nextChangeMs);
    metrics.snapshotVersion.reset();
    metrics.snapshotVersion.set({ version: snapshot.version }, 1);
    log.debug({ snapshot: snapshot.version }, 'configuration rebuilt');
    rejections.forgetOld();
    progress();
    // Where it takes a while, what nodes wait for is sent first.
    if (reportMs < LONG_REPORT_MS) report();
    else reportSoon();
    resolveBuilt();
  }

  /** At once when the authorizers know the routes already. */
  function offerToEnvoys(snapshot: Snapshot): void {
    if (snapshot.version === envoys.snapshot.version) {
      pending = undefined;
      envoyState = state;
      return;
    }
    // Authorizers must not forget routes that Envoy still has under the state before.
    clearTimeout(retireTimer);
    retireTimer = undefined;
    pending = { snapshot, state };
    publishing ??= publishWhenSettled().finally(() => (publishing = undefined));
  }

  async function publishWhenSettled(): Promise<void> {
    const latestMs = performance.now() + MAX_SETTLE_MS;
    while (pending && !closed) {
      const wanted = pending;
      const settled = authorizers.settled();
      if (settled) await settled;
      await authorizersHold(wanted.state, latestMs);
      // Meanwhile there is a newer one, which the authorizers may not know yet.
      if (pending !== wanted && performance.now() < latestMs) continue;
      if (!pending || closed) return;
      const { snapshot } = pending;
      envoyState = pending.state;
      pending = undefined;
      envoys.setSnapshot(snapshot);
      rejections.forgetOld();
      progress();
      reportSoon();
    }
  }

  /** Waits for authorizers, also those that are just coming back: Envoy asks them all the same. */
  async function authorizersHold(wanted: number, latestMs: number): Promise<void> {
    while (!closed && performance.now() < latestMs) {
      noteHolders();
      if (tracker.hold('authorizer', wanted, clock(), COMES_BACK_MS)) return;
      await delay(SETTLE_CHECK_MS);
    }
  }

  /** What Envoys hold may be of another leader; they get what is new when authorizers know it. */
  async function holdEnvoys(): Promise<void> {
    const own = (holding += 1);
    envoys.hold(true);
    await authorizersHold(state, performance.now() + COMES_BACK_MS);
    if (own === holding) envoys.hold(false);
  }

  /** Takes note of what nodes hold. */
  function noteHolders(): void {
    for (const node of envoys.holders(typeUrls)) tracker.holds('envoy', node, envoyState);
    for (const node of authorizers.holders()) tracker.holds('authorizer', node, state);
  }

  function progress(): void {
    noteHolders();
    authorizers.setAuthorizers(tracker.expected('authorizer').length);
    tellExpected();
    if (pending || retireTimer || retiredState === envoyState) return;
    const isUnseen = seesNoEnvoy();
    if (isUnseen ? !leads : !everyEnvoyHolds()) return;
    const held = envoyState;
    if (!isUnseen) log.debug({ snapshot: envoys.snapshot.version }, 'configuration acknowledged by Envoy');
    const retire = (): void => {
      retireTimer = undefined;
      // One that came meanwhile may have older routes, and tells when it has not.
      if (isUnseen && !(leads && seesNoEnvoy())) return progress();
      // An edit that left Envoy alone changes nothing about it.
      retiredState = held;
      authorizers.dropRetired();
      progress();
    };
    retireTimer = setTimeout(retire, isUnseen ? UNSEEN_RETIRE_DELAY_MS : RETIRE_DELAY_MS);
    retireTimer.unref();
  }

  const seesNoEnvoy = (): boolean => envoys.nodes.length === 0 && tracker.expected('envoy').length === 0;

  function everyEnvoyHolds(): boolean {
    const expected = tracker.expected('envoy');
    return expected.length > 0 && expected.every(({ held }) => held >= envoyState);
  }

  function tellExpected(): void {
    if (standsBy || !options.onExpected) return;
    const { names } = tracker;
    if (names === expectedNames) return;
    expectedNames = names;
    options.onExpected(names);
  }

  function giveUpNodes(): void {
    if (standsBy) return;
    const lost = tracker.expire(clock());
    if (lost.length === 0) return;
    for (const node of lost) options.onNodeLost?.(node);
    progress();
    reportSoon();
  }

  /** Envoys hold nothing but groups. */
  function lacking(kind: NodeKind, held: number): readonly string[] {
    const all = objects.changedAfter(held);
    return (kind === 'envoy' ? all.filter((id) => id.startsWith('ApiGroup/')) : all).slice(0, MAX_LACKING);
  }

  /** From the write of a change, or its arrival where nothing tells of the write, to the last node that had to take it up. */
  function observePropagation(expected: readonly ExpectedNode[]): void {
    const held = Math.min(...expected.map((node) => node.held));
    while (timed[0] && (expected.length === 0 || timed[0].state <= held)) {
      const { beganMs } = timed[0];
      timed.shift();
      // Without nodes nothing arrives anywhere.
      if (expected.length > 0) metrics.propagation.observe((performance.now() - beganMs) / 1000);
    }
  }

  function observeNodes(expected: readonly ExpectedNode[]): void {
    metrics.xdsNodes.reset();
    for (const kind of ['envoy', 'authorizer'] as const)
      for (const [name, is] of [
        ['connected', true],
        ['lost', false],
      ] as const)
        metrics.xdsNodes.set(
          { kind, state: name },
          expected.filter((node) => node.kind === kind && node.connected === is).length,
        );
  }

  function report(): void {
    clearTimeout(reportTimer);
    reportTimer = undefined;
    const startedMs = performance.now();
    makeReport();
    reportMs = performance.now() - startedMs;
  }

  function makeReport(): void {
    const all = [...tracker.expected('envoy'), ...tracker.expected('authorizer')];
    const limits = { mode: limiter.mode, ...limiter.health() };
    const changes = reported.update(translation.statuses, outcomes(all), limits);
    const ready = board.update(changes);
    metrics.resources.reset();
    for (const { kind, ready: readiness, count } of board.counts())
      metrics.resources.set({ kind, ready: readiness }, count);
    observePropagation(all);
    observeNodes(all);
    const live = changedState > 0 && tracker.serves('envoy') && all.every(({ held }) => held >= changedState);
    onChange({
      problems: [...translation.problems, ...rejections.problems(translation.model.groups)],
      ready,
      gone: changes.gone,
      model: translation.model,
      live: live ? changedState : undefined,
      statuses: reported.all,
    });
  }

  /** What became of objects at the nodes: keys, grants and plans are the authorizers', a group is Envoy's too. */
  function outcomes(all: readonly ExpectedNode[]): (id: string, status: ObjectStatus) => ProgrammedOutcome {
    const own = all.filter(({ kind }) => kind === 'authorizer');
    const heldBy = (nodes: readonly ExpectedNode[]): number => Math.min(...nodes.map(({ held }) => held));
    const [heldByAll, heldByOwn] = [heldBy(all), heldBy(own)];
    const groups = rejections.isEmpty ? undefined : new Map(translation.model.groups.map((each) => [each.key, each]));
    return (id, { object }) => {
      const isGroup = object.kind === 'ApiGroup';
      const error =
        groups && rejections.errorOf(object, isGroup ? groups.get(`${object.namespace}/${object.name}`) : undefined);
      if (error !== undefined) return { type: 'Rejected', message: error };
      const expected = isGroup ? all : own;
      if (expected.length === 0) return NO_DATA_PLANE;
      const changedAt = objects.changedAt(id);
      if (changedAt <= (isGroup ? heldByAll : heldByOwn)) return PROGRAMMED;
      const lacking = expected.filter(({ held }) => held < changedAt);
      return {
        type: 'Propagating',
        acked: expected.length - lacking.length,
        expected: expected.length,
        lacking: lacking.map(({ id: name }) => name),
      };
    };
  }

  function reportSoon(): void {
    const longMs = reportMs < LONG_REPORT_MS ? 0 : reportMs * REPORT_SHARE;
    const delayMs = Math.min(Math.max(REPORT_DELAY_MS, longMs), MAX_REPORT_DELAY_MS);
    if (!closed) reportTimer ??= setTimeout(report, delayMs);
  }

  function onRejected(kind: NodeKind, event: NodeEvent & { readonly type: 'rejected' }): void {
    const type = shortType(event.typeUrl);
    metrics.xdsNacks.inc({ type });
    for (const name of event.resourceNames) {
      rejections.add(event.typeUrl, name, event.node.id, event.error);
      log.error(
        { type, name, node: event.node.id, error: event.error },
        kind === 'envoy'
          ? 'Envoy rejected a part of its configuration and keeps what it had'
          : 'an authorizer rejected a part of its policy and refuses what it covers',
      );
    }
  }

  // A local authorizer never connects; it is there.
  for (const node of authorizers.holders()) tracker.connected('authorizer', node);

  return {
    built,
    setResources(next, writtenMs) {
      resources = next;
      // A clock of the writer that runs ahead must not make a change arrive before it was written.
      const ageMs = writtenMs === undefined ? 0 : Math.max(0, clock() - writtenMs);
      beganMs = Math.min(beganMs ?? Number.POSITIVE_INFINITY, performance.now() - ageMs);
      debounce.trigger();
    },
    onNode(kind, event) {
      switch (event.type) {
        case 'connected':
          tracker.connected(kind, event.node);
          break;
        case 'disconnected':
          tracker.disconnected(kind, event.node, event.goodbye, clock());
          break;
        case 'acknowledged':
          metrics.xdsAcks.inc({ type: shortType(event.typeUrl) });
          if (event.complete) rejections.accepted(event.typeUrl, event.node.id);
          break;
        case 'rejected':
          onRejected(kind, event);
      }
      // The plane counts the event only after it was told.
      queueMicrotask(() => {
        if (!closed) progress();
      });
      reportSoon();
    },
    onLimiterChange: () => report(),
    onLeading(expected) {
      standsBy = false;
      leads = true;
      if (expected !== undefined) tracker.take(expected, clock());
      expectedNames = '';
      progress();
      reportSoon();
      void holdEnvoys();
    },
    onStandby() {
      standsBy = true;
      leads = false;
    },
    flush: () => debounce.flush(),
    get served() {
      return tracker.serves('envoy');
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
    get nodes() {
      const latest = { envoy: pending ? Number.MAX_SAFE_INTEGER : envoyState, authorizer: state };
      return [...tracker.expected('envoy'), ...tracker.expected('authorizer')]
        .map(({ held, ...node }) => ({ ...node, current: held >= latest[node.kind], lacks: lacking(node.kind, held) }))
        .sort((a, b) => (a.kind === b.kind ? (a.id < b.id ? -1 : 1) : a.kind < b.kind ? 1 : -1));
    },
    async close() {
      closed = true;
      clearInterval(nodeTimer);
      clearTimeout(retireTimer);
      clearTimeout(reportTimer);
      await debounce.close();
    },
  };
}
