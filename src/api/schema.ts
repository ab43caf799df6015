/**
 * The check of one object of ours: the schema of crds/ with its defaults, list types and rules, the metadata, and
 * fields that are not implemented. Gives the verdict of an API server with strict field validation, in words for
 * people. Compiled once for each kind, when the first object of the kind is checked.
 */
import { isIP } from 'node:net';
import { Ajv, type ValidateFunction } from 'ajv';
import type { Reason } from './conditions.js';
import { crdSchema, type Schema } from './crd.js';
import { applyDefaults, isRecord, schemaOf } from './defaults.js';
import { didYouMean } from './did-you-mean.js';
import { checkMetadata } from './metadata.js';
import { joinPath, type ObjectReference, type Problem } from './problem.js';
import { ruleProblems } from './rules.js';
import { findings, oneOf } from './schema-problems.js';
import { API_VERSION, KINDS, type CountersignObject, type Kind, type ObjectMeta } from './types.js';
import { unimplementedProblems } from './unimplemented.js';

export interface CheckedObject {
  readonly problems: readonly Problem[];
  /** With defaults applied and without status. Absent when a problem is an error. */
  readonly object?: CountersignObject;
}

const TOP_LEVEL = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];

/** Checks an untrusted value. Never throws for what it holds. Transition rules are `checkTransition`'s. */
export function checkObject(raw: unknown): CheckedObject {
  const object = referenceTo(raw);
  const problems: Problem[] = [];
  const report = (path: string, reason: Reason, message: string) =>
    void problems.push({ severity: 'error', object, path, reason, message });

  if (!isRecord(raw)) {
    report('', 'InvalidValue', 'must be a mapping with apiVersion, kind, metadata and spec');
    return { problems };
  }
  const { kind } = raw;
  if (!isKind(kind)) {
    const hint = typeof kind === 'string' ? didYouMean(kind, KINDS) : '';
    report('kind', kind === undefined ? 'RequiredField' : 'UnknownKind', `must be ${oneOf(KINDS)}${hint}`);
    // The likeliest cause is among them.
    if (kind === undefined) checkFields(raw, report);
    return { problems };
  }
  const { apiVersion } = raw;
  if (apiVersion !== API_VERSION)
    report('apiVersion', apiVersion === undefined ? 'RequiredField' : 'InvalidValue', `must be ${API_VERSION}`);
  checkFields(raw, report);
  const metadata = checkMetadata(raw['metadata'], report);
  const spec = checkSpec(kind, raw['spec'], object, problems);
  if (problems.length > 0 || !metadata) return { problems };

  const checked = { apiVersion: API_VERSION, kind, metadata, spec } as CountersignObject;
  const unimplemented = unimplementedProblems(checked, object);
  return unimplemented.length > 0 ? { problems: unimplemented } : { problems, object: checked };
}

function checkFields(raw: object, report: (path: string, reason: Reason, message: string) => void): void {
  for (const field of Object.keys(raw)) {
    if (!TOP_LEVEL.includes(field)) report(field, 'UnknownField', `unknown field${didYouMean(field, TOP_LEVEL)}`);
  }
}

/** Problems of changing `old` into `next`, both checked before: what the transition rules of crds/ forbid. */
export function checkTransition(old: CountersignObject, next: CountersignObject): Problem[] {
  if (old.kind !== next.kind) return [];
  return ruleProblems(specSchema(next.kind), next.spec, old.spec, 'spec', {
    object: referenceTo(next),
    faults: [],
    transitions: true,
  });
}

function checkSpec(kind: Kind, raw: unknown, object: ObjectReference, problems: Problem[]): unknown {
  if (raw === undefined || raw === null) {
    problems.push({
      severity: 'error',
      object,
      path: 'spec',
      reason: 'RequiredField',
      message: 'required field is missing',
    });
    return undefined;
  }
  const schema = specSchema(kind);
  const spec = applyDefaults(schema, raw);
  const validate = validatorOf(kind);
  const found = validate(spec) ? [] : findings(validate.errors ?? [], spec, 'spec');
  const faults = found.flatMap(({ path, meant }) => (meant === undefined ? [path] : [path, meant]));
  problems.push(
    ...found.map(({ path, reason, message }) => ({ severity: 'error', object, path, reason, message }) as const),
  );
  problems.push(...duplicateProblems(schema, spec, 'spec', object));
  problems.push(...ruleProblems(schema, spec, undefined, 'spec', { object, faults, transitions: false }));
  return spec;
}

