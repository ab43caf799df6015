/**
 * The CustomResourceDefinitions of crds/, read from the package once and only when asked for. They are the single
 * source of the schema: an API server and this process check the same text.
 */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { Kind } from './types.js';

const FILES: Readonly<Record<Kind, string>> = {
  SignatureKey: 'countersign.dev_signaturekeys.yaml',
  ApiGroup: 'countersign.dev_apigroups.yaml',
  Authorization: 'countersign.dev_authorizations.yaml',
  UsagePlan: 'countersign.dev_usageplans.yaml',
};

/** The part of a structural schema that our CRDs use. */
export interface Schema {
  readonly type: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly ValidationRule[];
}

/** One CEL rule of a schema. */
export interface ValidationRule {
  readonly rule: string;
  readonly message: string;
  /** Where the mistake is, from the rule's own place: `.keyID`. */
  readonly fieldPath?: string;
}

interface CustomResourceDefinition {
  readonly spec: {
    readonly versions: readonly { readonly storage: boolean; readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

const schemas = new Map<Kind, Schema>();

/** The whole schema of a kind: `properties.spec` and `properties.status`. */
export function crdSchema(kind: Kind): Schema {
  let schema = schemas.get(kind);
  if (!schema) {
    const text = readFileSync(new URL(`../../crds/${FILES[kind]}`, import.meta.url), 'utf8');
    const stored = (parse(text) as CustomResourceDefinition).spec.versions.find((version) => version.storage);
    schema = stored!.schema.openAPIV3Schema;
    schemas.set(kind, schema);
  }
  return schema;
}
