/** The chart as helm renders it. Helm and kubectl are those of KUBEBUILDER_ASSETS or PATH. */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { findProgram } from '../support/find-program.js';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const CHART = join(ROOT, 'charts/countersign');
export const NAMESPACE = 'countersign-system';
/** The least that the chart admits. */
const KUBE_VERSION = '1.31.0';

/** Name → file, of every scenario. */
export const VALUE_SETS: readonly (readonly [name: string, file: string])[] = readdirSync(join(CHART, 'ci'))
  .sort()
  .map((file) => [file.replace('-values.yaml', ''), join(CHART, 'ci', file)]);

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [member: string]: unknown;
}

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Why nothing of this folder can run; `undefined` = it can. */
export const missing = ['helm', 'kubectl'].filter((name) => findProgram(name) === undefined).join(' and ') || undefined;

export async function run(program: 'helm' | 'kubectl', args: readonly string[], input?: string): Promise<Ended> {
  const running = promisify(execFile)(findProgram(program)!, args, { maxBuffer: 64 * 1024 * 1024 });
  if (input !== undefined) running.child.stdin?.end(input);
  return running.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: Ended) => ({ code, stdout, stderr }),
  );
}

export const helmTemplate = (...args: readonly string[]): Promise<Ended> =>
  run('helm', ['template', 'countersign', CHART, '--namespace', NAMESPACE, '--kube-version', KUBE_VERSION, ...args]);

/** @throws Error with what helm says. */
export async function render(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await helmTemplate(...args);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

export const objectsOf = (text: string): KubeObject[] =>
  parseAllDocuments(text).flatMap((document) => (document.toJS() as KubeObject | null) ?? []);

export const nameOf = ({ kind, metadata }: KubeObject): string =>
  `${kind} ${metadata.namespace === undefined ? '' : `${metadata.namespace}/`}${metadata.name}`;

export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly args?: readonly string[];
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath: string } };
  }[];
  readonly restartPolicy?: string;
  readonly securityContext?: unknown;
  readonly lifecycle?: unknown;
  readonly ports?: readonly unknown[];
  readonly readinessProbe?: { readonly tcpSocket?: { readonly port?: unknown } };
}

export interface PodSpec {
  readonly automountServiceAccountToken?: boolean;
  readonly enableServiceLinks?: boolean;
  readonly securityContext?: unknown;
  readonly terminationGracePeriodSeconds?: number;
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
}

/** Pods of Deployments and of the test, by name of their object. */
export function podsOf(objects: readonly KubeObject[]): ReadonlyMap<string, PodSpec> {
  return new Map(
    objects.flatMap((object): [string, PodSpec][] => {
      if (object.kind === 'Pod') return [[object.metadata.name, object['spec'] as PodSpec]];
      if (object.kind !== 'Deployment') return [];
      return [[object.metadata.name, (object['spec'] as { template: { spec: PodSpec } }).template.spec]];
    }),
  );
}

export const containersOf = (pod: PodSpec): readonly Container[] => [...(pod.initContainers ?? []), ...pod.containers];
