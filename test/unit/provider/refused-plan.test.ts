/** A plan that the schema refuses must not set its keys free. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Plan } from '../../../src/model/model.js';
import { Folder } from '../../../src/provider/file/folder.js';
import { translate } from '../../../src/translate/translate.js';
import { apiGroup, grant, importedKey, toYaml, urlBackend, usagePlan } from '../../support/resources/resources.js';

let path: string;
let folder: Folder;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'countersign-refused-plan-'));
  folder = new Folder(path);
  writeFileSync(
    join(path, 'all.yaml'),
    toYaml(
      ...importedKey('app', 'AKIDrefused000000001', 'refused-secret-0001'),
      apiGroup('orders', { verification: { dialects: ['Huawei'] }, backend: urlBackend(9000) }),
      grant('orders', ['app'], 'orders'),
    ),
  );
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

interface Served {
  readonly plans: readonly Plan[];
  readonly told: readonly string[];
}

/** Writes the plan and translates what the folder then holds. */
async function serve(spec: Readonly<Record<string, unknown>>): Promise<Served> {
  writeFileSync(join(path, 'plan.yaml'), toYaml(usagePlan('plan', ['app'], 'orders', spec)));
  await folder.scan();
  const { resources, problems } = folder.publication;
  const context = { nowMs: 0, services: new Map(), allowedBackendHosts: 'Any', hostnameClaims: [] } as const;
  const translation = translate(resources, context);
  return {
    plans: translation.model.plans,
    told: [...problems, ...translation.problems].map((problem) => `${problem.path}: ${problem.message}`),
  };
}

const quotas = (requests: number) => [{ name: 'daily', requests, period: 'Day' }];

describe('a plan with an error', () => {
  test('binds its keys and refuses, when it was never valid', async () => {
    const { plans, told } = await serve({ quotas: quotas(-1) });
    expect(plans).toMatchObject([{ key: 'shop/plan', valid: false, callerKeys: ['shop/app'] }]);
    expect(plans[0]?.targets).toHaveLength(1);
    expect(told).toContain('spec.quotas[0].requests: must be at least 0');
    expect(told).toContain('spec: the plan has errors; it refuses its requests until they are mended');
    expect(told.join('\n')).not.toContain('stays in service');
    // The same again, and another error, are no version before.
    expect((await serve({ quotas: quotas(-2) })).told.join('\n')).not.toContain('stays in service');
    expect((await serve({ quotas: quotas(5), enforcement: 'enforce' })).plans).toMatchObject([{ valid: false }]);
  });

  test('refuses the calls of every key that it could have meant, when its bindings cannot be read either', async () => {
    const { plans, told } = await serve({ keys: { ref: [{ name: 'app' }] } });
    expect(plans).toMatchObject([{ key: 'shop/plan', valid: false, callerKeys: ['shop/app'] }]);
    expect(told).toContain('spec: the plan has errors; it refuses its requests until they are mended');
  });

  test('limits as before, when a version of it was valid', async () => {
    expect((await serve({ quotas: quotas(5) })).plans).toMatchObject([{ valid: true, quotas: [{ requests: 5 }] }]);
    const { plans, told } = await serve({ quotas: quotas(-1) });
    expect(plans).toMatchObject([{ valid: true, quotas: [{ requests: 5 }] }]);
    expect(told.join('\n')).toContain('the version before stays in service');
  });

  test('limits as it says once it is mended', async () => {
    await serve({ quotas: quotas(-1) });
    const { plans, told } = await serve({ quotas: quotas(7) });
    expect(plans).toMatchObject([{ valid: true, quotas: [{ requests: 7 }] }]);
    expect(told).toEqual([]);
  });

  test('binds nothing when it is Disabled', async () => {
    const { plans, told } = await serve({ quotas: quotas(-1), state: 'Disabled' });
    expect(plans).toEqual([]);
    expect(told.join('\n')).not.toContain('refuses its requests');
  });
});
