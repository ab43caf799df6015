/** Where `countersign status` asks: the admin address of a process, or the Kubernetes API and through it the leader. */
import { API_GROUP, KINDS, type Kind } from '../../api/types.js';
import type { Config } from '../../config/settings.js';
import type { Clock } from '../../lib/clock.js';
import { AppError, errorMessage } from '../../lib/errors.js';
import { createKubeApi, hasStatus, KubeApiError, type KubeApi } from '../../provider/kubernetes/kube-api.js';
import { LEASE, OUR_TYPES } from '../../provider/kubernetes/resource-types.js';
import { isRecord } from '../../resources/core-resources.js';
import { listAll } from '../kubernetes/list-all.js';
import {
  buildReport,
  readinessOf,
  readProcessStatus,
  type ObjectReadiness,
  type ProcessReport,
  type StatusReport,
} from './status-report.js';

const TIMEOUT_MS = 15_000;
const DEFAULT_NAMESPACE = 'countersign-system';
/** A leader that did not renew for this many lease times is gone; clocks of machines differ. */
const LATE_LEASES = 2;

/** @throws AppError when there is no such page. */
export async function reportOfProcess(url: string): Promise<StatusReport> {
  const page = new URL('status', url.endsWith('/') ? url : `${url}/`);
  let answer: unknown;
  try {
    const response = await fetch(page, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`${String(response.status)} ${response.statusText}`);
    answer = await response.json();
  } catch (error) {
    throw new AppError('ERR_STATUS', `${page.href}: ${reasonOf(error)}`, { cause: error });
  }
  const process = readProcessStatus(answer);
  if (!process) throw new AppError('ERR_STATUS', `${page.href}: this is no status page of a controller or of run`);
  const unknown =
    process.leads === false ? ['this controller does not lead: it has no nodes, and what it tells may be late'] : [];
  return buildReport({ source: url, objects: process.objects, process, unknown });
}

/** `fetch` says what happened in the cause; that of a name with several addresses has a code and no message. */
function reasonOf(error: unknown): string {
  const { cause = error } = error as { readonly cause?: unknown };
  const { code, message } = cause as { readonly code?: unknown; readonly message?: unknown };
  return [message, code].find((text) => typeof text === 'string' && text !== '')?.toString() ?? errorMessage(error);
}

export interface ClusterOptions {
  readonly config: Pick<Config, 'context' | 'namespace' | 'watchNamespaces' | 'leaseName' | 'adminPort'>;
  /** `undefined` = the service account of this pod. */
  readonly kubeconfig: string | undefined;
  readonly clock: Clock;
}

/** @throws AppError when the API server cannot be asked at all. */
export async function reportOfCluster({ config, kubeconfig, clock }: ClusterOptions): Promise<StatusReport> {
  const api = await createKubeApi({
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(config.context === undefined ? {} : { context: config.context }),
    userAgent: 'countersign-status',
  });
  try {
    const namespace = config.namespace ?? (kubeconfig === undefined ? api.namespace : undefined) ?? DEFAULT_NAMESPACE;
    const [listed, lease] = await Promise.all([
      listObjects(api, config.watchNamespaces),
      readLease(api, namespace, config.leaseName, clock()),
    ]);
    const asked =
      lease.pod === undefined
        ? { process: undefined, unknown: [] }
        : await askLeader(api, namespace, lease.pod, config.adminPort);
    const { process } = asked;
    return buildReport({
      source: `namespace ${namespace}`,
      leader: lease.pod,
      objects: [
        ...listed.objects,
        // What may not be listed, the leader tells.
        ...(process?.objects ?? []).filter(({ kind }) => listed.refused.includes(kind)),
      ],
      process,
      faults: [
        ...listed.faults,
        ...lease.faults,
        // Nobody may take this for a healthy installation.
        ...(listed.refused.length > 0 && !process
          ? [
              `${listed.refused.map((kind) => OUR_TYPES[kind].plural).join(', ')} may not be listed; name namespaces with --watch-namespace, or ask for the role viewer`,
            ]
          : []),
      ],
      unknown: [...lease.unknown, ...asked.unknown],
    });
  } finally {
    api.close();
  }
}

