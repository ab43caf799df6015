import { describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const demo = (...flags: string[]) => {
  const script = join(import.meta.dirname, '../../../scripts/demo.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...flags], { encoding: 'utf8' });
  return { status, stdout, stderr };
};

describe('npm run demo', () => {
  test('explains itself and runs nothing', () => {
    expect(demo('--help')).toEqual({ status: 0, stdout: expect.stringMatching(/^Usage: npm run demo/), stderr: '' });
  });

  test('refuses a misspelt option before it runs anything', () => {
    expect(demo('--serv')).toEqual({
      status: 2,
      stdout: '',
      stderr: expect.stringMatching(/^error: Unknown option '--serv'/),
    });
  });
});
