/** From the documents of a file to checked resources, each with its place. Every refusal is a problem with a path. */
import { nearest } from '../../api/did-you-mean.js';
import { checkMetadata } from '../../api/metadata.js';
import type { ObjectReference, Problem } from '../../api/problem.js';
import { checkObject } from '../../api/schema.js';
import { API_GROUP, API_VERSION, KINDS, type Kind } from '../../api/types.js';
import { CORE_KINDS, type CoreKind, isRecord, parseCoreResource } from '../../resources/core-resources.js';
import { type Remains, remainsOf } from '../../resources/remains.js';
import type { AnyResource } from '../../resources/resource-set.js';
import type { ManifestDocument } from './manifest.js';

/** One object as it stands in a document. */
export interface ManifestObject {
  readonly document: ManifestDocument;
  /** Path of the object in the document: empty, or `items[3]` of a List. */
  readonly root: string;
  readonly reference: ObjectReference;
  readonly problems: readonly Problem[];
  /** Absent when a problem refuses the object. */
  readonly resource: AnyResource | undefined;
  /** Of a refused object: what refuses in its place where no version before is in service. */
  readonly remains?: Remains | undefined;
  /** Kinds of ours that it may be of where it does not name one; absent where it does, or is somebody else's. */
  readonly meant?: readonly Kind[];
}

const READ_HERE = 'are read here';

/** Whether the problem is that an object is somebody else's: neither of our group nor a core kind that is read. */
export const isForeign = ({ reason, message }: Problem): boolean =>
  reason === 'UnknownKind' && message.endsWith(READ_HERE);

/** Path of the problem of a Secret whose data are ciphertext. */
export const SOPS_PATH = 'sops';

type CheckedValue = Omit<ManifestObject, 'document' | 'root'>;

// A document whose text did not change keeps its value by identity (parseManifest), and thereby its resources.
const checked = new WeakMap<object, CheckedValue>();

/** The objects of a document: none in an empty one, several in a List. */
export function readObjects(document: ManifestDocument): ManifestObject[] {
  if (document.value === null || document.value === undefined) return [];
  return unpack(document.value, '').map(({ value, root }) => ({ document, root, ...check(value) }));
}

/** kubectl prints lists; a List inside a List is none that it prints. */
function unpack(value: unknown, root: string): { value: unknown; root: string }[] {
  if (
    !isRecord(value) ||
    root !== '' ||
    value['apiVersion'] !== 'v1' ||
    value['kind'] !== 'List' ||
    !Array.isArray(value['items'])
  )
    return [{ value, root }];
  return value['items'].flatMap((item, i) => unpack(item, `items[${i}]`));
}

function check(value: unknown): CheckedValue {
  if (!isRecord(value))
    return { reference: referenceTo(value), problems: checkObject(value).problems, resource: undefined };
  let result = checked.get(value);
  if (!result) {
    result = checkRecord(value);
    checked.set(value, result);
  }
  return result;
}

function checkRecord(value: Readonly<Record<string, unknown>>): CheckedValue {
  const { apiVersion, kind } = value;
  const reference = referenceTo(value);
  const refuse = (path: string, message: string): CheckedValue => ({
    reference,
    problems: [{ severity: 'error', object: reference, path, reason: 'UnknownKind', message }],
    resource: undefined,
  });
  const ours = (KINDS as readonly unknown[]).includes(kind);
  if (apiVersion === 'v1' && !ours) {
    const core = CORE_KINDS.find((known) => known === kind);
    return core
      ? checkCore(core, value, reference)
      : refuse('kind', `of v1 only ${CORE_KINDS.join(', ')} and List ${READ_HERE}`);
  }
  if (!ours && !isOfOurGroup(apiVersion)) {
    const foreign = refuse('apiVersion', `only ${API_VERSION} and v1 ${READ_HERE}`);
    return typeof apiVersion === 'string' ? foreign : { ...foreign, ...meaningOf(value, kindNear(value)) };
  }
  const { object, problems } = checkObject(value);
  if (object) return { reference: referenceTo(object), problems, resource: object };
  const refused = { reference, problems, resource: undefined };
  return ours
    ? { ...refused, remains: remainsOf(value) }
    : { ...refused, ...meaningOf(value, kindNear(value) ?? kindOfSpec(value)) };
}

const isOfOurGroup = (apiVersion: unknown): boolean =>
  apiVersion === API_GROUP || (typeof apiVersion === 'string' && apiVersion.startsWith(`${API_GROUP}/`));

/** What a value without a kind of ours may be, and what then refuses in its place. */
const meaningOf = (
  value: Readonly<Record<string, unknown>>,
  kind: Kind | undefined,
): Pick<CheckedValue, 'meant' | 'remains'> => ({
  meant: kind === undefined ? KINDS : [kind],
  remains: kind && remainsOf({ ...value, kind }),
});

/** The kind that is asked for in the problem: did you mean …? Also under a misspelt name: `kidn: ApiGroup`. */
function kindNear(value: Readonly<Record<string, unknown>>): Kind | undefined {
  const written = Object.entries(value).flatMap(([field, text]) =>
    nearest(field, ['kind']) === 'kind' && typeof text === 'string' ? (nearest(text, KINDS) ?? []) : [],
  );
  return KINDS.find((kind) => kind === written[0]);
}

/** Told by fields that no other kind has. */
function kindOfSpec({ spec }: Readonly<Record<string, unknown>>): Kind | undefined {
  const fields = isRecord(spec) ? Object.keys(spec) : [];
  const has = (...names: readonly string[]): boolean => fields.some((field) => names.includes(field));
  if (has('hostnames', 'basePath', 'environments', 'apis', 'backend')) return 'ApiGroup';
  if (has('rateLimits', 'quotas', 'enforcement', 'onStoreFailure')) return 'UsagePlan';
  return undefined;
}

function checkCore(kind: CoreKind, value: Readonly<Record<string, unknown>>, reference: ObjectReference): CheckedValue {
  const problems: Problem[] = [];
  const report = (path: string, reason: Problem['reason'], message: string): void =>
    void problems.push({ severity: 'error', object: reference, path, reason, message });
  const metadata = checkMetadata(value['metadata'], report);
  // Its stringData would pass for a secret.
  if (kind === 'Secret' && isRecord(value[SOPS_PATH]))
    report(SOPS_PATH, 'InvalidSecret', 'is encrypted with SOPS; decrypt it first');
  if (!metadata || problems.length > 0) return { reference, problems, resource: undefined };
  const parsed = parseCoreResource(kind, metadata, value);
  if (parsed.ok) return { reference, problems, resource: parsed.resource };
  for (const { path, message } of parsed.faults) report(path, 'InvalidValue', message);
  return { reference, problems, resource: undefined };
}

/** Best effort: what the text says of itself, also when that is not valid. */
function referenceTo(value: unknown): ObjectReference {
  const { kind, metadata } = isRecord(value) ? value : {};
  const { namespace, name } = isRecord(metadata) ? metadata : {};
  const text = (part: unknown, otherwise: string): string => (typeof part === 'string' ? part : otherwise);
  return {
    kind: text(kind, ''),
    namespace: kind === 'Namespace' ? '' : text(namespace, 'default'),
    name: text(name, ''),
  };
}

/** The kinds of ours; others have no transition rules. */
export const isOurs = (resource: AnyResource): resource is Extract<AnyResource, { kind: Kind }> =>
  (KINDS as readonly string[]).includes(resource.kind);
