import { inspect } from 'node:util';

/**
 * A value that must never be printed. Text, JSON and inspect forms are `[redacted]`, so that a
 * log line, a status message or a golden file that reaches it by accident shows nothing.
 * Only `signature`, `authz` and the state writer of generated keys may call `reveal()` (lint).
 */
export class Redacted<T> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return '[redacted]';
  }

  toJSON(): string {
    return '[redacted]';
  }

  [inspect.custom](): string {
    return '[redacted]';
  }
}
