/** Which kubeconfig is used when none is named: as kubectl chooses, with the pod's own service account first. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Environment } from './load.js';

/** `undefined` = the service account of this pod. Of a KUBECONFIG with several files the first that exists counts. */
export function defaultKubeconfig(environment: Environment = process.env): string | undefined {
  if (environment['KUBERNETES_SERVICE_HOST']) return undefined;
  const named = environment['KUBECONFIG'];
  if (named) return named.split(delimiter).find((path) => existsSync(path)) ?? named;
  const own = join(homedir(), '.kube', 'config');
  return existsSync(own) ? own : undefined;
}
