import { afterEach, describe, expect, test } from '@jest/globals';
import { createMonitoredProcess, type MonitoredProcess } from '../../../src/app/monitored-process.js';
import { createLogger } from '../../../src/telemetry/logger.js';

let lines: string[] = [];
let started: MonitoredProcess | undefined;
const create = () => {
  lines = [];
  const log = createLogger({ level: 'info', format: 'json', write: (line) => void lines.push(line) });
  started = createMonitoredProcess({ config: { adminAddress: '127.0.0.1', adminPort: 0 }, parts: ['one', 'two'], log });
  return started;
};
afterEach(() => started?.close());

describe('a monitored process', () => {
  test('answers at its admin address before its parts are ready, and not after its end', async () => {
    const monitored = create();
    const url = await monitored.startAdmin(() => ({ hello: 'world' }));
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    const ready = await fetch(`${url}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, 'one: starting\ntwo: starting\n']);
    expect(await (await fetch(`${url}/status`)).json()).toEqual({ hello: 'world' });
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('countersign_build_info');
    await monitored.close();
    await expect(fetch(`${url}/livez`)).rejects.toThrow();
  });

  test('undoes the newest first, once, goes on after a failure, and is not ready meanwhile', async () => {
    const monitored = create();
    const { health, onClose } = monitored;
    for (const part of ['one', 'two']) health.set(part, true);
    const undone: string[] = [];
    onClose(() => void undone.push(`first, ready ${String(health.ready)}`));
    onClose(() => Promise.reject(new Error('stuck')));
    onClose(() => {
      throw new Error('broken');
    });
    onClose(async () => {
      onClose(() => void undone.push('added late'));
      await Promise.resolve();
      undone.push('last');
    });
    await Promise.all([monitored.close(), monitored.close()]);
    expect(undone).toEqual(['last', 'added late', 'first, ready false']);
    expect(lines.filter((line) => line.includes('a part did not end cleanly'))).toHaveLength(2);
    expect(health.missing()).toEqual(['one: stopping', 'two: stopping']);
  });
});
