/** What ajv reports, as one problem for each mistake in words for people. Values are not repeated: a secret may have been pasted in the wrong place. */
import type { ErrorObject } from 'ajv';
import { didYouMean, nearest, question } from './did-you-mean.js';
import { joinPath, type Problem } from './problem.js';
import type { Schema } from './crd.js';

export interface Finding {
  readonly path: string;
  readonly reason: Problem['reason'];
  readonly message: string;
  /** The field that an unknown one was meant to be. */
  readonly meant?: string;
}

/** The first of these that fails at a place is the mistake; the others follow from it. */
const PRECEDENCE = ['type', 'required', 'additionalProperties', 'enum', 'minLength', 'maxLength', 'pattern', 'format'];

/** Words for every pattern that crds/ uses; a test holds the two together. */
export const PATTERN_WORDS: ReadonlyMap<string, string> = new Map([
  ['^([0-9]{1,5}(h|m|s|ms)){1,4}$', 'must be a duration such as 250ms, 15m or 1h30m'],
  ['^[1-9][0-9]{0,7}(Ki|Mi)?$', 'must be a size such as 512Ki or 4Mi'],
  [
    '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$',
    'must be an RFC 3339 time such as 2027-01-01T00:00:00Z',
  ],
  [
    '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
    'must be lower-case letters, digits and "-", starting and ending with a letter or digit',
  ],
  [
    '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
    'must be lower-case letters, digits, "-" and ".", each part starting and ending with a letter or digit',
  ],
  ['^[A-Za-z0-9][A-Za-z0-9._-]*$', 'must be letters, digits, ".", "_" and "-", starting with a letter or digit'],
  ['^[A-Za-z0-9][A-Za-z0-9._~-]*$', 'must be letters, digits, ".", "_", "~" and "-", starting with a letter or digit'],
  ['^[A-Za-z0-9][A-Za-z0-9-]*$', 'must be a header name of letters, digits and "-"'],
  ["^[A-Za-z0-9!#$%&'*+.^_|~-]+$", 'must be a header name'],
  ['^([!-~]([ -~]*[!-~])?)?$', 'must be printable ASCII without blanks at its ends'],
  ['^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$', 'must be a label value: letters, digits, "-", "_" and "."'],
  ['^[A-Za-z][A-Za-z0-9_+/-]*$', 'must be an IANA time zone such as Asia/Shanghai'],
  ['^([*]|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$', 'must be the name of an API, or "*"'],
]);

/** Patterns too long to repeat are known by the words of their field. */
export const FIELD_WORDS: ReadonlyMap<string, string> = new Map([
  ['hostnames', 'must be a host name in lower case, exact or with one leading wildcard label (*.example.com)'],
  ['basePath', 'must be a path in canonical form that starts with a slash and does not end in one'],
  ['value', 'must be a path in canonical form that starts with a slash; a variable is a whole segment in braces'],
  ['path', 'must be a path in canonical form that starts with a slash; a variable is a whole segment in braces'],
  ['url', 'must be http:// or https://, a host in lower case and an optional port, without a path'],
  ['host', 'must be Backend, Preserve, or a host name in lower case with an optional port'],
  ['allowOrigins', 'must be an origin such as https://app.example.com, with one leading wildcard label, or "*"'],
]);

/** One finding for each mistake, in the order of the document's fields. */
export function findings(errors: readonly ErrorObject[], value: unknown, root: string): Finding[] {
  const byPlace = new Map<string, { readonly rank: number; readonly finding: Finding }>();
  for (const error of errors) {
    const finding = describe(error, pointerToPath(error.instancePath, value, root));
    const rank = PRECEDENCE.indexOf(error.keyword);
    const known = byPlace.get(finding.path);
    if (!known || rank < known.rank) byPlace.set(finding.path, { rank, finding });
  }
  return [...byPlace.values()].map(({ finding }) => finding);
}

