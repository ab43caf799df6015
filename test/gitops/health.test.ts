import { describe, expect, test } from '@jest/globals';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { KINDS } from '../../src/api/types.js';
import { argoHealth } from './argo.js';
import { fluxHealth, type HealthCheckExpressions, kstatus } from './flux.js';
import { type KubernetesObject, objectOf, type State } from './states.js';

/** `UPDATE_GOLDEN=1` records the objects and Argo CD's messages anew. */
const isUpdate = process.env['UPDATE_GOLDEN'] === '1';
const root = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const base = read('test/gitops/base.yaml');
const states = parse(read('test/gitops/states.yaml')) as State[];
const script = read('docs/gitops/health.lua');
const folder = join(import.meta.dirname, 'objects');
const HEADER = '# Recorded by test/gitops/health.test.ts.\n';

interface FluxKustomization {
  readonly spec: { readonly path: string; readonly healthCheckExprs?: HealthCheckExpressions[] };
}
/** Of each Kustomization that applies our objects. */
const expressions = parseAllDocuments(read('examples/gitops/clusters/flux/teams.yaml'))
  .map((document) => document.toJS() as FluxKustomization)
  .filter(({ spec }) => spec.path.endsWith('/objects'))
  .map(({ spec }) => spec.healthCheckExprs ?? []);

const recorded = (name: string): KubernetesObject =>
  parse(read(`test/gitops/objects/${name}.yaml`)) as KubernetesObject;

describe('the recorded objects', () => {
  test.each(states)('$name: $about', async (state) => {
    const file = join(folder, `${state.name}.yaml`);
    const text =
      HEADER +
      stringify(await objectOf(state, base), { lineWidth: 0, aliasDuplicateObjects: false, singleQuote: true });
    if (isUpdate) writeFileSync(file, text);
    expect(existsSync(file) ? readFileSync(file, 'utf8') : `${state.name} is not recorded`).toBe(text);
  });

  test('are those of the states and no others, and show every kind', () => {
    const names = states.map(({ name }) => `${name}.yaml`).sort();
    if (isUpdate) for (const file of readdirSync(folder)) if (!names.includes(file)) rmSync(join(folder, file));
    expect(readdirSync(folder).sort()).toEqual(names);
    expect(new Set(states.map(({ name }) => recorded(name).kind))).toEqual(new Set(KINDS));
  });
});

describe('Argo CD with docs/gitops/health.lua', () => {
  test.each(states)('$name is $argo.status', ({ name, argo }) => {
    expect(argoHealth(script, recorded(name))).toEqual(argo);
  });

  test.each([
    ['no conditions', { observedGeneration: 3 }],
    ['no Ready condition', { observedGeneration: 3, conditions: [{ type: 'Accepted', status: 'True' }] }],
  ])('an object with a status and %s is Progressing', (_, status) => {
    expect(argoHealth(script, { ...recorded('key-ready'), status }).status).toBe('Progressing');
  });

  test('the script is Lua 5.1 and needs no library that Argo CD keeps closed', () => {
    const code = script.replaceAll(/--.*$/gm, '').replaceAll(/"[^"]*"/g, '""');
    expect(code).not.toMatch(/\/\/|[&|]|<<|>>|\bgoto\b|::|\b(string|math|io|os|debug|utf8|coroutine)\s*[.:]|\w:\w/);
  });

  test('docs/gitops.md shows the expressions as they are', () => {
    const own = expressions[0]?.find(({ kind }) => kind === 'SignatureKey');
    const shown = /^healthCheckExprs:\n(?: .*\n)+/m.exec(read('docs/gitops.md'))?.[0] ?? '';
    expect(parse(shown)).toEqual({ healthCheckExprs: [own] });
  });

  test('argocd-cm.yaml holds this script for the whole group', () => {
    const { data } = parse(read('docs/gitops/argocd-cm.yaml')) as { data: Record<string, string> };
    expect(parse(data['resource.customizations'] ?? '')).toEqual({ 'countersign.dev/*': { 'health.lua': script } });
  });
});

test('docs/upgrade.md names metrics and reasons that are there', () => {
  const page = read('docs/upgrade.md');
  for (const [name] of page.matchAll(/\bcountersign_\w+/g))
    expect(read('docs/reference/metrics.md')).toContain(`\`${name}\``);
  for (const reason of ['usage_plan_invalid', 'backend_key_unavailable', 'route_mismatch']) {
    expect(page).toContain(reason);
    expect(read('docs/reference/reasons.md')).toContain(reason);
  }
});

describe('kstatus', () => {
  test.each(states)('$name is $kstatus', (state) => {
    expect(kstatus(recorded(state.name))).toBe(state.kstatus);
  });
});

describe('Flux with the expressions of examples/gitops', () => {
  test('every Kustomization of our objects has them, for every kind', () => {
    expect(expressions.length).toBeGreaterThan(1);
    for (const each of expressions) {
      expect(each).toEqual(expressions[0]);
      expect(each.map(({ kind }) => kind).sort()).toEqual([...KINDS].sort());
    }
  });

  test.each(states)('$name is $flux', (state) => {
    const object = recorded(state.name);
    const own = expressions[0]?.find(({ kind }) => kind === object.kind);
    expect(own?.apiVersion).toBe(object.apiVersion);
    expect(own && fluxHealth(own, object)).toBe(state.flux);
  });

  test.each(states)('and Argo CD agree on $name', ({ argo, flux }) => {
    const same = { Healthy: 'Current', Degraded: 'Failed', Progressing: 'InProgress', Suspended: 'InProgress' };
    expect(same[argo.status as keyof typeof same]).toBe(flux);
  });
});
