import { describe, expect, test } from '@jest/globals';
import { crdSchema, type Schema } from '../../src/api/crd.js';
import type { Problem } from '../../src/api/problem.js';
import { checkObject, checkTransition } from '../../src/api/schema.js';
import { KINDS, type CountersignObject } from '../../src/api/types.js';
import { readCrdCases, type CrdCase } from '../support/crd-cases.js';

function accept(raw: unknown): CountersignObject {
  const { problems, object } = checkObject(raw);
  expect(problems).toEqual([]);
  return object!;
}

/** The last object of a case after its earlier ones, as a provider that knows the old object judges it. */
function judge({ earlier, judged }: CrdCase): readonly Problem[] {
  const history = earlier.map(accept);
  const { problems, object } = checkObject(judged);
  const old = history.at(-1);
  return object && old ? checkTransition(old, object) : problems;
}

const cases = readCrdCases();

describe('an object that follows the schema and its rules', () => {
  test.each(cases.filter(({ valid }) => valid).map((each) => [each.name, each] as const))(
    '%s is accepted',
    (_name, each) => {
      expect(judge(each)).toEqual([]);
    },
  );
});

describe('an object with one mistake', () => {
  test.each(cases.filter(({ valid }) => !valid).map((each) => [each.name, each] as const))(
    '%s gets one problem that names the place',
    (_name, each) => {
      expect(judge(each)).toEqual([
        expect.objectContaining({
          severity: 'error',
          path: each.at,
          message: expect.stringContaining(each.wants) as unknown,
        }),
      ]);
    },
  );
});

describe('the cases', () => {
  const rules = KINDS.flatMap((kind) =>
    [...schemas(crdSchema(kind))].flatMap((schema) => schema['x-kubernetes-validations'] ?? []),
  );

  test.each([...new Set(rules.map(({ message }) => message))])('break the rule "%s"', (message) => {
    expect(cases.filter(({ wants }) => wants === message).map(({ name }) => name)).not.toEqual([]);
  });
});

function* schemas(schema: Schema): Generator<Schema> {
  yield schema;
  const below = [...Object.values(schema.properties ?? {}), schema.items, schema.additionalProperties];
  for (const each of below) if (each) yield* schemas(each);
}
