/**
 * What `countersign status` tells of an installation: objects by kind and reason, nodes of the data plane, limiter,
 * problems. Pure. What a process answers may come from another version of it, so that nothing of it is taken for granted.
 */
import { KINDS, type Kind } from '../../api/types.js';
import type { Place } from '../../provider/provider.js';
import { isRecord } from '../../resources/core-resources.js';

/** One object, as its Ready condition tells. */
export interface ObjectReadiness {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly ready: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  /** Of its first problem, where a file says it; objects of a cluster have none. */
  readonly place?: Place;
}

export interface KindSummary {
  readonly kind: Kind;
  readonly total: number;
  readonly ready: number;
  /** Reason of Ready → count, most frequent first. */
  readonly reasons: Readonly<Record<string, number>>;
}

/** An Envoy or authorizer. */
export interface NodeReport {
  readonly kind: string;
  readonly id: string;
  readonly version: string | undefined;
  readonly connected: boolean;
  /** Holds the configuration as it is now. */
  readonly current: boolean;
  /** An authorizer for Envoys of somebody's own, which do not connect to the controller. */
  readonly atPort?: true;
  /** What it has not acknowledged, where the controller tells. */
  readonly lacks: readonly string[];
}

export interface LimiterReport {
  readonly mode: string;
  readonly healthy: boolean;
  readonly message: string;
  /** What makes a store that answers unfit for its limits: sentences. */
  readonly flaws: readonly string[];
}

export interface ProblemReport {
  readonly severity: string;
  readonly reason: string;
  /** `Kind namespace/name`; empty when the problem is of no object. */
  readonly object: string;
  readonly path: string;
  readonly message: string;
  readonly place?: Place;
}

/** The `/status` page of a `controller` or `run`. */
export interface ProcessReport {
  readonly version: string | undefined;
  readonly ready: boolean;
  /** Parts that are not ready, with why. */
  readonly missing: readonly string[];
  /** `undefined` where there is nothing to lead: `run`. */
  readonly leads: boolean | undefined;
  readonly nodes: readonly NodeReport[];
  readonly limiter: LimiterReport | undefined;
  readonly problems: readonly ProblemReport[];
  readonly objects: readonly ObjectReadiness[];
}

export interface StatusReport {
  /** Nothing needs attention. */
  readonly ok: boolean;
  /** Where this is from: a URL, or the namespace of the controllers. */
  readonly source: string;
  /** In a cluster: who leads. */
  readonly leader: string | undefined;
  readonly version: string | undefined;
  readonly kinds: readonly KindSummary[];
  readonly notReady: readonly ObjectReadiness[];
  /** `undefined` when nobody could be asked. */
  readonly nodes: readonly NodeReport[] | undefined;
  readonly limiter: LimiterReport | undefined;
  /** Those that are not told by an object in `notReady`. */
  readonly problems: readonly ProblemReport[];
  /** Why `ok` is false, besides the objects: sentences. */
  readonly faults: readonly string[];
  /** What could not be found out, and what would help: sentences. */
  readonly unknown: readonly string[];
}

export interface Findings {
  readonly source: string;
  readonly leader?: string | undefined;
  readonly objects: readonly ObjectReadiness[];
  readonly process?: ProcessReport | undefined;
  readonly faults?: readonly string[];
  readonly unknown?: readonly string[];
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const nameOf = ({ kind, namespace, name }: ObjectReadiness): string => `${kind} ${namespace}/${name}`;

export function buildReport({ source, leader, objects, process, faults = [], unknown = [] }: Findings): StatusReport {
  const notReady = objects
    .filter(({ ready }) => ready !== 'True')
    .sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || compare(nameOf(a), nameOf(b)));
  const told = new Set(notReady.map(nameOf));
  const problems = (process?.problems ?? []).filter(({ object }) => !told.has(object));
  const all = [...faults, ...(process ? faultsOf(process) : [])];
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  return {
    ok: notReady.length === 0 && all.length === 0 && errors === 0,
    source,
    leader,
    version: process?.version,
    kinds: KINDS.map((kind) => summarizeKind(kind, objects)),
    notReady: notReady.map((object) => ({ ...object, ...placeOf(object, process?.problems ?? []) })),
    nodes: process?.nodes,
    limiter: process?.limiter,
    problems,
    faults: all,
    unknown,
  };
}

/** Of what keeps it from being ready, else of what is said of it at all. */
function placeOf(object: ObjectReadiness, problems: readonly ProblemReport[]): Pick<ObjectReadiness, 'place'> {
  const own = problems.filter((problem) => problem.place && problem.object === nameOf(object));
  const first = own.find(({ reason }) => reason === object.reason) ?? own.find(({ severity }) => severity === 'error');
  const { place } = first ?? own[0] ?? {};
  return place ? { place } : {};
}

