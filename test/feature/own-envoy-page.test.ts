/** docs/own-envoy.md tells of each mistake what own-envoy.test.ts sees come of it. */
import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from '../support/project-folder.js';
import { misconfigurations, type Misconfiguration } from './own-envoy-mistakes.js';

const page = readFileSync(join(projectFolder, 'docs/own-envoy.md'), 'utf8');
const [, table = ''] = /^\| mistake +\| outcome +\|\n\|[- |]+\n((?:\|.*\n)+)/m.exec(page) ?? [];
const rows = table
  .trim()
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, mistake = '', outcome = '']) => ({ mistake, outcome }));

/** What a text says comes of a mistake: a status, with the reason where it is told, or that nobody notices. */
const verdictsOf = (outcome: string): string[] =>
  [...outcome.matchAll(/\b[45]\d\d\b(?: `\w+`)?|\bnot noticed\b/gi)].map(([found]) => found.toLowerCase());

function verdictsOfCase({ outcome, status, reason }: Misconfiguration): string[] {
  if (outcome === 'unseen' || outcome === 'harmless') return ['not noticed'];
  return [status].flat().map((each) => (each === 503 && reason !== undefined ? `${each} \`${reason}\`` : String(each)));
}

describe('the table of mistakes in docs/own-envoy.md', () => {
  test('has the mistakes that are made on a real Envoy, and no other', () => {
    const tried = new Set(misconfigurations.flatMap(({ row }) => row ?? []));
    expect(rows.map(({ mistake }) => mistake).sort()).toEqual([...tried].sort());
  });

  test.each(rows)('tells what comes of $mistake', ({ mistake, outcome }) => {
    const seen = misconfigurations.filter(({ row }) => row === mistake).flatMap(verdictsOfCase);
    expect(new Set(verdictsOf(outcome))).toEqual(new Set(seen));
  });

  test('lists in the checklist the settings that nobody notices', () => {
    const [, checklist = ''] = /### Checklist\n([^]*?)\n## /.exec(page) ?? [];
    const settings = rows
      .filter(({ outcome }) => outcome.startsWith('**not noticed**'))
      .flatMap(({ mistake }) => [...mistake.matchAll(/`(\w+)`/g)].map(([, setting]) => setting!));
    expect(settings.length).toBeGreaterThan(4);
    for (const setting of settings.filter((each) => each !== 'request_headers_to_add'))
      expect(checklist).toContain(`${setting}`);
  });
});
