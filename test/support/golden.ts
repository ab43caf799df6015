/**
 * Golden files: `NAME.in.yaml` is what a user would write, `NAME.out.yaml` what we make of it. `UPDATE_GOLDEN=1`
 * rewrites the outputs; without it a missing, different or unclaimed output fails.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { stringify } from 'yaml';

const updating = process.env['UPDATE_GOLDEN'] === '1';

/**
 * Runs `render` on every `*.in.yaml` of a folder and compares with its outputs.
 * @param render from the input's text to output by suffix, e.g. `{ out: … }` for `NAME.out.yaml`.
 */
export function goldenTests(
  folder: string,
  render: (input: string, name: string) => Record<string, unknown> | Promise<Record<string, unknown>>,
): void {
  const names = readdirSync(folder).flatMap((file) => /^(.+)\.in\.yaml$/.exec(file)?.[1] ?? []);
  const claimed = new Set<string>();

  test.each(names.sort())('%s', async (name) => {
    const outputs = await render(readFileSync(join(folder, `${name}.in.yaml`), 'utf8'), name);
    for (const [suffix, value] of Object.entries(outputs)) {
      const file = `${name}.${suffix}.yaml`;
      claimed.add(file);
      const text = toGoldenYaml(value);
      if (updating) writeFileSync(join(folder, file), text);
      expect(existsSync(join(folder, file)) ? readFileSync(join(folder, file), 'utf8') : `${file} is missing`).toBe(
        text,
      );
    }
  });

  test('every output belongs to an input', () => {
    const unclaimed = readdirSync(folder).filter(
      (file) => /\.yaml$/.test(file) && !file.endsWith('.in.yaml') && !claimed.has(file),
    );
    if (updating) for (const file of unclaimed) rmSync(join(folder, file));
    expect(updating ? [] : unclaimed).toEqual([]);
  });
}

/** Stable text: sets as sorted lists, maps as objects, absent members left out. Secrets print as `[redacted]` by themselves. */
export function toGoldenYaml(value: unknown): string {
  return stringify(plain(value), { lineWidth: 0, aliasDuplicateObjects: false, sortMapEntries: false });
}

function plain(value: unknown): unknown {
  if (value instanceof Set) return [...(value as Set<unknown>)].map(plain).sort();
  if (value instanceof Map)
    return Object.fromEntries([...(value as Map<string, unknown>)].map(([key, member]) => [key, plain(member)]));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  if ('toJSON' in value && typeof value.toJSON === 'function') return plain((value.toJSON as () => unknown)());
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, member]) => (member === undefined ? [] : [[key, plain(member)]])),
  );
}