function faultsOf({ ready, missing, leads, nodes, limiter }: ProcessReport): string[] {
  const connected = nodes.filter((node) => node.connected);
  const lacksEnvoy = !connected.some(({ kind }) => kind === 'envoy');
  const hasOwnEnvoys = connected.length > 0 && connected.every(({ atPort }) => atPort);
  return [
    ...(ready ? [] : [`the process is not ready: ${missing.join('; ') || 'it does not say why'}`]),
    // One that does not lead has no nodes by design.
    ...(leads !== false && lacksEnvoy && !hasOwnEnvoys ? ['no Envoy is connected'] : []),
    ...nodes
      .filter(({ connected }) => !connected)
      .map(({ kind, id }) => `${kind} ${id} vanished and is still expected to come back`),
    ...(limiter && !limiter.healthy ? [`the counter store is not healthy: ${limiter.message}`] : []),
  ];
}

function summarizeKind(kind: Kind, objects: readonly ObjectReadiness[]): KindSummary {
  const own = objects.filter((each) => each.kind === kind);
  const counts = new Map<string, number>();
  for (const { reason } of own) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const sorted = [...counts].sort(([a, m], [b, n]) => n - m || compare(a, b));
  return {
    kind,
    total: own.length,
    ready: own.filter(({ ready }) => ready === 'True').length,
    reasons: Object.fromEntries(sorted),
  };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const recordsOf = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value.filter(isRecord) : []);
const textsOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];

/** Reads the readiness of one object from its status. @param generation of its spec, where it is known. */
export function readinessOf(
  object: { readonly kind: Kind; readonly namespace: string; readonly name: string },
  status: unknown,
  generation?: number,
): ObjectReadiness {
  const conditions = recordsOf(isRecord(status) ? status['conditions'] : undefined);
  const ready = conditions.find(({ type }) => type === 'Ready');
  const seen = ready?.['observedGeneration'];
  if (!ready)
    return { ...object, ready: 'Unknown', reason: 'Pending', message: 'the controller has not looked at it yet' };
  if (generation !== undefined && typeof seen === 'number' && seen < generation)
    return {
      ...object,
      ready: 'Unknown',
      reason: 'Pending',
      message: 'the controller has not looked at the last edit',
    };
  const state = ready['status'];
  return {
    ...object,
    ready: state === 'True' || state === 'False' ? state : 'Unknown',
    reason: textOf(ready['reason']),
    message: textOf(ready['message']),
  };
}

/** Reads a `/status` page. `undefined`: this is none. */
export function readProcessStatus(page: unknown): ProcessReport | undefined {
  if (!isRecord(page) || typeof page['ready'] !== 'boolean' || !Array.isArray(page['resources'])) return undefined;
  const { versions, limiter, envoy, leader } = page;
  const version = isRecord(versions) ? versions['countersign'] : undefined;
  return {
    version: typeof version === 'string' ? version : undefined,
    ready: page['ready'],
    missing: textsOf(page['missing']),
    leads: typeof leader === 'boolean' ? leader : undefined,
    nodes: isRecord(envoy)
      ? // `run` has the one Envoy that it started.
        [
          {
            kind: 'envoy',
            id: typeof envoy['pid'] === 'number' ? `process ${String(envoy['pid'])}` : 'not running',
            version: typeof envoy['version'] === 'string' ? envoy['version'] : undefined,
            connected: envoy['connected'] === true,
            current: page['ready'],
            lacks: [],
          },
        ]
      : recordsOf(page['nodes']).map((node) => ({
          kind: textOf(node['kind']),
          id: textOf(node['id']),
          version: typeof node['version'] === 'string' ? node['version'] : undefined,
          connected: node['connected'] !== false,
          current: node['current'] === true,
          ...(node['atPort'] === true && { atPort: true }),
          lacks: textsOf(node['lacks']),
        })),
    limiter: isRecord(limiter)
      ? {
          mode: textOf(limiter['mode']),
          healthy: limiter['healthy'] === true,
          message: textOf(limiter['message']),
          flaws: textsOf(recordsOf(limiter['flaws']).map(({ message }) => message)),
        }
      : undefined,
    problems: recordsOf(page['problems']).map(readProblem),
    objects: recordsOf(page['resources']).flatMap(({ kind, namespace, name, status }) => {
      const known = KINDS.find((each) => each === kind);
      return known ? [readinessOf({ kind: known, namespace: textOf(namespace), name: textOf(name) }, status)] : [];
    }),
  };
}

function readProblem(problem: Record<string, unknown>): ProblemReport {
  const { severity, reason, object, path, message, file, line, column } = problem;
  const { kind, namespace, name } = isRecord(object) ? object : {};
  const named = textOf(name) !== '' && kind !== 'File';
  const placed = typeof file === 'string' && typeof line === 'number' && line > 0 && typeof column === 'number';
  return {
    severity: textOf(severity),
    reason: textOf(reason),
    object: named
      ? `${textOf(kind)} ${textOf(namespace) === '' ? '' : `${textOf(namespace)}/`}${textOf(name)}`
      : placed
        ? ''
        : textOf(file),
    path: textOf(path),
    message: textOf(message),
    ...(placed ? { place: { file, line, column } } : {}),
  };
}
