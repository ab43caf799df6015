import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Ajv } from 'ajv';
import { parse, parseAllDocuments } from 'yaml';

const root = join(import.meta.dirname, '../..');
const example = join(root, 'examples/gitops');
const read = (path: string): string => readFileSync(join(example, path), 'utf8');

/** What the tests read of a manifest, of whatever kind. */
interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly path: string;
    readonly project: string;
    readonly dependsOn?: readonly { readonly name: string }[];
    readonly healthChecks?: readonly { readonly kind: string; readonly name: string }[];
    readonly ref: { readonly tag: string };
    readonly source: {
      readonly path?: string;
      readonly targetRevision: string;
      readonly helm: { readonly valuesObject: unknown };
    };
  };
  readonly resources?: readonly string[];
  readonly stringData?: Readonly<Record<string, string>>;
  readonly data?: Readonly<Record<string, string>>;
  readonly sops?: unknown;
}

interface Workflow {
  readonly jobs: {
    readonly lint: {
      readonly env: Readonly<Record<string, string>>;
      readonly steps: readonly { readonly run?: string }[];
    };
  };
}
const files = globSync('**/*.yaml', { cwd: example, exclude: ['.github/**'] }).filter(
  (file) => !/values\.yaml$|kustomizeconfig\.yaml$|\.sops\.yaml$/.test(file),
);
const documentsOf = (file: string): Manifest[] =>
  parseAllDocuments(read(file)).map((document) => {
    if (document.errors.length > 0) throw new Error(`${file}: ${document.errors[0]?.message}`);
    return document.toJS() as Manifest;
  });
const manifests = files.flatMap((file) => documentsOf(file).map((manifest) => ({ file, manifest })));
const named = (kind: string): Map<string, Manifest> =>
  new Map(manifests.flatMap(({ manifest }) => (manifest.kind === kind ? [[manifest.metadata?.name, manifest]] : [])));

/** Paths of `values` that `defaults` does not have. */
function unknownNames(values: unknown, defaults: unknown, path = ''): string[] {
  if (typeof values !== 'object' || values === null || Array.isArray(values)) return [];
  return Object.entries(values).flatMap(([name, value]) => {
    const at = `${path}.${name}`;
    if (typeof defaults !== 'object' || defaults === null || !(name in defaults)) return [at];
    return unknownNames(value, (defaults as Record<string, unknown>)[name], at);
  });
}

/** Versions in which the kinds of others are served, from their documentation. */
const VERSIONS: Readonly<Record<string, string>> = {
  Application: 'argoproj.io/v1alpha1',
  ApplicationSet: 'argoproj.io/v1alpha1',
  AppProject: 'argoproj.io/v1alpha1',
  ExternalSecret: 'external-secrets.io/v1',
  HelmRelease: 'helm.toolkit.fluxcd.io/v2',
  OCIRepository: 'source.toolkit.fluxcd.io/v1',
  Namespace: 'v1',
  Secret: 'v1',
};

