/** The parts of metadata that we read, checked as an API server does. */
import { isRecord } from './defaults.js';
import { didYouMean } from './did-you-mean.js';
import { joinPath, type Problem } from './problem.js';
import type { ObjectMeta } from './types.js';

type Report = (path: string, reason: Problem['reason'], message: string) => void;

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED_NAME = /^([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?$/;

/** Fields of ObjectMeta in Kubernetes 1.36. Those we do not read are let through, as `kubectl get -o yaml` prints them. */
const FIELDS = new Set([
  'name',
  'namespace',
  'labels',
  'annotations',
  'uid',
  'generation',
  'resourceVersion',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'finalizers',
  'generateName',
  'managedFields',
  'ownerReferences',
  'selfLink',
]);

/** The metadata with namespace `default` where there is none, or `undefined` when the object cannot be named. */
export function checkMetadata(metadata: unknown, report: Report): ObjectMeta | undefined {
  if (!isRecord(metadata)) {
    report(
      'metadata',
      metadata === undefined ? 'RequiredField' : 'InvalidValue',
      'must be a mapping that holds at least name',
    );
    return undefined;
  }
  for (const field of Object.keys(metadata)) {
    if (!FIELDS.has(field))
      report(joinPath('metadata', field), 'UnknownField', `unknown field${didYouMean(field, FIELDS)}`);
  }
  const { name, namespace = 'default' } = metadata;
  const named = checkName(name, report);
  const placed = typeof namespace === 'string' && namespace.length <= 63 && LABEL.test(namespace);
  if (!placed) {
    report(
      'metadata.namespace',
      'InvalidValue',
      'must be lower-case letters, digits and "-", starting and ending with a letter or digit, at most 63 characters',
    );
  }
  const labels = checkMap(metadata['labels'], 'metadata.labels', report, true);
  const annotations = checkMap(metadata['annotations'], 'metadata.annotations', report, false);
  if (!named || !placed) return undefined;
  const { uid, generation, resourceVersion, creationTimestamp } = metadata;
  return {
    name: name as string,
    namespace,
    ...(labels && { labels }),
    ...(annotations && { annotations }),
    ...(typeof uid === 'string' && { uid }),
    ...(typeof generation === 'number' && { generation }),
    ...(typeof resourceVersion === 'string' && { resourceVersion }),
    ...(typeof creationTimestamp === 'string' && { creationTimestamp }),
  };
}

function checkName(name: unknown, report: Report): boolean {
  if (name === undefined || name === null) {
    report('metadata.name', 'RequiredField', 'required field is missing');
    return false;
  }
  if (typeof name === 'string' && name.length <= 253 && SUBDOMAIN.test(name)) return true;
  report(
    'metadata.name',
    'InvalidValue',
    'must be lower-case letters, digits, "-" and ".", starting and ending with a letter or digit, at most 253 characters',
  );
  return false;
}

function checkMap(map: unknown, path: string, report: Report, areLabels: boolean): Record<string, string> | undefined {
  if (map === undefined || map === null) return undefined;
  if (!isRecord(map)) {
    report(path, 'InvalidValue', 'must be a mapping from text to text');
    return undefined;
  }
  for (const [key, value] of Object.entries(map)) {
    const at = joinPath(path, key);
    if (!isQualifiedName(key))
      report(
        at,
        'InvalidValue',
        'the key must be a name of letters, digits, "-", "_" and ".", with an optional DNS prefix before a slash',
      );
    else if (typeof value !== 'string') report(at, 'InvalidValue', 'must be text: quote it');
    else if (areLabels && !LABEL_VALUE.test(value)) {
      report(at, 'InvalidValue', 'a label must be letters, digits, "-", "_" and ".", at most 63 characters');
    }
  }
  return map as Record<string, string>;
}

function isQualifiedName(key: string): boolean {
  const slash = key.indexOf('/');
  if (slash < 0) return QUALIFIED_NAME.test(key);
  const prefix = key.slice(0, slash);
  return prefix.length <= 253 && SUBDOMAIN.test(prefix) && QUALIFIED_NAME.test(key.slice(slash + 1));
}
