import { expect, test } from '@jest/globals';
import { runCli } from '../support/cli.js';

test.each([
  [['--authz-port', '65535', '--workers', '2'], '--authz-port 65535 leaves no ports for --workers 2'],
  [['--authz-port', '9191', '--authz-tls', 'maybe'], '--authz-tls'],
  [['--authz-address', 'localhost'], '--authz-address'],
])('authorizer %j is wrong usage', async (flags, message) => {
  const { exitCode, stdout, stderr } = await runCli(['authorizer', ...flags]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr).toContain(message);
});
