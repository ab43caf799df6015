/**
 * A controller's objects from a Kubernetes API: watches in, and for the one that leads status, Events and generated
 * Secrets out. The Secrets in the API are the keys; nothing else is remembered.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Config } from '../../config/settings.js';
import { defaultKubeconfig } from '../../config/kubeconfig.js';
import type { Clock } from '../../lib/clock.js';
import { AppError, errorMessage } from '../../lib/errors.js';
import { createEventRecorder, createReadinessEvents } from '../../provider/kubernetes/write/event-recorder.js';
import { createGeneratedSecrets } from '../../provider/kubernetes/write/generated-secrets.js';
import { createKubeApi } from '../../provider/kubernetes/kube-api.js';
import { createKubernetesProvider } from '../../provider/kubernetes/kubernetes-provider.js';
import { createLeaderElector } from '../../provider/kubernetes/leader-election.js';
import { createStatusWriter, refusedStatuses } from '../../provider/kubernetes/write/status-writer.js';
import type { InputProblem, Provider } from '../../provider/provider.js';
import type { Logger } from '../../telemetry/logger.js';
import type { Metrics } from '../../telemetry/metrics.js';
import {
  generatedKeyRequests,
  generateKeyData,
  type GeneratedKeyRequest,
} from '../../translate/keys/generated-keys.js';
import { clusterTranslateContext } from '../context.js';
import type { ControllerSource, Leadership, LeadershipEvents, StatusSink } from '../controller/controller-source.js';
import { createRefusalEvents } from './refusal-events.js';
import { createWatchIncidents } from './watch-incidents.js';
import type { GeneratedCertificates } from './xds-certificates.js';

/** Of the Lease: the nodes that the leader expects to take up changes. */
const EXPECTED_NODES_ANNOTATION = 'countersign.dev/expected-nodes';

export interface KubernetesSourceOptions {
  readonly config: Config;
  readonly metrics: Pick<Metrics, 'leader' | 'watchRestarts'>;
  readonly log: Logger;
  readonly clock: Clock;
}

