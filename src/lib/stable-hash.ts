import { createHash } from 'node:crypto';

/** JSON with object keys sorted at every level, so equal values have equal text. `undefined` members vanish. */
export function stableStringify(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => {
    if (member === null || typeof member !== 'object' || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}

/** Lower-case hex SHA-256 of `text` (UTF-8) or bytes, cut to `length` characters. */
export function hexHash(input: string | Uint8Array, length = 64): string {
  return createHash('sha256').update(input).digest('hex').slice(0, length);
}

/** Content hash of a plain value: stable over key order, restarts and replicas. */
export function stableHash(value: unknown, length = 16): string {
  return hexHash(stableStringify(value), length);
}
