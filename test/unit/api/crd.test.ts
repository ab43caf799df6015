import { describe, expect, test } from '@jest/globals';
import { crdSchema, type Schema } from '../../../src/api/crd.js';
import { RULE_TWINS } from '../../../src/api/rules.js';
import { FIELD_WORDS, PATTERN_WORDS } from '../../../src/api/schema-problems.js';
import { KINDS } from '../../../src/api/types.js';

interface Place {
  readonly path: string;
  readonly field: string;
  readonly schema: Schema;
}

function* places(schema: Schema, path: string, field: string): Generator<Place> {
  yield { path, field, schema };
  for (const [name, member] of Object.entries(schema.properties ?? {})) yield* places(member, `${path}.${name}`, name);
  if (schema.items) yield* places(schema.items, `${path}[]`, field);
  if (schema.additionalProperties) yield* places(schema.additionalProperties, `${path}{}`, field);
}

const spec = KINDS.flatMap((kind) => [...places(crdSchema(kind).properties!['spec']!, `${kind}.spec`, 'spec')]);
const all = KINDS.flatMap((kind) => [...places(crdSchema(kind), kind, '')]);
const pathsWhere = (list: readonly Place[], wrong: (schema: Schema) => boolean) =>
  list.filter(({ schema }) => wrong(schema)).map(({ path }) => path);

describe('the schemas of crds/', () => {
  test('have a TypeScript twin for each CEL rule, and no twin without a rule', () => {
    const rules = all.flatMap(({ schema }) => schema['x-kubernetes-validations'] ?? []).map(({ rule }) => rule);
    expect([...new Set(rules)].sort()).toEqual([...RULE_TWINS.keys()].sort());
  });

  test('give every rule a message, and the same message wherever the same rule stands', () => {
    const messages = new Map<string, Set<string>>();
    for (const { schema } of all) {
      for (const { rule, message } of schema['x-kubernetes-validations'] ?? []) {
        messages.set(rule, (messages.get(rule) ?? new Set()).add(message));
      }
    }
    // The rule on a lone "*" stands on origins and on API names, and says so.
    const ambiguous = [...messages].filter(([, texts]) => texts.size > 1).map(([rule]) => rule);
    expect(ambiguous).toEqual(["!('*' in self) || size(self) == 1"]);
  });

  test('describe every field', () => {
    const undescribed = spec.filter(({ path, schema }) => !schema.description && !/[\]}]$/.test(path));
    expect(undescribed.map(({ path }) => path)).toEqual([]);
  });

  test('bound every list and give it a list type', () => {
    expect(
      pathsWhere(all, (schema) => schema.type === 'array' && (!schema.maxItems || !schema['x-kubernetes-list-type'])),
    ).toEqual([]);
  });

  test('bound every text of spec by length, pattern or enum', () => {
    expect(pathsWhere(spec, (schema) => schema.type === 'string' && !schema.enum && !schema.maxLength)).toEqual([]);
  });

  test('bound every number, so that it is exact in a double', () => {
    const inexact = ({ minimum, maximum }: Schema) => !Number.isSafeInteger(minimum) || !Number.isSafeInteger(maximum);
    expect(
      pathsWhere(all, (schema) => schema.type === 'integer' && (schema.format !== 'int64' || inexact(schema))),
    ).toEqual([]);
  });

  test('have words for people for every pattern', () => {
    const wordless = spec.filter(
      ({ field, schema }) => schema.pattern && !PATTERN_WORDS.has(schema.pattern) && !FIELD_WORDS.has(field),
    );
    expect(wordless.map(({ path }) => path)).toEqual([]);
  });

  test('use only types and keywords that the checker knows', () => {
    const known = ['object', 'array', 'string', 'integer', 'boolean'];
    expect(pathsWhere(spec, ({ type }) => !known.includes(type))).toEqual([]);
    const keywords = new Set(spec.flatMap(({ schema }) => Object.keys(schema)));
    expect([...keywords].sort()).toEqual(
      'additionalProperties default description enum format items maxItems maxLength maximum maxProperties minItems minLength minProperties minimum pattern properties required type x-kubernetes-list-map-keys x-kubernetes-list-type x-kubernetes-validations'
        .split(' ')
        .sort(),
    );
  });
});

describe('an override of an ApiGroup', () => {
  const group = crdSchema('ApiGroup').properties!['spec']!.properties!;
  const environment = group['environments']!.items!.properties!;
  const api = group['apis']!.items!.properties!;
  const pairs = [
    ['apis[].access', 'access', api['access']!],
    ['apis[].verification', 'verification', api['verification']!],
    ['apis[].backend', 'backend', api['backend']!],
    ['environments[].backend', 'backend', environment['backend']!],
  ] as const;

  test.each(pairs)(
    '%s takes the fields of the group, all of them optional and without defaults',
    (_path, name, override) => {
      expect(shape(override)).toEqual(shape(group[name]!));
      expect(override.required).toBeUndefined();
      expect([...places(override, '', '')].filter(({ schema }) => schema.default !== undefined)).toEqual([]);
    },
  );

  /** What is compared: everything but words, rules, and what is required at the top. */
  function shape(schema: Schema): unknown {
    const { required: _required, ...rest } = schema;
    return JSON.parse(
      JSON.stringify(rest, (key, value: unknown) =>
        key === 'x-kubernetes-validations' || (key === 'description' && typeof value === 'string') ? undefined : value,
      ),
    );
  }
});
