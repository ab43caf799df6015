/**
 * Composition of `countersign controller`: source → controller → ADS for Envoys and authorizers over mTLS. Every
 * replica keeps its state warm; only the one that leads serves streams and writes status.
 */
import type { Config } from '../../config/settings.js';
import { systemClock } from '../../lib/clock.js';
import { hostPort } from '../../lib/host-port.js';
import { POLICY_RESOURCE_TYPES } from '../../policy/resource-types.js';
import type { Logger } from '../../telemetry/logger.js';
import type { Metrics } from '../../telemetry/metrics.js';
import { ENVOY_RESOURCE_TYPES } from '../../xds/resource-types.js';
import { createAdsListener } from '../../xds/server/ads-server.js';
import { createPlane, type NodeEvent } from '../../xds/server/plane.js';
import { createChangeReporter, type ChangeReporter } from './change-reporter.js';
import { renderOptions } from '../context.js';
import { createController, type Controller, type ControllerChange } from './controller.js';
import type { ControllerSource } from './controller-source.js';
import { tellUnread } from '../problem-text.js';
import { createCounterStore } from '../counter-store.js';
import { createMonitoredProcess } from '../monitored-process.js';
import type { NodeKind } from './node-tracker.js';
import { admits } from '../peer-names.js';
import { createPolicyPublisher } from './policy-publisher.js';
import { openXdsTlsFiles } from '../xds-tls-files.js';

export interface ControllerProcessOptions {
  readonly config: Config;
  readonly openSource: (metrics: Metrics) => Promise<ControllerSource>;
  readonly log: Logger;
}

export interface ControllerProcess {
  /** Resolves when this replica can lead. @throws AppError saying what is in the way. */
  start(): Promise<{ readonly xds: string; readonly admin: string }>;
  status(): unknown;
  close(): Promise<void>;
}

/**
 * After a change of leader the nodes come back within seconds. Until then they would be missing in every condition,
 * and all of them would be written twice.
 */
const STATUS_GRACE_MS = 6_000;

/** How often `/readyz` learns what a start waits for. */
const WAITING_MS = 500;

