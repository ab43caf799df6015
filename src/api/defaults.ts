import type { Schema } from './crd.js';

/**
 * A copy of `value` as an API server stores it: a null that the schema does not allow counts as absent, and absent
 * members take their default, parents before children. What does not fit the schema is copied as it stands.
 */
export function applyDefaults(schema: Schema, value: unknown): unknown {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items ? value.map((item) => applyDefaults(items, item)) : value;
  }
  if (!isRecord(value)) return value;
  const result: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    const memberSchema = schemaOf(schema, name);
    if (member === null && memberSchema) continue;
    define(result, name, memberSchema ? applyDefaults(memberSchema, member) : member);
  }
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (property.default !== undefined && !Object.hasOwn(result, name)) {
      result[name] = applyDefaults(property, structuredClone(property.default));
    }
  }
  return result;
}

/** Schema of a member, whether declared or of a map; `undefined` when the schema knows no such member. */
export function schemaOf(schema: Schema, member: string): Schema | undefined {
  if (schema.properties && Object.hasOwn(schema.properties, member)) return schema.properties[member];
  return schema.additionalProperties;
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Plain assignment of a member named `__proto__` would set the prototype instead. */
function define(target: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true });
}
