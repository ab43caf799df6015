/**
 * Every metric, in one table. Labels are closed lists (reasons, dialects, kinds) or names of resources: a caller
 * can never make a new series. The only file that knows prom-client.
 */
import { AggregatorRegistry, collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { REASONS, type DenyReason } from '../lib/reason.js';

export interface MetricRow {
  readonly name: `countersign_${string}`;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
  /** Of a gauge: what several processes that do the same show together; default the sum. */
  readonly aggregator?: 'min' | 'max' | 'first';
  /** Seconds. */
  readonly buckets?: readonly number[];
  /**
   * Of a counter: every combination of these values is there from the start, as 0. `rate` and `increase` see no rise
   * from nothing to 1: without them an alert would miss the first NACK.
   */
  readonly zeros?: Readonly<Record<string, readonly string[]>>;
}

const DIALECTS = ['none', 'JDCloud', 'Huawei', 'Tencent', 'TencentApplication'];
/** Those that no caller can bring about: whoever sees one rise has something to mend. */
const OWN_FAULTS = (Object.keys(REASONS) as DenyReason[]).filter((reason) => REASONS[reason].status === 503);
/** Short type names of Envoy's configuration and of the policy. */
const XDS_TYPES = ['Cluster', 'Secret', 'Listener', 'RouteConfiguration', 'Key', 'Group', 'Grant', 'Plan', 'Epoch'];
const WATCHED_KINDS = ['SignatureKey', 'ApiGroup', 'Authorization', 'UsagePlan', 'Secret', 'Service', 'Namespace'];

/** For docs/reference/metrics.md and `createMetrics`. */
export const METRICS = {
  requests: {
    name: 'countersign_requests_total',
    type: 'counter',
    labels: ['decision', 'reason', 'dialect'],
    help: 'Checks by outcome; reason is ok for allowed ones, dialect is none before one is known.',
    zeros: { decision: ['deny'], reason: OWN_FAULTS, dialect: DIALECTS },
  },
  checkDuration: {
    name: 'countersign_check_duration_seconds',
    type: 'histogram',
    labels: ['phase'],
    help: 'Time of a check by phase, and of the whole as phase total.',
    buckets: [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5],
  },
  sha1Signatures: {
    name: 'countersign_sha1_signatures_total',
    type: 'counter',
    labels: ['dialect'],
    help: 'Accepted signatures that are an HMAC with SHA-1.',
  },
  gatewayRefusals: {
    name: 'countersign_gateway_refusals_total',
    type: 'counter',
    labels: ['reason'],
    help: 'Requests that Envoy refused by itself, counted by `countersign run` from its access log; elsewhere Envoy has metrics of its own.',
  },
  xdsAcks: {
    name: 'countersign_xds_acks_total',
    type: 'counter',
    labels: ['type'],
    help: 'Configuration responses that Envoy accepted.',
  },
  xdsNacks: {
    name: 'countersign_xds_nacks_total',
    type: 'counter',
    labels: ['type'],
    help: 'Configuration responses that an Envoy, or policy that an authorizer, rejected.',
    zeros: { type: XDS_TYPES },
  },
  xdsNodes: {
    name: 'countersign_xds_nodes',
    type: 'gauge',
    labels: ['kind', 'state'],
    help: 'Envoys and authorizers that are expected to take up changes; state is connected or lost (vanished without goodbye).',
  },
  propagation: {
    name: 'countersign_propagation_duration_seconds',
    type: 'histogram',
    labels: [],
    help: 'Time from the write of a change (by the API server, which tells it to the second; in a folder: its arrival) to the acknowledgement of the last node that was expected to take it up.',
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600],
  },
  policyRevision: {
    name: 'countersign_policy_revision',
    type: 'gauge',
    labels: [],
    aggregator: 'min',
    help: 'Revision of the policy: on a controller the one it serves, on an authorizer the one its table was made of. Behind for long means stale.',
  },
  snapshotVersion: {
    name: 'countersign_snapshot_version_info',
    type: 'gauge',
    labels: ['version'],
    help: 'Content hash of the current configuration of Envoy; always 1.',
  },
  resources: {
    name: 'countersign_resources',
    type: 'gauge',
    labels: ['kind', 'ready'],
    help: 'Resources by kind and condition Ready.',
  },
  rebuildDuration: {
    name: 'countersign_rebuild_duration_seconds',
    type: 'histogram',
    labels: [],
    help: 'Time from resources to table and snapshot.',
    buckets: [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
  },
  limiterHealthy: {
    name: 'countersign_limiter_healthy',
    type: 'gauge',
    labels: [],
    aggregator: 'min',
    help: '1 while the counter store answers.',
  },
  limiterMisconfigured: {
    name: 'countersign_limiter_misconfigured',
    type: 'gauge',
    labels: ['check'],
    aggregator: 'max',
    help: '1 while the counter store may lose counters: eviction, persistence, or a version that is too old.',
  },
  limiterPreDenied: {
    name: 'countersign_limiter_predenied_total',
    type: 'counter',
    labels: [],
    help: 'Refusals answered from memory because the store had just refused the same.',
  },
  limiterDegraded: {
    name: 'countersign_limiter_degraded_total',
    type: 'counter',
    labels: ['outcome'],
    help: 'Checks that were decided without the counter store, by what the failure policies made of them: admitted or the reason.',
  },
  shadowExceeded: {
    name: 'countersign_shadow_exceeded_total',
    type: 'counter',
    labels: ['plan', 'reason'],
    help: 'Admitted requests that a plan in Shadow would have refused; plan is namespace/name.',
  },
  leader: {
    name: 'countersign_leader',
    type: 'gauge',
    labels: [],
    help: '1 on the controller that leads: the one that serves xDS and writes status.',
  },
  watchRestarts: {
    name: 'countersign_watch_restarts_total',
    type: 'counter',
    labels: ['kind', 'cause'],
    help: 'Watches of the Kubernetes API that ended before their time; cause is Expired, Malformed, Refused or Broken.',
    zeros: { kind: WATCHED_KINDS, cause: ['Expired', 'Malformed', 'Refused', 'Broken'] },
  },
  envoyRestarts: {
    name: 'countersign_envoy_restarts_total',
    type: 'counter',
    labels: [],
    help: 'Restarts of the child Envoy after it died.',
  },
  buildInfo: {
    name: 'countersign_build_info',
    type: 'gauge',
    labels: ['version', 'node'],
    aggregator: 'first',
    help: 'Always 1.',
  },
} as const satisfies Record<string, MetricRow>;

type Instrument<Row extends MetricRow> = Row['type'] extends 'counter'
  ? Counter<Row['labels'][number]>
  : Row['type'] extends 'gauge'
    ? Gauge<Row['labels'][number]>
    : Histogram<Row['labels'][number]>;

export type Metrics = { readonly [Name in keyof typeof METRICS]: Instrument<(typeof METRICS)[Name]> } & {
  /** The text of `/metrics`. */
  render(): Promise<string>;
  /** As plain data, for `mergeMetrics` in another process. */
  export(): Promise<unknown>;
  readonly contentType: string;
};

/** `processMetrics` adds memory, CPU and event loop of this process under their usual names. */
export function createMetrics({ processMetrics = false }: { readonly processMetrics?: boolean } = {}): Metrics {
  const registry = new Registry();
  if (processMetrics) collectDefaultMetrics({ register: registry });
  const create = (row: MetricRow): Counter | Gauge | Histogram => {
    const { name, help, labels: labelNames, aggregator, zeros } = row;
    const options = { name, help, labelNames, registers: [registry], ...(aggregator ? { aggregator } : {}) };
    if (row.type === 'counter') {
      const counter = new Counter(options);
      if (zeros) for (const labels of combinations(zeros)) counter.inc(labels, 0);
      return counter;
    }
    if (row.type === 'gauge') return new Gauge(options);
    return new Histogram({ ...options, ...(row.buckets ? { buckets: [...row.buckets] } : {}) });
  };
  const instruments = Object.fromEntries(Object.entries(METRICS).map(([name, row]) => [name, create(row)]));
  return {
    ...instruments,
    render: () => registry.metrics(),
    export: () => registry.getMetricsAsJSON(),
    contentType: registry.contentType,
  } as Metrics;
}

const combinations = (values: NonNullable<MetricRow['zeros']>): Record<string, string>[] =>
  Object.entries(values).reduce<Record<string, string>[]>(
    (sets, [label, each]) => sets.flatMap((set) => each.map((value) => ({ ...set, [label]: value }))),
    [{}],
  );

/** The text of `/metrics` of several processes that do the same: counters and histograms are summed up. */
export const mergeMetrics = (parts: readonly unknown[]): Promise<string> =>
  AggregatorRegistry.aggregate(parts as object[]).metrics();
