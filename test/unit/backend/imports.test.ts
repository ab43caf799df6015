import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '../../..');

/** Files of src that a module loads at run time, itself included, and what it loads from outside. */
function loads(entry: string): { files: Set<string>; outside: Set<string> } {
  const files = new Set<string>();
  const outside = new Set<string>();
  const visit = (file: string): void => {
    if (files.has(file)) return;
    files.add(file);
    const source = readFileSync(file, 'utf8');
    for (const [, typeOnly, target] of source.matchAll(/^(?:import|export) (type )?[^;]*?from '([^']+)';$/gms)) {
      if (typeOnly) continue;
      if (target!.startsWith('.')) visit(join(dirname(file), target!.replace(/\.js$/, '.ts')));
      else outside.add(target!);
    }
  };
  visit(join(root, entry));
  return { files, outside };
}

test('countersign/backend loads the signature schemes and Node alone', () => {
  const { files, outside } = loads('src/backend/index.ts');
  const folders = new Set([...files].map((file) => relative(join(root, 'src'), file).split('/')[0]));
  expect([...folders].sort()).toEqual(['backend', 'lib', 'signature']);
  expect(files.size).toBeGreaterThan(20);
  expect([...outside].sort()).toEqual(['node:crypto', 'node:util']);
});
