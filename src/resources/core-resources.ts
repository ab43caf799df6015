/**
 * The Kubernetes core kinds that a translation reads: Secret, Namespace and Service, reduced to what is used.
 * Parsers take untrusted objects (a file, a watch) and give data: the resource or what is wrong with it.
 */
import { inspect } from 'node:util';
import { stableStringify } from '../lib/stable-hash.js';
import type { Namespace, ObjectMeta, Service, ServicePort } from '../api/types.js';

/**
 * A Secret. Its data is reachable only by name, so that a log line or a dump of a ResourceSet shows
 * `[redacted]`; whoever takes a text out wraps it in `Redacted` at once.
 */
export class SecretResource {
  readonly kind = 'Secret';
  readonly metadata: ObjectMeta;
  readonly type: string;
  readonly #data: ReadonlyMap<string, Uint8Array>;

  constructor(metadata: ObjectMeta, type: string, data: ReadonlyMap<string, Uint8Array>) {
    this.metadata = metadata;
    this.type = type;
    this.#data = data;
  }

  has(name: string): boolean {
    return this.#data.has(name);
  }

  /** The value as UTF-8 text, byte for byte (no trimming); `undefined` when absent or not UTF-8. */
  text(name: string): string | undefined {
    const bytes = this.#data.get(name);
    if (!bytes) return undefined;
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return undefined;
    }
  }

  /** Same metadata, type and data: lets a reader keep the identity of an unchanged Secret. */
  equals(other: SecretResource): boolean {
    const mine = [...this.#data];
    return (
      this.type === other.type &&
      stableStringify(this.metadata) === stableStringify(other.metadata) &&
      mine.length === other.#data.size &&
      mine.every(
        ([name, bytes]) => Buffer.compare(bytes, other.#data.get(name) ?? NOTHING) === 0 && other.#data.has(name),
      )
    );
  }

  toJSON(): unknown {
    return { kind: this.kind, metadata: this.metadata, type: this.type, data: '[redacted]' };
  }

  [inspect.custom](): unknown {
    return this.toJSON();
  }
}

const NOTHING = new Uint8Array();

export type CoreResource = SecretResource | Namespace | Service;

export const CORE_KINDS = ['Secret', 'Namespace', 'Service'] as const;
export type CoreKind = (typeof CORE_KINDS)[number];

/** What is wrong with a core object and where; the caller adds which object it is. */
export interface CoreFault {
  readonly path: string;
  readonly message: string;
}

type Parsed =
  | { readonly ok: true; readonly resource: CoreResource }
  | { readonly ok: false; readonly faults: readonly CoreFault[] };

/** Reads a `v1` object whose metadata is already checked. Fields that nothing here uses are left alone, as kubectl users expect. */
export function parseCoreResource(
  kind: CoreKind,
  metadata: ObjectMeta,
  raw: Readonly<Record<string, unknown>>,
): Parsed {
  switch (kind) {
    case 'Namespace':
      return { ok: true, resource: { apiVersion: 'v1', kind, metadata } };
    case 'Secret':
      return parseSecret(metadata, raw);
    case 'Service':
      return parseService(metadata, raw);
  }
}

// Kubernetes accepts only padded standard base64; Buffer.from would skip over anything else in silence.
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function decodeBase64(text: string): Uint8Array | undefined {
  const compact = text.replace(/\r?\n/g, '');
  return BASE64.test(compact) ? Buffer.from(compact, 'base64') : undefined;
}

function parseSecret(metadata: ObjectMeta, raw: Readonly<Record<string, unknown>>): Parsed {
  const faults: CoreFault[] = [];
  const data = new Map<string, Uint8Array>();
  for (const [name, value] of members(raw['data'], 'data', faults)) {
    const bytes = typeof value === 'string' ? decodeBase64(value) : undefined;
    if (bytes) data.set(name, bytes);
    else faults.push({ path: `data.${name}`, message: 'must be base64 text; use stringData for plain text' });
  }
  // As in Kubernetes, stringData wins over data.
  for (const [name, value] of members(raw['stringData'], 'stringData', faults)) {
    if (typeof value === 'string') data.set(name, Buffer.from(value, 'utf8'));
    else faults.push({ path: `stringData.${name}`, message: 'must be text; quote it' });
  }
  const type = raw['type'] ?? 'Opaque';
  if (typeof type !== 'string') faults.push({ path: 'type', message: 'must be text' });
  if (typeof type !== 'string' || faults.length > 0) return { ok: false, faults };
  return { ok: true, resource: new SecretResource(metadata, type, data) };
}

function parseService(metadata: ObjectMeta, raw: Readonly<Record<string, unknown>>): Parsed {
  const spec = isRecord(raw['spec']) ? raw['spec'] : {};
  const list: unknown[] = Array.isArray(spec['ports']) ? spec['ports'] : [];
  const faults: CoreFault[] = [];
  const ports: ServicePort[] = [];
  for (const [i, entry] of list.entries()) {
    const { name, port, appProtocol } = isRecord(entry) ? entry : {};
    if (typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65_535)
      ports.push({
        port,
        ...(typeof name === 'string' && { name }),
        ...(typeof appProtocol === 'string' && { appProtocol }),
      });
    else faults.push({ path: `spec.ports[${i}].port`, message: 'must be a whole number from 1 to 65535' });
  }
  if (faults.length > 0) return { ok: false, faults };
  const { externalName } = spec;
  return {
    ok: true,
    resource: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { ports, ...(typeof externalName === 'string' && { externalName }) },
    },
  };
}

function members(value: unknown, path: string, faults: CoreFault[]): [string, unknown][] {
  if (value === undefined || value === null) return [];
  if (isRecord(value)) return Object.entries(value);
  faults.push({ path, message: 'must be a map' });
  return [];
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
