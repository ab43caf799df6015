import { expect, test } from '@jest/globals';
import { createChangeReporter, type ChangeReporterOptions } from '../../../src/app/controller/change-reporter.js';
import type { ControllerChange } from '../../../src/app/controller/controller.js';
import type { Problem } from '../../../src/api/problem.js';
import { silentLogger, type Logger } from '../../../src/telemetry/logger.js';

const object = { kind: 'SignatureKey', namespace: 'shop', name: 'app' };
const problems: readonly Problem[] = [
  { severity: 'error', object, path: 'spec', reason: 'SecretNotReady', message: 'Secret app is not generated yet' },
  { severity: 'error', object, path: 'spec.keyID', reason: 'DuplicateKeyID', message: 'the id is taken' },
];

function linesOf(options: Partial<ChangeReporterOptions>): readonly string[] {
  const lines: string[] = [];
  const note = (level: string) => (text: string) => void lines.push(`${level} ${text}`);
  const log = { ...silentLogger, error: note('error'), warn: note('warn'), info: note('info') } as unknown as Logger;
  const reporter = createChangeReporter({ log, locate: () => undefined, source: 'here', ...options });
  reporter.report({ problems, ready: [], gone: [] } as unknown as ControllerChange);
  expect(reporter.problems.map(({ file }) => file)).toEqual(['here', 'here']);
  return lines;
}

test('mistakes in a folder are errors, with the place', () => {
  expect(linesOf({})).toEqual([
    'error here: error SecretNotReady: SignatureKey shop/app: spec: Secret app is not generated yet',
    'error here: error DuplicateKeyID: SignatureKey shop/app: spec.keyID: the id is taken',
  ]);
});

test('mistakes in a cluster are no errors of it, and what each new key passes through is none at all', () => {
  expect(linesOf({ toldElsewhere: true })).toEqual([
    'info error DuplicateKeyID: SignatureKey shop/app: spec.keyID: the id is taken',
  ]);
});