describe('the manifests of examples/gitops', () => {
  test.each(manifests.map(({ file, manifest }) => ({ file, kind: manifest.kind, manifest })))(
    '$file: $kind has a version that is served',
    ({ kind, manifest }) => {
      const { apiVersion } = manifest;
      if (kind === 'Kustomization')
        expect(['kustomize.toolkit.fluxcd.io/v1', 'kustomize.config.k8s.io/v1beta1']).toContain(apiVersion);
      else expect(apiVersion).toBe(VERSIONS[kind] ?? 'countersign.dev/v1alpha1');
    },
  );

  test('kustomizations name files that are there, and none is left out', () => {
    const reached = new Set<string>();
    for (const { file, manifest } of manifests) {
      if (manifest.apiVersion !== 'kustomize.config.k8s.io/v1beta1') continue;
      for (const resource of manifest.resources ?? []) {
        if (resource.startsWith('https://')) continue;
        const path = join(dirname(file), resource);
        expect(`${path} ${String(existsSync(join(example, path)))}`).toBe(`${path} true`);
        reached.add(path);
      }
    }
    const parts = files.filter((file) => /^(teams|platform)\//.test(file) && !file.endsWith('kustomization.yaml'));
    expect(parts.filter((file) => !reached.has(file))).toEqual([]);
  });

  test('paths of Flux and Argo CD exist, and what is depended on is there', () => {
    const flux = [...named('Kustomization').values()].filter(({ apiVersion }) => apiVersion.includes('fluxcd'));
    expect(flux.length).toBeGreaterThan(4);
    for (const { spec } of flux) {
      expect(existsSync(join(example, spec.path, 'kustomization.yaml'))).toBe(true);
      for (const { name } of spec.dependsOn ?? []) expect(flux.map(({ metadata }) => metadata.name)).toContain(name);
      for (const { kind, name } of spec.healthChecks ?? []) expect(named(kind).has(name)).toBe(true);
    }
    for (const { spec } of named('Application').values()) {
      expect(spec.project === 'default' || named('AppProject').has(spec.project)).toBe(true);
      if (spec.source.path) expect(existsSync(join(example, spec.source.path))).toBe(true);
    }
  });

  test('CRDs come before the release, and the release before the teams', () => {
    const flux = named('Kustomization');
    const dependencies = (name: string): string[] => (flux.get(name)?.spec.dependsOn ?? []).map((each) => each.name);
    expect(dependencies('countersign')).toEqual(['countersign-crds']);
    for (const team of ['team-caller', 'team-provider'])
      expect(dependencies(team)).toEqual(['countersign', `${team}-secrets`]);
    const wave = (name: string): number =>
      Number(named('Application').get(name)?.metadata.annotations?.['argocd.argoproj.io/sync-wave']);
    expect(wave('countersign-crds')).toBeLessThan(wave('countersign'));
    expect(wave('countersign')).toBeLessThan(wave('team-provider'));
  });

  test('no Secret is there in plain text', () => {
    for (const { file, manifest } of manifests) {
      if (manifest.kind !== 'Secret') continue;
      const { stringData = {}, data = {}, sops } = manifest;
      expect({ file, sops: typeof sops }).toEqual({ file, sops: 'object' });
      for (const value of Object.values({ ...stringData, ...data })) expect(value).toMatch(/^ENC\[/);
    }
  });

  test('both tools give the chart the same values, which its schema admits', () => {
    const values: unknown = parse(read('platform/flux/values.yaml'));
    expect(named('Application').get('countersign')?.spec.source.helm.valuesObject).toEqual(values);
    const defaults: unknown = parse(readFileSync(join(root, 'charts/countersign/values.yaml'), 'utf8'), {
      maxAliasCount: -1,
    });
    expect(unknownNames(values, defaults)).toEqual([]);
    const schema = JSON.parse(readFileSync(join(root, 'charts/countersign/values.schema.json'), 'utf8')) as object;
    const validate = new Ajv({ strict: false }).compile(schema);
    expect({ valid: validate(values), errors: validate.errors }).toEqual({ valid: true, errors: null });
    const { version } = parse(readFileSync(join(root, 'charts/countersign/Chart.yaml'), 'utf8')) as { version: string };
    expect(named('OCIRepository').get('countersign')?.spec.ref.tag).toBe(version);
    expect(named('Application').get('countersign')?.spec.source.targetRevision).toBe(version);
    expect(read('platform/crds/kustomization.yaml')).toContain(`/v${version}/`);
    expect(read('.github/workflows/countersign.yaml')).toContain(`/countersign-${version}.tgz\n`);
  });
});

describe('the pull-request check', () => {
  const { lint } = (parse(read('.github/workflows/countersign.yaml')) as Workflow).jobs;
  const scripts = lint.steps.flatMap(({ run }) => run ?? []);
  let copy: string;
  let environment: NodeJS.ProcessEnv;

  beforeAll(() => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-gitops-'));
    copy = join(folder, 'repository');
    cpSync(example, copy, { recursive: true });
    // `npx --yes --package ADDRESS countersign …` runs what is built here; without an address npx would ask a registry.
    const npx = join(folder, 'npx');
    const cli = join(root, 'dist/cli/main.js');
    writeFileSync(
      npx,
      `#!/bin/sh\ncase "$1 $2 $3 $4" in "--yes --package https://"*.tgz" countersign") shift 4; exec "${process.execPath}" "${cli}" "$@";; esac\nexit 64\n`,
    );
    chmodSync(npx, 0o755);
    environment = { ...lint.env, PATH: `${folder}:${dirname(process.execPath)}:${process.env['PATH'] ?? ''}` };
    if (!existsSync(cli)) {
      const built = spawnSync('npm', ['run', '-s', 'build'], { cwd: root, encoding: 'utf8' });
      if (built.status !== 0) throw new Error(built.stdout);
    }
  }, 120_000);
  afterAll(() => rmSync(dirname(copy), { recursive: true, force: true }));

  /** The steps as GitHub runs them: bash, stopping at an error. */
  const check = (): { codes: (number | null)[]; output: string } => {
    const runs = scripts.map((script) =>
      spawnSync('bash', ['-e', '-c', script], { cwd: copy, env: environment, encoding: 'utf8' }),
    );
    return { codes: runs.map(({ status }) => status), output: runs.map((run) => run.stdout + run.stderr).join('') };
  };
  const withFile = (path: string, edit: (text: string) => string, look: () => void): void => {
    const before = readFileSync(join(copy, path), 'utf8');
    writeFileSync(join(copy, path), edit(before));
    try {
      look();
    } finally {
      writeFileSync(join(copy, path), before);
    }
  };

  test('passes as the repository stands', () => {
    const { codes, output } = check();
    expect({ codes, errors: output.match(/^::error/gm) }).toEqual({ codes: [0, 0], errors: null });
    expect(output).toMatch(/^8 objects, 0 errors, \d+ warnings?; 3 Secrets not in the folder, taken to exist$/m);
  });

  test('in GitLab passes too, and reports a mistake with its file and line', () => {
    const { lint: job } = parse(read('.gitlab-ci.yml')) as {
      lint: { variables: Readonly<Record<string, string>>; script: string[] };
    };
    expect(job.variables).toEqual(lint.env);
    const run = (): number | null =>
      spawnSync('bash', ['-eo', 'pipefail', '-c', job.script.join('\n')], { cwd: copy, env: environment }).status;
    expect(run()).toBe(0);
    withFile(
      'teams/provider/objects/access.yaml',
      (text) => text.replace('apis: [list-orders]', 'apis: [list-order]'),
      () => {
        expect(run()).toBe(1);
        const report = JSON.parse(readFileSync(join(copy, 'gl-code-quality-report.json'), 'utf8')) as object[];
        expect(report).toContainEqual({
          description: expect.stringContaining('ApiNotFound: Authorization partner: ') as unknown,
          check_name: 'ApiNotFound',
          fingerprint: expect.stringMatching(/^[\w+/=]{20,}$/) as unknown,
          severity: 'major',
          location: { path: 'teams/provider/objects/access.yaml', lines: { begin: expect.any(Number) as unknown } },
        });
      },
    );
  });

  test('points at the line of a mistake', () => {
    withFile(
      'teams/provider/objects/access.yaml',
      (text) => text.replace('apis: [list-orders]', 'apis: [list-order]'),
      () => {
        const { codes, output } = check();
        expect(codes).toEqual([1, 0]);
        expect(output).toMatch(
          /^::error file=teams\/provider\/objects\/access\.yaml,line=\d+,col=\d+,title=ApiNotFound::Authorization shop\/partner: /m,
        );
      },
    );
  });

  test('refuses a host name that is another team’s', () => {
    withFile(
      'teams/provider/objects/orders.yaml',
      (text) => text.replace('api.example.com', 'admin.example.com'),
      () => expect(check().output).toMatch(/^::error .*title=HostnameNotPermitted::/m),
    );
  });

  describe('refuses a Secret in plain text', () => {
    const file = 'teams/caller/secrets/partner.yaml';
    const plain = (kind: string) =>
      `apiVersion: v1\n${kind}\nmetadata: { name: mine }\nstringData: { secret: AKPARTNER00000000001 }\n`;
    test.each<[how: string, edit: (text: string) => string]>([
      ['alone', (text) => text.replace(/^sops:[^]*$/m, '').replaceAll(/ENC\[[^\]]*\]/g, 'AKPARTNER00000000001')],
      ['after an encrypted one', (text) => `${text}---\n${plain('kind: Secret')}`],
      ['before an encrypted one', (text) => `${plain('kind: Secret # mine')}--- # theirs\n${text}`],
      ['with quotes and the line ends of Windows', () => plain(`kind: "Secret"`).replaceAll('\n', '\r\n')],
    ])('%s', (_, edit) => {
      withFile(file, edit, () => {
        const text = readFileSync(join(copy, file), 'utf8').split('\n');
        const { codes, output } = check();
        expect(codes[1]).toBe(1);
        const [found, ...more] = [
          ...output.matchAll(/^::error file=([^,]+),line=(\d+)::a Secret that is not encrypted$/gm),
        ];
        expect({ file: found?.[1], line: text[Number(found?.[2]) - 1], more }).toEqual({
          file,
          line: expect.stringMatching(/^kind: /) as unknown,
          more: [],
        });
      });
    });
  });
});
