import { describe, expect, test } from '@jest/globals';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readBlocks } from '../../scripts/e2e/readme.mjs';
import { ROOT } from './helm.js';

describe('the Kubernetes section of README.md', () => {
  const text = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const section = /\n## On Kubernetes\n[^]*?(?=\n## )/.exec(text)![0];
  const blocks = readBlocks(text);

  test('has no commands that the end-to-end run would leave out, but those for Docker', () => {
    const all = [...section.matchAll(/```sh\n([^]*?)```/g)].map(([, body]) => body!.trim());
    const unmarked = all.filter((body) => !Object.values(blocks).includes(body));
    expect(unmarked.flatMap((body) => body.split('\n')).filter((line) => !line.startsWith('docker '))).toEqual([]);
  });

  test('has every block run, each by its name', () => {
    const scripts = ['scripts/e2e.mjs', ...globSync('scripts/e2e/*.mjs', { cwd: ROOT })];
    const code = scripts.map((path) => readFileSync(join(ROOT, path), 'utf8')).join('\n');
    const run = [...code.matchAll(/(?:readme|silently)\('(\w+)'\)/g)].map(([, name]) => name!);
    expect([...new Set(run)].sort()).toEqual(Object.keys(blocks).sort());
  });
});