interface Listed {
  readonly objects: readonly ObjectReadiness[];
  /** Kinds that we may not list. */
  readonly refused: readonly Kind[];
  readonly faults: readonly string[];
}

async function listObjects(api: KubeApi, namespaces: readonly string[]): Promise<Listed> {
  const objects: ObjectReadiness[] = [];
  const refused: Kind[] = [];
  const absent: Kind[] = [];
  await Promise.all(
    KINDS.map(async (kind) => {
      try {
        objects.push(...(await listKind(api, kind, namespaces)));
      } catch (error) {
        if (hasStatus(error, 403)) refused.push(kind);
        else if (hasStatus(error, 404)) absent.push(kind);
        else throw error;
      }
    }),
  );
  const plurals = absent.map((kind) => `${OUR_TYPES[kind].plural}.${API_GROUP}`).sort();
  const faults = absent.length > 0 ? [`the API server has no ${plurals.join(', ')}: install the CRDs`] : [];
  return { objects, refused: KINDS.filter((kind) => refused.includes(kind)), faults };
}

async function listKind(api: KubeApi, kind: Kind, namespaces: readonly string[]): Promise<readonly ObjectReadiness[]> {
  const objects = await listAll(api, OUR_TYPES[kind], namespaces);
  return objects.map(({ metadata, status }) => {
    const { namespace, name, generation } = isRecord(metadata) ? metadata : {};
    return readinessOf(
      { kind, namespace: String(namespace), name: String(name) },
      status,
      typeof generation === 'number' ? generation : undefined,
    );
  });
}

interface FoundLease {
  /** Of the leader: an identity is `<host name>_<random>`. */
  readonly pod: string | undefined;
  readonly faults: readonly string[];
  readonly unknown: readonly string[];
}

async function readLease(api: KubeApi, namespace: string, name: string, nowMs: number): Promise<FoundLease> {
  const fault = (text: string): FoundLease => ({ pod: undefined, faults: [text], unknown: [] });
  let spec: Record<string, unknown>;
  try {
    const lease = await api.get({ type: LEASE, namespace, name });
    spec = isRecord(lease['spec']) ? lease['spec'] : {};
  } catch (error) {
    if (hasStatus(error, 404))
      return fault(
        `there is no Lease ${name} in namespace ${namespace}: no controller runs there (--namespace, --lease-name)`,
      );
    if (!(error instanceof KubeApiError) || error.status === undefined) throw error;
    return {
      pod: undefined,
      faults: [],
      unknown: [`the Lease cannot be read, so that nobody knows who leads: ${error.message}`],
    };
  }
  const { holderIdentity, renewTime, leaseDurationSeconds } = spec;
  if (typeof holderIdentity !== 'string' || holderIdentity === '') return fault('no controller leads at the moment');
  const pod = holderIdentity.includes('_') ? holderIdentity.slice(0, holderIdentity.lastIndexOf('_')) : holderIdentity;
  const renewedMs = Date.parse(String(renewTime));
  const promisedMs = Number(leaseDurationSeconds) * 1000;
  if (nowMs - renewedMs > LATE_LEASES * promisedMs)
    return fault(`the leader ${pod} has not renewed its Lease since ${String(renewTime)}`);
  return { pod, faults: [], unknown: [] };
}

async function askLeader(
  api: KubeApi,
  namespace: string,
  pod: string,
  port: number,
): Promise<{ readonly process: ProcessReport | undefined; readonly unknown: readonly string[] }> {
  const instead = `kubectl port-forward -n ${namespace} pod/${pod} ${String(port)} and --url http://127.0.0.1:${String(port)}`;
  const nobody = (text: string) => ({ process: undefined, unknown: [text] });
  try {
    const page = await api.podPage({ namespace, pod, port, page: 'status' });
    const process = readProcessStatus(page);
    return process
      ? { process, unknown: [] }
      : nobody(`data planes and limiter: port ${String(port)} of the leader serves no status page (--admin-port)`);
  } catch (error) {
    if (hasStatus(error, 403))
      return nobody(
        `data planes and limiter: the leader may not be asked through the API server (needs get on pods/proxy in ${namespace}); or use ${instead}`,
      );
    return nobody(
      `data planes and limiter: the leader ${pod} does not answer (${errorMessage(error)}); or use ${instead}`,
    );
  }
}