export function createControllerProcess({ config, openSource, log }: ControllerProcessOptions): ControllerProcess {
  const clock = systemClock;
  const monitored = createMonitoredProcess({ config, parts: ['configuration', 'xds'], log });
  const { metrics, health, versions, onClose } = monitored;
  let source: ControllerSource | undefined;
  let controller: Controller | undefined;
  let reporter: ChangeReporter | undefined;
  let latest: ControllerChange | undefined;
  let isBuilt = false;
  /** Why what is served may be less than what was written. */
  let unread: string | undefined;
  /** Until then conditions wait for nodes that come back. */
  let graceTimer: NodeJS.Timeout | undefined;

  const store = createCounterStore({
    config,
    clock,
    metrics,
    log: log.child({ component: 'limiter' }),
    onHealthChange: () => controller?.onLimiterChange(),
  });
  const onNode =
    (kind: NodeKind) =>
    (event: NodeEvent): void => {
      if (event.type === 'connected') log.info({ node: event.node.id }, `${kind} connected`);
      if (event.type === 'disconnected')
        log.info({ node: event.node.id }, `${kind} ${event.goodbye ? 'left' : 'disconnected'}`);
      if (kind === 'authorizer' && event.type === 'connected') {
        const { revision } = event.node.metadata ?? {};
        if (typeof revision === 'number') publisher.adopt(revision);
      }
      controller?.onNode(kind, event);
    };
  const envoys = createPlane({
    types: ENVOY_RESOURCE_TYPES,
    permits: admits(config.envoyNames),
    onNode: onNode('envoy'),
    clock,
  });
  const authorizers = createPlane({
    types: POLICY_RESOURCE_TYPES,
    permits: admits(config.authorizerNames),
    onNode: onNode('authorizer'),
    clock,
  });
  const publisher = createPolicyPublisher({
    plane: authorizers,
    clock,
    isLeader: () => source?.leadership.isLeader === true,
  });

  /** A replica that does not lead has no nodes: what it would tell of them and of objects means nothing. */
  function tellNothing(): void {
    metrics.resources.reset();
    metrics.xdsNodes.reset();
  }

  function onChange(change: ControllerChange): void {
    latest = change;
    metrics.policyRevision.set(publisher.revision);
    if (!source?.leadership.isLeader) return tellNothing();
    reporter?.report(change);
    if (!graceTimer) source.statusSink?.update(change.statuses);
  }

  async function start(): Promise<{ xds: string; admin: string }> {
    const adminUrl = await monitored.startAdmin(status);
    onClose(() => store.close());

    const opened = await openSource(metrics);
    source = opened;
    onClose(() => opened.close?.());
    const { provider, leadership, statusSink } = opened;
    const certificates = await (opened.openCertificates?.() ?? openXdsTlsFiles(config, log));
    onClose(() => certificates.close());
    if (statusSink) onClose(() => statusSink.close());
    const changes = createChangeReporter({
      log,
      locate: (object, path) => provider.locate(object, path),
      source: opened.name,
      toldElsewhere: statusSink !== undefined,
    });
    reporter = changes;
    const created = createController({
      context: opened.context,
      renderOptions: renderOptions(config),
      keyState: opened.keys,
      authorizers: publisher,
      envoys,
      limiter: store,
      nodeLossMs: config.nodeLossTimeMs,
      metrics,
      log,
      clock,
      onChange,
      onNodeLost: (node) => {
        log.warn({ node: node.id }, `${node.kind} lost: it vanished and is no longer expected`);
        if (leadership.isLeader) statusSink?.nodeLost(node);
      },
      onExpected: (names) => leadership.handOver?.(names),
    });
    controller = created;
    onClose(() => created.close());
    const waiting = setInterval(() => {
      const missing = opened.missing?.() ?? [];
      if (missing.length > 0) health.set('configuration', false, `reading ${missing.join(', ')}`);
    }, WAITING_MS);
    onClose(() => clearInterval(waiting));
    // Before it is started: a signal during a start that waits for the API ends it.
    onClose(() => provider.close());
    await provider.start((publication) => {
      changes.setPublication(publication);
      created.setResources(publication.resources, publication.writtenMs);
      unread = tellUnread(publication);
      if (isBuilt) health.set('configuration', unread === undefined, unread);
    });
    await created.built;
    clearInterval(waiting);
    isBuilt = true;
    health.set('configuration', unread === undefined, unread);

    const listener = createAdsListener({
      planes: [envoys, authorizers],
      credentials: certificates.serverCredentials(),
      serving: false,
    });
    const xds = await listener.listen(hostPort(config.xdsAddress, config.xdsPort));
    onClose(() => listener.close());
    // What a client showed may be of an authority that is trusted no longer, or have expired.
    onClose(certificates.onRenewal(() => listener.endConnections()));
    health.set('xds', true);
    let term = 0;
    /** What is served must be as new as what the leader before served: nothing that it revoked comes back. */
    const lead = async (own: number): Promise<void> => {
      await opened.refresh?.();
      await created.flush();
      if (own !== term || !leadership.isLeader) return;
      publisher.lead();
      listener.setServing(true);
      log.info('this controller leads');
    };
    leadership.start({
      onGained: (handover) => {
        clearTimeout(graceTimer);
        graceTimer = setTimeout(() => {
          graceTimer = undefined;
          if (latest) onChange({ ...latest, ready: [], gone: [] });
        }, STATUS_GRACE_MS);
        created.onLeading(handover);
        void lead((term += 1));
      },
      onLost: (reason) => {
        term += 1;
        // Streams first: what this replica knows may be old already.
        listener.setServing(false);
        created.onStandby();
        tellNothing();
        log.warn(`this controller does not lead any more: ${reason}`);
      },
    });
    onClose(() => leadership.close());
    return { xds, admin: adminUrl };
  }

  function status(): unknown {
    return {
      ready: health.ready,
      missing: health.missing(),
      versions,
      leader: source?.leadership.isLeader === true,
      snapshot: envoys.snapshot.version,
      revision: publisher.revision,
      nodes: controller?.nodes ?? [],
      limiter: { mode: store.mode, ...store.health() },
      problems: reporter?.problems ?? [],
      resources: (controller?.entries ?? []).map(({ object, fields, conditions }) => ({
        ...object,
        status: { ...fields, conditions },
      })),
    };
  }

  return {
    start,
    status,
    close() {
      clearTimeout(graceTimer);
      return monitored.close();
    },
  };
}
