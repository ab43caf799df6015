import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { runCli } from '../support/cli.js';
import { createNamespace } from '../support/kubernetes/kube-operator.js';
import { findKubeBinaries, startKubeApiServer, type KubeApiServer } from '../support/kubernetes/kube-api-server.js';
import { FOREIGN_DEFINITIONS } from './foreign-kinds.js';
import { CHART, missing, NAMESPACE, objectsOf, podsOf, render, ROOT, run, VALUE_SETS } from './helm.js';

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
      const foreign = FOREIGN_DEFINITIONS.map((each) => stringify(each)).join('---\n');
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

    describe('of the kinds of others', () => {
      const monitors = 'monitoring.podMonitor.enabled=true,monitoring.prometheusRule.enabled=true';
      const values = ['--set', `crds.enabled=false,certificates.mode=CertManager,${monitors}`];
      let text: string;
      beforeAll(async () => {
        const templates = ['certificates/cert-manager', 'monitoring/monitors', 'monitoring/prometheus-rule'];
        text = await render(...values, ...templates.flatMap((name) => ['--show-only', `templates/${name}.yaml`]));
      });

      test('accepts what users may write of them', async () => {
        const relabeling = '[{"action":"drop","sourceLabels":["__name__"],"regex":"nodejs_.*"}]';
        const rules = '[{"alert":"Mine","expr":"1 > 0","for":"1h30m","labels":{"severity":"info"}}]';
        const written = await render(
          ...[...values, '--set-json', `monitoring.podMonitor.metricRelabelings=${relabeling}`],
          ...['--set-json', `monitoring.prometheusRule.extraRules=${rules}`],
        );
        const { code, stderr } = await dryRun(written);
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      });

      test.each([
        ['a name of a Certificate', 'dnsNames:', 'dnsName:', '.spec.dnsName: field not declared in schema'],
        ['one inside of it', 'rotationPolicy:', 'rotation:', '.spec.privateKey.rotation: field not declared in schema'],
        ['a usage', 'server auth', 'server', 'spec.usages[1]: Unsupported value: "server"'],
        ['what a Certificate needs', /secretName: countersign-envoy-tls/, '', 'spec.secretName: Required value'],
        ['the kind of an Issuer', 'selfSigned:', 'selfsigned:', '.spec.selfsigned: field not declared in schema'],
        ['what a PodMonitor needs', /podMetricsEndpoints:(\n {4}.*)*/, '', 'spec.podMetricsEndpoints: Required value'],
        ['a time', 'interval: 30s', 'interval: 30 seconds', 'spec.podMetricsEndpoints[0].interval: Invalid value'],
        [
          'a name of a rule',
          'expr: ',
          'expression: ',
          '.spec.groups[0].rules[0].expression: field not declared in schema',
        ],
      ])('refuses a mistake in %s', async (_, right, wrong, message) => {
        const mistaken = text.replace(right, wrong);
        expect(mistaken).not.toBe(text);
        const { code, stderr } = await dryRun(mistaken);
        expect(code).toBe(1);
        expect(stderr).toContain(message);
      });
    });

    /** What is said after an installation with the values of a set. */
    async function notesOf(name: string, ...flags: readonly string[]): Promise<string> {
      const file = VALUE_SETS.find(([each]) => each === name)![1];
      const { code, stdout, stderr } = await run('helm', [
        ...['install', 'countersign', CHART, '--namespace', NAMESPACE, '--kubeconfig', join(folder, 'kubeconfig')],
        ...['--values', file, '--set', 'crds.enabled=false', '--dry-run=server', ...flags],
      ]);
      expect({ code, stderr }).toMatchObject({ code: 0 });
      return stdout.slice(stdout.indexOf('\nNOTES:'));
    }

    test.each([
      ['memory', ['redis.mode None', 'controller.replicas is less than 2']],
      ['own-envoy-and-gateway', ['authorizer.deployment.tls false', 'redis.mode Trial']],
      ['production', []],
    ])('the notes of %s warn of what is risky', async (name, warnings) => {
      const notes = await notesOf(name);
      for (const warning of warnings) expect(notes).toContain(`\n- ${warning}`);
      if (warnings.length === 0) expect(notes).not.toContain('WARNINGS');
      expect(notes).toContain('The first signed request');
    });

    test('the notes say so where a policy shuts everybody out from metrics', async () => {
      const notes = await notesOf('default', '--set', 'networkPolicy.enabled=true');
      expect(notes).toContain('\n- networkPolicy.metricsFrom names nobody');
    });

    test('the notes say how to get the command, and not from where nothing of ours is published', async () => {
      const notes = await notesOf('default');
      expect(notes).toContain('ghcr.io/countersign/countersign:0.1.0\n\nIt is in no npm registry');
      expect(notes).not.toContain('npx');
    });

    describe('the notes say how callers reach the gateway', () => {
      const rewriting = 'must leave method, path, query, host and body as they came';
      const outside = 'Outside the cluster nobody reaches that';
      const given = { type: 'gateway.service.type=LoadBalancer', node: 'gateway.service.type=NodePort' };
      const https = 'gateway.http.expose=false,gateway.https.enabled=true,gateway.https.tlsSecretName=listener';
      test.each([
        [
          'nothing',
          '',
          [outside, 'set gateway.service.type to LoadBalancer, and gateway.https.enabled', 'port 80.'],
          [],
        ],
        ['HTTPS alone', https, ['set gateway.service.type to LoadBalancer; or', 'port 443.'], ['tlsSecretName']],
        ['another port', 'gateway.http.servicePort=8000,trustedHops=2', ['port 8000.', 'as trustedHops (now 2);'], []],
        ['a load balancer', given.type, ["jsonpath='{.status.loadBalancer.ingress}'"], [outside, 'an Ingress']],
        ['ports of nodes', given.node, ["jsonpath='{.spec.ports[*].nodePort}'"], [outside, 'an Ingress']],
      ])('with %s', async (_, values, says, leavesOut) => {
        const notes = await notesOf('default', '--set', values);
        for (const text of [rewriting, ...says]) expect(notes).toContain(text);
        for (const text of leavesOut) expect(notes).not.toContain(text);
      });

      test('unless there is none', async () => {
        expect(await notesOf('own-envoy')).not.toContain(rewriting);
      });
    });

    test.each(VALUE_SETS)('the notes of %s name only values that exist', async (name) => {
      const values = parse(await readFile(join(CHART, 'values.yaml'), 'utf8'), { maxAliasCount: -1 }) as object;
      // Parts of addresses, files, images and JSON paths are none.
      const named = [...(await notesOf(name)).matchAll(/(?<![\w./$'{-])[a-z]\w*(?:\.[a-z]\w*)+(?![\w./=:-])/g)].map(
        ([path]) => path.split('.'),
      );
      const ours = named.filter(([first = '']) => first in values);
      expect(ours.filter((path) => !hasPath(values, path)).map((path) => path.join('.'))).toEqual([]);
      if (name === 'default') expect(ours.length).toBeGreaterThan(3);
    });

    test.each([
      ['default', 'http://127.0.0.1:8080/v1/orders'],
      ['production', 'https://api.example.com:8080/v1/orders'],
    ])('the command in the notes of %s signs a request with the Secret of a key', async (name, url) => {
      const [, words = ''] = /\$\(countersign (sign .*)\)$/m.exec(await notesOf(name)) ?? [];
      const file = join(folder, 'key.yaml');
      // As kubectl prints it.
      const data = {
        keyId: Buffer.from('AKNOTES0000000000001').toString('base64'),
        secret: Buffer.from('secret-of-the-notes-00000001').toString('base64'),
      };
      const metadata = { name: 'partner-signature-key', namespace: 'shop' };
      const secret = { apiVersion: 'v1', kind: 'Secret', metadata, type: 'countersign.dev/signature-key', data };
      await writeFile(file, stringify(secret));
      const args = words
        .replace("'host: HOST'", 'host:HOST')
        .replaceAll('HOST', 'api.example.com')
        .replace('key.yaml', file)
        .replace('PATH', 'v1/orders')
        .split(' ');
      const done = await runCli(args);
      expect(done).toMatchObject({ exitCode: 0, stderr: '' });
      expect(done.stdout).toContain(url);
      expect(done.stdout).toMatch(/SDK-HMAC-SHA256 Access=AKNOTES0000000000001, SignedHeaders=\S*host/);
    });

    test.each(['own-envoy', 'own-envoy-and-gateway'])(
      'the command in the notes of %s prints the ports, the certificate and the name that its authorizers have',
      async (name) => {
        const [, words = ''] =
          /^ {2}countersign (render FOLDER(?:[^\n]*\\\n)*[^\n]*)$/m.exec(await notesOf(name)) ?? [];
        const args = words
          .replaceAll("'", '')
          .replace('FOLDER', join(ROOT, 'examples/quickstart'))
          .replaceAll('\\\n', ' ')
          .split(/ +/);
        const printed = await printedBy(args);
        const [authorizers, ...backends] = printed.clusters;
        const addresses = authorizers?.load_assignment.endpoints[0]?.lb_endpoints.map(
          ({ endpoint }) => endpoint.address.socket_address,
        );

        const file = VALUE_SETS.find(([each]) => each === name)![1];
        const objects = objectsOf(await render('--values', file, '--set', 'crds.enabled=false'));
        const service = objects.find(({ kind, metadata }) => kind === 'Service' && /-authorizer$/.test(metadata.name))!;
        const { ports } = service['spec'] as { ports: { name: string; port: number }[] };
        const domain = name === 'own-envoy' ? 'cluster.local' : 'corp.example';
        const host = `${service.metadata.name}.${NAMESPACE}.svc.${domain}`;
        expect(addresses).toEqual(
          ports.filter((port) => port.name !== 'admin').map(({ port }) => ({ address: host, port_value: port })),
        );

        // As the controller of the chart names them: else it has other routes.
        expect(JSON.stringify(backends)).toContain(`"orders.shop.svc.${domain}."`);
        const pods = podsOf(objects);
        const argsOf = (pod: string) => pods.get(pod)!.containers[0]!.args!;
        const tls = argsOf('countersign-authorizer').includes('--authz-tls=on');
        // The name for which the controller makes the certificate of authorizers.
        const named = argsOf('countersign-controller').find((arg) => arg.startsWith('--authorizer-name='));
        expect(authorizers?.transport_socket?.typed_config.sni).toBe(tls ? named?.split('=')[1] : undefined);
        expect(argsOf('countersign-authorizer').includes('--envoy-name=countersign-envoy')).toBe(tls);
      },
      30_000,
    );

    test('takes the plain manifests in one go, and a second time', async () => {
      for (const outcome of ['first', 'second']) {
        const { code, stderr } = await kubectl(['apply', '--server-side', '-k', join(ROOT, 'manifests')]);
        expect({ outcome, code, stderr }).toEqual({ outcome, code: 0, stderr: '' });
      }
    }, 60_000);
  });

const hasPath = (value: unknown, [first, ...rest]: readonly string[]): boolean =>
  first === undefined ||
  (typeof value === 'object' &&
    value !== null &&
    first in value &&
    hasPath((value as Record<string, unknown>)[first], rest));

interface Printed {
  readonly clusters: readonly {
    readonly load_assignment: {
      readonly endpoints: readonly {
        readonly lb_endpoints: readonly {
          readonly endpoint: { readonly address: { readonly socket_address: object } };
        }[];
      }[];
    };
    readonly transport_socket?: { readonly typed_config: { readonly sni?: string } };
  }[];
}

async function printedBy(args: readonly string[]): Promise<Printed> {
  const done = await runCli([...args, '--part', 'clusters', '--output', 'json']);
  expect(done).toMatchObject({ exitCode: 0 });
  return JSON.parse(done.stdout) as Printed;
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
