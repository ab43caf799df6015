import { describe, expect, test } from '@jest/globals';
import { Redacted } from '../../../src/lib/redacted.js';
import { createLogger, type LogFormat } from '../../../src/telemetry/logger.js';

const capture = (format: LogFormat, level: 'info' | 'debug' = 'info') => {
  const lines: string[] = [];
  return { lines, log: createLogger({ level, format, write: (text) => lines.push(text) }) };
};

describe('the log', () => {
  test('writes one JSON object a line with level, time and fields', () => {
    const { lines, log } = capture('json');
    log.info({ port: 8080 }, 'ready');
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      port: 8080,
      msg: 'ready',
    });
  });

  test('writes short lines for a terminal', () => {
    const { lines, log } = capture('pretty');
    log.child({ component: 'envoy' }).warn({ reason: 'two words', port: 8080 }, 'exited');
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d WARN envoy: exited reason="two words" port=8080\n$/);
  });

  test('leaves out what is below its level', () => {
    const { lines, log } = capture('json');
    log.debug('detail');
    expect(lines).toEqual([]);
  });

  test.each(['json', 'pretty'] as const)('never prints a redacted value (%s)', (format) => {
    const { lines, log } = capture(format);
    log.info({ secret: new Redacted('s3cret'), nested: { secret: new Redacted('s3cret') } }, 'key');
    expect(lines.join('')).not.toContain('s3cret');
    expect(lines.join('')).toContain('[redacted]');
  });
});
