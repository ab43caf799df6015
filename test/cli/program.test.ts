import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCli } from '../support/cli.js';

const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
  version: string;
};
const COMMANDS = ['run', 'lint', 'render', 'keys', 'sign', 'verify', 'version'];

describe('the command line', () => {
  test('prints the version of the package', async () => {
    expect(await runCli(['version'])).toEqual({
      exitCode: 0,
      stdout: `countersign ${manifest.version}\nnode ${process.versions.node}\nenvoy 1.40\n`,
      stderr: '',
    });
    expect(JSON.parse((await runCli(['version', '--output', 'json'])).stdout)).toEqual({
      countersign: manifest.version,
      node: process.versions.node,
      envoy: '1.40',
    });
  });

  test('lists every command in its help', async () => {
    const { exitCode, stdout } = await runCli(['--help']);
    expect(exitCode).toBe(0);
    for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
  });

  test.each(COMMANDS)('`%s --help` says what it does and gives an example', async (command) => {
    const { exitCode, stdout } = await runCli([command, '--help']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`Usage: countersign ${command}`);
    expect(stdout).toMatch(new RegExp(`Examples:\\n(.*\\n)*?.*countersign ${command}`));
  });

  test.each([
    [[]],
    ...[...COMMANDS, 'usage', 'usage set', 'usage reset', 'controller', 'authorizer', 'bootstrap', 'status'].map(
      (each) => [each.split(' ')],
    ),
  ])(
    'the help of %j is 80 columns wide where that is no terminal, but for examples to copy, and has some',
    async (command) => {
      const { stdout } = await runCli([...command, '--help']);
      const [prose = '', examples = ''] = stdout.split('Examples:\n');
      const wide = [...prose.split('\n'), ...examples.split('\n').filter((line) => !line.startsWith('  '))];
      // One word may be wider than its column.
      expect(wide.filter((line) => line.length > 80 && line.trim().includes(' '))).toEqual([]);
      expect(examples).toContain(`countersign ${command.join(' ')}`);
    },
  );

  test.each(['lint', 'keys', 'render'])(
    'the help of %s speaks of no flag of Redis that it does not have',
    async (command) => {
      const { stdout } = await runCli([command, '--help']);
      expect(stdout.match(/--redis-[a-z-]+/g)).toEqual(['--redis-cluster']);
    },
  );

  test('suggests the command that was meant', async () => {
    const { exitCode, stderr } = await runCli(['lnit', 'config/']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("error: unknown command 'lnit'");
    expect(stderr).toContain('(Did you mean lint?)');
  });

  test('takes --version and -V for the command', async () => {
    const expected = await runCli(['version']);
    expect(await runCli(['--version'])).toEqual(expected);
    expect(await runCli(['-V'])).toEqual(expected);
  });

  test('refuses an unknown command also when it asks for help', async () => {
    expect(await runCli(['bogus', '--help'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("unknown command 'bogus'"),
    });
  });

  test('without arguments shows its help and ends as wrong usage', async () => {
    expect(await runCli([])).toMatchObject({ exitCode: 2, stdout: expect.stringContaining('Usage: countersign') });
  });
});