/** Best effort naming of something that may have no name. */
function referenceTo(raw: unknown): ObjectReference {
  const { kind, metadata } = isRecord(raw) ? raw : {};
  const { name, namespace } = isRecord(metadata) ? (metadata as Partial<ObjectMeta>) : {};
  const text = (value: unknown, otherwise: string) => (typeof value === 'string' ? value : otherwise);
  return { kind: text(kind, ''), namespace: text(namespace, 'default'), name: text(name, '') };
}

const isKind = (kind: unknown): kind is Kind => (KINDS as readonly unknown[]).includes(kind);

const specSchema = (kind: Kind): Schema => crdSchema(kind).properties!['spec']!;

const validators = new Map<Kind, ValidateFunction>();

function validatorOf(kind: Kind): ValidateFunction {
  let validator = validators.get(kind);
  if (!validator) {
    const ajv = new Ajv({ allErrors: true, verbose: true, strict: false });
    ajv.addFormat('date-time', isDateTime);
    ajv.addFormat('cidr', isCidr);
    validator = ajv.compile(toJsonSchema(specSchema(kind)));
    validators.set(kind, validator);
  }
  return validator;
}

/** OpenAPI means "no other members" where JSON Schema wants it said; int64 is in the bounds, which a test holds to. */
function toJsonSchema(schema: Schema): Record<string, unknown> {
  const { type, items, properties, additionalProperties, required, format } = schema;
  const { pattern, minLength, maxLength, minimum, maximum, minItems, maxItems, minProperties, maxProperties } = schema;
  return withoutUndefined({
    ...{ type, pattern, minLength, maxLength, minimum, maximum, minItems, maxItems, minProperties, maxProperties },
    enum: schema.enum,
    format: format === 'int64' ? undefined : format,
    required: required && [...required],
    items: items && toJsonSchema(items),
    properties:
      properties &&
      Object.fromEntries(Object.entries(properties).map(([name, member]) => [name, toJsonSchema(member)])),
    additionalProperties: additionalProperties
      ? toJsonSchema(additionalProperties)
      : type === 'object'
        ? false
        : undefined,
  });
}

const withoutUndefined = (record: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));

/** Repeated entries of lists that are sets or maps; the first of them stands. */
function duplicateProblems(schema: Schema, value: unknown, path: string, object: ObjectReference): Problem[] {
  const problems: Problem[] = [];
  if (Array.isArray(value) && schema.items) {
    const listType = schema['x-kubernetes-list-type'];
    const keys = schema['x-kubernetes-list-map-keys'] ?? [];
    const seen = new Map<string, number>();
    for (const [index, item] of (value as readonly unknown[]).entries()) {
      const at = joinPath(path, index);
      const identity =
        listType === 'set' ? item : listType === 'map' && isRecord(item) ? keys.map((key) => item[key]) : undefined;
      if (identity !== undefined) {
        const text = JSON.stringify(canonical(identity));
        const first = seen.get(text);
        if (first === undefined) seen.set(text, index);
        else {
          const what = listType === 'set' ? 'is listed already' : `has the same ${keys.join(' and ')} as another entry`;
          problems.push({
            severity: 'error',
            object,
            path: at,
            reason: 'Duplicate',
            message: `${what}: ${joinPath(path, first)}`,
          });
        }
      }
      problems.push(...duplicateProblems(schema.items, item, at, object));
    }
  } else if (isRecord(value)) {
    for (const [name, member] of Object.entries(value)) {
      const memberSchema = schemaOf(schema, name);
      if (memberSchema) problems.push(...duplicateProblems(memberSchema, member, joinPath(path, name), object));
    }
  }
  return problems;
}

/** Entries of our sets are flat, so sorting one level makes equal ones equal text. */
const canonical = (item: unknown) =>
  isRecord(item) ? Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)) : item;

/** RFC 3339 with a day that exists. The pattern of the field has checked the shape; `Date.parse` alone would forgive 30 February. */
function isDateTime(text: string): boolean {
  const match = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})/.exec(text);
  if (!match) return false;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const date = new Date(Date.UTC(year, month - 1, day));
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour <= 23 && minute <= 59 && second <= 59;
}

function isCidr(text: string): boolean {
  const match = /^([0-9a-fA-F:.]+)\/(0|[1-9][0-9]{0,2})$/.exec(text);
  if (!match) return false;
  const version = isIP(match[1]!);
  return version !== 0 && Number(match[2]) <= (version === 4 ? 32 : 128);
}
