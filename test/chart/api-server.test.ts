import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createNamespace } from '../support/kube-operator.js';
import { findKubeBinaries, startKubeApiServer, type KubeApiServer } from '../support/kube-api-server.js';
import { CHART, missing, NAMESPACE, objectsOf, render, ROOT, run, VALUE_SETS } from './helm.js';

/** Kinds of others that the chart makes objects of; their own definitions are not at hand, so any content will do. */
const FOREIGN = [
  { group: 'monitoring.coreos.com', kinds: ['ServiceMonitor', 'PodMonitor', 'PrometheusRule'] },
  { group: 'cert-manager.io', kinds: ['Issuer', 'Certificate'] },
].flatMap(({ group, kinds }) => kinds.map((kind) => foreignDefinition(group, kind)));

const binaries = findKubeBinaries();
const reason = missing === undefined ? binaries : `${missing} found neither in KUBEBUILDER_ASSETS nor on PATH`;

if (typeof reason === 'string') test.skip(`the chart on an API server: ${reason}`, () => undefined);
else
  describe('a real API server', () => {
    let server: KubeApiServer;
    let folder: string;
    const kubectl = (args: readonly string[], input?: string) =>
      run('kubectl', ['--kubeconfig', join(folder, 'kubeconfig'), ...args], input);
    const dryRun = (text: string) =>
      kubectl(['apply', '--server-side', '--dry-run=server', '--validate=strict', '-f', '-'], text);

    beforeAll(async () => {
      server = await startKubeApiServer(reason);
      folder = await mkdtemp(join(tmpdir(), 'countersign-chart-'));
      await writeFile(join(folder, 'kubeconfig'), kubeconfigOf(server));
      for (const namespace of [NAMESPACE, 'shop', 'mobile']) await createNamespace(server, namespace);
      const foreign = FOREIGN.map((each) => stringify(each)).join('---\n');
      const crds = await readFile(join(ROOT, 'manifests/crds.yaml'), 'utf8');
      const installed = await kubectl(['apply', '--server-side', '-f', '-'], `${crds}\n---\n${foreign}`);
      if (installed.code !== 0) throw new Error(installed.stderr);
      await kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=20s']);
    }, 60_000);

    afterAll(async () => {
      await server?.stop();
      if (folder) await rm(folder, { recursive: true, force: true });
    });

    test.each(VALUE_SETS)(
      'accepts every object of the value set %s',
      async (_, file) => {
        const text = await render('--values', file, '--set', 'crds.enabled=false');
        const { code, stdout, stderr } = await dryRun(text);
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        expect(stdout.trim().split('\n')).toHaveLength(objectsOf(text).length);
      },
      30_000,
    );

    test('accepts the plain manifests', async () => {
      const install = await readFile(join(ROOT, 'manifests/install.yaml'), 'utf8');
      expect(await dryRun(install)).toMatchObject({ code: 0, stderr: '' });
    }, 30_000);

    test.each([
      ['memory', ['redis.mode None', 'controller.replicas is less than 2']],
      ['own-envoy-and-gateway', ['authorizer.deployment.tls false', 'redis.mode Trial']],
      ['production', []],
    ])('the notes of %s warn of what is risky', async (name, warnings) => {
      const file = VALUE_SETS.find(([each]) => each === name)![1];
      const { code, stdout, stderr } = await run('helm', [
        ...['install', 'countersign', CHART, '--namespace', NAMESPACE, '--kubeconfig', join(folder, 'kubeconfig')],
        ...['--values', file, '--set', 'crds.enabled=false', '--dry-run=server'],
      ]);
      expect({ code, stderr }).toMatchObject({ code: 0 });
      const notes = stdout.slice(stdout.indexOf('\nNOTES:'));
      for (const warning of warnings) expect(notes).toContain(`\n- ${warning}`);
      if (warnings.length === 0) expect(notes).not.toContain('WARNINGS');
      expect(notes).toContain('The first signed request');
    });
  });

function foreignDefinition(group: string, kind: string) {
  const plural = `${kind.toLowerCase()}s`;
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  };
}

const kubeconfigOf = ({ url, token, certificate }: KubeApiServer): string =>
  stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'test',
        cluster: { server: url, 'certificate-authority-data': Buffer.from(certificate).toString('base64') },
      },
    ],
    users: [{ name: 'test', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace: NAMESPACE } }],
    'current-context': 'test',
  });
