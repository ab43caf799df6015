import { describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { RenderOptions } from '../../src/xds/render/options.js';
import { renderSnapshot } from '../../src/xds/render/snapshot.js';
import { resourceJson } from '../../src/xds/registry.js';
import { CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE } from '../../src/xds/resource-types.js';
import { buildModel, type ModelInput } from '../support/envoy/xds-model.js';

/** `UPDATE_GOLDEN=1` writes what the tests would expect. */
const isUpdate = process.env['UPDATE_GOLDEN'] === '1';
const folder = join(import.meta.dirname, 'xds');

const OUTPUTS = { listeners: LISTENER_TYPE, secrets: SECRET_TYPE, routes: ROUTE_TYPE, clusters: CLUSTER_TYPE };

const OPTIONS: RenderOptions = {
  http: { address: '0.0.0.0', port: 8080 },
  https: undefined,
  authz: { timeoutMs: 500 },
  trustedHops: 0,
  caBundlePath: '/etc/ssl/certs/ca-certificates.crt',
};

interface Input extends ModelInput {
  readonly options?: Partial<RenderOptions>;
  /** Which outputs show what the input is about; default all. */
  readonly show?: readonly (keyof typeof OUTPUTS)[];
}

const files = readdirSync(folder);
const names = files.filter((file) => file.endsWith('.in.yaml')).map((file) => file.slice(0, -'.in.yaml'.length));

describe('a model becomes these Envoy messages', () => {
  const claimed = new Set<string>();

  test.each(names)('%s', (name) => {
    const input = parse(readFileSync(join(folder, `${name}.in.yaml`), 'utf8')) as Input;
    const snapshot = renderSnapshot(buildModel(input), { ...OPTIONS, ...input.options });
    for (const [output, typeUrl] of Object.entries(OUTPUTS)) {
      if (input.show && !input.show.includes(output as keyof typeof OUTPUTS)) continue;
      const resources = [...snapshot.resources.get(typeUrl)!.values()].map(({ resource }) => resourceJson(resource));
      if (resources.length === 0) continue;
      const file = `${name}.${output}.yaml`;
      claimed.add(file);
      const text = stringify(resources, { lineWidth: 0, aliasDuplicateObjects: false });
      if (isUpdate) writeFileSync(join(folder, file), text);
      else expect(text).toBe(readFileSync(join(folder, file), 'utf8'));
    }
  });

  test('and no output is left that no input claims', () => {
    const orphans = readdirSync(folder).filter((file) => !file.endsWith('.in.yaml') && !claimed.has(file));
    if (isUpdate) for (const file of orphans) rmSync(join(folder, file));
    else expect(orphans).toEqual([]);
  });
});