/** @throws AppError when the kubeconfig cannot be used or no namespace is known. The API is not asked. */
export async function openKubernetesSource(options: KubernetesSourceOptions): Promise<ControllerSource> {
  const { config, metrics, log, clock } = options;
  const kubeconfig = config.kubeconfig ?? defaultKubeconfig();
  const api = await createKubeApi({
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(config.context === undefined ? {} : { context: config.context }),
    userAgent: 'countersign-controller',
  });
  const namespace = config.namespace ?? api.namespace;
  if (namespace === undefined) {
    api.close();
    throw new AppError('ERR_NAMESPACE', '--namespace: is required, since the kubeconfig names none');
  }
  const ownNamespace = namespace;
  const identity = `${hostname()}_${randomUUID()}`;

  const elector = createLeaderElector({
    api,
    namespace,
    name: config.leaseName,
    identity,
    leaseDurationMs: config.leaseDurationMs,
    renewDeadlineMs: config.leaseRenewDeadlineMs,
    retryPeriodMs: config.leaseRetryPeriodMs,
    clock,
    handoverAnnotation: EXPECTED_NODES_ANNOTATION,
    onGained(_term, handover) {
      metrics.leader.set(1);
      // Another leader wrote meanwhile.
      writer.resync();
      secrets.resync();
      events.onGained(handover);
    },
    onLost(reason) {
      metrics.leader.set(0);
      events.onLost(reason);
    },
    // Watches on such connections would be silent for another minute and a half.
    onHang: () => api.resetConnections(),
    onError: (message) => log.warn(`the Lease ${namespace}/${config.leaseName}: ${message}`),
  });
  metrics.leader.set(0);
  let events: LeadershipEvents = { onGained: () => undefined, onLost: () => undefined };
  const leadership: Leadership = {
    start(handlers) {
      events = handlers;
      elector.start();
    },
    get isLeader() {
      return elector.isLeader;
    },
    handOver: (text) => elector.handOver(text),
    close: () => elector.close(),
  };

  let certificates: GeneratedCertificates | undefined;
  async function openCertificates(): Promise<GeneratedCertificates> {
    // The certificate library is loaded only where it is needed.
    const { openGeneratedCertificates } = await import('./xds-certificates.js');
    certificates = openGeneratedCertificates({
      api,
      namespace: ownNamespace,
      prefix: config.xdsSecretPrefix,
      names: { controller: [config.controllerName], envoy: config.envoyNames, authorizer: config.authorizerNames },
      isLeader: () => elector.isLeader,
      clock,
      log: log.child({ component: 'certificates' }),
    });
    return certificates;
  }

  const incidents = createWatchIncidents({ log, clock });
  let inputProblems: readonly InputProblem[] = [];
  const watched = createKubernetesProvider({
    api,
    namespaces: config.watchNamespaces.length === 0 ? undefined : config.watchNamespaces,
    onIncident(incident) {
      metrics.watchRestarts.inc({ kind: incident.type.kind, cause: incident.cause });
      incidents.tell(incident);
    },
    onLive: (object) => writer.look(object),
  });
  const provider: Provider = {
    start: (publish) =>
      watched.start((publication) => {
        inputProblems = publication.problems;
        publish(publication);
      }),
    close: () => watched.close(),
    locate: (object, path) => watched.locate(object, path),
  };

  const recorder = createEventRecorder({
    api,
    leader: elector,
    clock,
    instance: identity,
    onError: (error) => log.warn({ error: errorMessage(error) }, 'an Event could not be written'),
  });
  const readinessEvents = createReadinessEvents();
  const refusalEvents = createRefusalEvents((object) => watched.live(object)?.uid);
  const writer = createStatusWriter({
    api,
    live: (object) => watched.live(object),
    leader: elector,
    clock,
    onWritten(change) {
      const event = readinessEvents(change);
      if (event) recorder.record(event);
    },
    onError: ({ kind, namespace: where, name }, error) =>
      log.warn({ error: errorMessage(error) }, `the status of ${kind} ${where}/${name} could not be written`),
  });
  const statusSink: StatusSink = {
    update(statuses) {
      const refused = refusedStatuses(inputProblems, (object) => watched.live(object));
      writer.update(refused.size === 0 ? statuses : new Map([...statuses, ...refused]));
      for (const event of refusalEvents(statuses.values())) recorder.record(event);
    },
    nodeLost: ({ id, kind }) =>
      recorder.record({
        // A node is named by its pod first; one outside the cluster is only a name.
        object: { kind: 'Pod', namespace, name: id.split('/')[0] ?? id },
        uid: '',
        type: 'Warning',
        reason: 'DataPlaneLost',
        message: `${kind} ${id} vanished without goodbye and is no longer expected to take up changes`,
      }),
    async close() {
      await writer.close();
      await recorder.close();
    },
  };

  const secrets = createGeneratedSecrets<GeneratedKeyRequest>({
    api,
    live: (object) => watched.live(object),
    leader: elector,
    requestsOf: generatedKeyRequests,
    dataOf: (request, present) => ({ ...generateKeyData(request, present, clock(), randomBytes) }),
    onGenerated: ({ kind, key }) =>
      log.info(`${kind === 'create' ? 'generated' : 'rotated'} the key of SignatureKey ${key}`),
    onTaken: ({ key, secretName }) => {
      log.info(`SignatureKey ${key}: not generated yet, since a Secret ${secretName} is there`);
      watched.suspect(key, secretName);
    },
    onFault: ({ key }, message) => log.warn(`SignatureKey ${key}: the generated key: ${message}`),
  });

  return {
    name: config.context ?? 'Kubernetes',
    context: clusterTranslateContext(config),
    provider,
    missing: () => incidents.explain(watched.missing),
    refresh: () => watched.refresh(),
    keys: {
      // What is due is written in the background and comes back by the watch, as every other Secret does.
      complete(resources) {
        secrets.reconcile(resources);
        return Promise.resolve(resources);
      },
    },
    leadership,
    statusSink,
    ...(config.xdsCertificates === 'generate' ? { openCertificates } : {}),
    async close() {
      await secrets.close();
      api.close();
    },
  };
}