function describe(error: ErrorObject, path: string): Finding {
  const schema = error.parentSchema as Schema;
  const params = error.params as Record<string, unknown>;
  const invalid = (message: string): Finding => ({ path, reason: 'InvalidValue', message });
  switch (error.keyword) {
    case 'required':
      return {
        path: joinPath(path, params['missingProperty'] as string),
        reason: 'RequiredField',
        message: 'required field is missing',
      };
    case 'additionalProperties': {
      const field = params['additionalProperty'] as string;
      const known = Object.keys(schema.properties ?? {});
      const meant = nearest(field, known);
      return {
        path: joinPath(path, field),
        reason: 'UnknownField',
        message: `unknown field${question(meant) || `; known here: ${known.join(', ')}`}`,
        ...(meant !== undefined && { meant: joinPath(path, meant) }),
      };
    }
    case 'type':
      return invalid(wrongType(schema.type, error.data));
    case 'enum':
      return invalid(
        `must be ${oneOf(schema.enum ?? [])}${typeof error.data === 'string' ? didYouMean(error.data, schema.enum ?? []) : ''}`,
      );
    case 'pattern':
      return invalid(patternWords(schema.pattern ?? '', path));
    case 'format':
      return invalid(
        schema.format === 'cidr'
          ? 'must be a CIDR range such as 10.0.0.0/8 or 2001:db8::/32'
          : 'is no real date and time',
      );
    case 'minLength':
      return invalid(
        schema.minLength === 1 ? 'must not be empty' : `must have at least ${schema.minLength} characters`,
      );
    case 'maxLength':
      return invalid(`must have at most ${schema.maxLength} characters`);
    case 'minimum':
      return invalid(`must be at least ${schema.minimum}`);
    case 'maximum':
      return invalid(`must be at most ${schema.maximum}`);
    case 'minItems':
    case 'minProperties':
      return invalid(`must have at least ${entries(schema.minItems ?? schema.minProperties ?? 1)}`);
    case 'maxItems':
    case 'maxProperties':
      return invalid(`must have at most ${entries(schema.maxItems ?? schema.maxProperties ?? 0)}`);
    default:
      return invalid(error.message ?? 'is not valid');
  }
}

const entries = (count: number) => (count === 1 ? '1 entry' : `${count} entries`);

export const oneOf = (values: readonly string[]) =>
  values.length === 1 ? `${values[0]}` : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;

function patternWords(pattern: string, path: string): string {
  const field = /([A-Za-z]+)(?:\[\d+\])?$/.exec(path)?.[1] ?? '';
  return PATTERN_WORDS.get(pattern) ?? FIELD_WORDS.get(field) ?? `must match ${pattern}`;
}

const TYPE_WORDS = {
  object: 'a mapping',
  array: 'a list',
  string: 'text',
  integer: 'a whole number',
  boolean: 'true or false',
} as const;

function wrongType(wanted: Schema['type'], value: unknown): string {
  if (wanted === 'integer' && typeof value === 'number') return 'must be a whole number, not a number with a fraction';
  const found = value === null ? 'empty' : Array.isArray(value) ? 'a list' : FOUND_WORDS[typeof value];
  const hint = wanted === 'string' && (typeof value === 'number' || typeof value === 'boolean') ? ': quote it' : '';
  return `must be ${TYPE_WORDS[wanted]}, not ${found}${hint}`;
}

const FOUND_WORDS: Readonly<Record<string, string>> = {
  object: 'a mapping',
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
};

/** JSON pointer to a path such as `spec.apis[3].match`; `value` tells list indexes from members of digits. */
function pointerToPath(pointer: string, value: unknown, root: string): string {
  let path = root;
  let current = value;
  for (const step of pointer.split('/').slice(1)) {
    const member = step.replaceAll('~1', '/').replaceAll('~0', '~');
    path = joinPath(path, Array.isArray(current) ? Number(member) : member);
    current = (current as Record<string, unknown>)[member];
  }
  return path;
}
