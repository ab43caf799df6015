/**
 * Reads JSON of another process with every field checked. Fields that this version does not know are skipped:
 * one that must not be skipped comes with a higher `minReader`. Messages name the place, never the value.
 */

/** What is wrong with a resource. Caught where a resource is decoded; never leaves this folder. */
export class Malformed extends Error {}

/** A closed list of words, complete by its type: `words<State>({ Enabled: true, Disabled: true })`. */
export type Words<T extends string> = Readonly<Record<T, true>>;

export class Fields {
  readonly #members: Readonly<Record<string, unknown>>;

  /** @throws Malformed when `value` is no object. */
  constructor(
    value: unknown,
    readonly path = '',
  ) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new Malformed(`${path || 'value'}: not an object`);
    this.#members = value as Record<string, unknown>;
  }

  has(name: string): boolean {
    return this.#members[name] !== undefined;
  }

  text(name: string): string {
    return this.#read(name, (value, fail) => (typeof value === 'string' ? value : fail('not a text')));
  }

  flag(name: string): boolean {
    return this.#read(name, (value, fail) => (typeof value === 'boolean' ? value : fail('not true or false')));
  }

  /** A whole number of 0 or more; times are such milliseconds. */
  count(name: string): number {
    return this.#read(name, (value, fail) =>
      typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : fail('not a whole number'),
    );
  }

  word<T extends string>(name: string, words: Words<T>): T {
    return this.#read(name, (value, fail) => wordOf(value, words) ?? fail('not one of the known words'));
  }

  words<T extends string>(name: string, words: Words<T>): readonly T[] {
    return this.#list(name).map(
      (value, i) => wordOf(value, words) ?? this.#fail(`${name}[${i}]`, 'not one of the known words'),
    );
  }

  texts(name: string): readonly string[] {
    return this.#list(name).map((value, i) =>
      typeof value === 'string' ? value : this.#fail(`${name}[${i}]`, 'not a text'),
    );
  }

  /** `*` or a list. */
  textsOrAll(name: string): '*' | readonly string[] {
    return this.#members[name] === '*' ? '*' : this.texts(name);
  }

  object(name: string): Fields {
    return new Fields(this.#members[name], this.#pathOf(name));
  }

  objects(name: string): readonly Fields[] {
    return this.#list(name).map((value, i) => new Fields(value, this.#pathOf(`${name}[${i}]`)));
  }

  lists(name: string): readonly (readonly unknown[])[] {
    return this.#list(name).map((value, i) =>
      Array.isArray(value) ? (value as readonly unknown[]) : this.#fail(`${name}[${i}]`, 'not a list'),
    );
  }

  /** The entry of `table` that the index under `name` points to. */
  entry<T>(name: string, table: readonly T[]): T {
    const index = this.count(name);
    return index < table.length ? table[index]! : this.#fail(name, 'points beyond its table');
  }

  optional<T>(name: string, read: (name: string) => T): T | undefined {
    return this.has(name) ? read(name) : undefined;
  }

  #read<T>(name: string, read: (value: unknown, fail: (message: string) => never) => T): T {
    return read(this.#members[name], (message) => this.#fail(name, message));
  }

  #list(name: string): readonly unknown[] {
    const value = this.#members[name];
    return Array.isArray(value) ? value : this.#fail(name, 'not a list');
  }

  #pathOf(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }

  #fail(name: string, message: string): never {
    throw new Malformed(`${this.#pathOf(name)}: ${message}`);
  }
}

const wordOf = <T extends string>(value: unknown, words: Words<T>): T | undefined =>
  typeof value === 'string' && Object.hasOwn(words, value) ? (value as T) : undefined;
