import {
  existsSync,
  globSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load.js';
import { keyOf, SETTINGS, type Config, type Setting, type SettingCommand } from '../../src/config/settings.js';
import { REASONS } from '../../src/lib/reason.js';
import {
  certificateRules,
  CLUSTER_RULES,
  NAMESPACE_RULES,
  ownNamespaceRules,
} from '../../src/provider/kubernetes/rbac.js';
import { createMetrics } from '../../src/telemetry/metrics.js';
import { manifestsOf, renderObjects } from '../../scripts/chart/render.mjs';
import { findProgram } from '../support/find-program.js';
import {
  CHART,
  containersOf,
  helmTemplate,
  missing,
  NAMESPACE,
  nameOf,
  objectsOf,
  podsOf,
  render,
  ROOT,
  run,
  VALUE_SETS,
  type Container,
  type KubeObject,
} from './helm.js';

const GOLDEN = join(ROOT, 'test/chart/golden');
const updating = process.env['UPDATE_GOLDEN'] === '1';
const rendered = new Map<string, Promise<string>>();
/** Each value set is rendered once, without CRDs: those are the same in all. */
const renderSet = (name: string, file: string): Promise<string> => {
  const text = rendered.get(name) ?? render('--values', file, '--set', 'crds.enabled=false');
  rendered.set(name, text);
  return text;
};
const objectsOfSet = async (name: string): Promise<KubeObject[]> =>
  objectsOf(await renderSet(name, VALUE_SETS.find(([each]) => each === name)![1]));
const find = (objects: readonly KubeObject[], kind: string, name: string) =>
  objects.find((object) => object.kind === kind && object.metadata.name === name);

if (missing !== undefined)
  test.skip(`the chart: ${missing} found neither in KUBEBUILDER_ASSETS nor on PATH`, () => undefined);
else {
  describe.each(VALUE_SETS)('the value set %s', (name, file) => {
    test('passes helm lint --strict', async () => {
      const { code, stdout } = await run('helm', ['lint', '--strict', '--quiet', CHART, '--values', file]);
      expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    });

    test('renders what its golden file has', async () => {
      const text = await renderSet(name, file);
      const golden = join(GOLDEN, `${name}.yaml`);
      if (updating) writeFileSync(golden, text);
      expect(text).toBe(existsSync(golden) ? readFileSync(golden, 'utf8') : `${golden} is missing`);
    });

    test('names no object twice', async () => {
      const names = objectsOf(await renderSet(name, file)).map(nameOf);
      expect(names).toEqual([...new Set(names)]);
    });

    test('runs every container without root, writable root, capabilities or unknown system calls', async () => {
      for (const pod of podsOf(objectsOf(await renderSet(name, file))).values()) {
        expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
        for (const container of containersOf(pod).filter((each) => each.name !== 'shipper'))
          expect(container.securityContext).toEqual({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          });
      }
    });

    test('gives a token to the controller alone, and variables of Services to nobody', async () => {
      for (const [pod, spec] of podsOf(objectsOf(await renderSet(name, file)))) {
        expect([pod, spec.automountServiceAccountToken]).toEqual([pod, pod.endsWith('-controller')]);
        expect([pod, spec.enableServiceLinks]).toEqual([pod, false]);
      }
    });

    test('passes settings that the commands take', async () => {
      const commands = new Set(['controller', 'authorizer', 'bootstrap']);
      for (const pod of podsOf(objectsOf(await renderSet(name, file))).values())
        for (const container of containersOf(pod))
          if (commands.has(container.args?.[0] as SettingCommand)) expect(() => settingsOf(container)).not.toThrow();
    });
  });

  test('every golden file belongs to a value set', () => {
    const unclaimed = readdirSync(GOLDEN).filter((file) => !VALUE_SETS.some(([name]) => file === `${name}.yaml`));
    if (updating) for (const file of unclaimed) rmSync(join(GOLDEN, file));
    expect(updating ? [] : unclaimed).toEqual([]);
  });

  describe('the schema of values', () => {
    test.each([
      ['at the top', 'gatway.replicas=2', 'gatway'],
      ['in a component', 'controller.replica=2', 'replica'],
      ['below a component', 'gateway.service.typ=NodePort', 'typ'],
      ['three levels below', 'gateway.envoy.image.tga=x', 'tga'],
      ['in a mode', 'redis.external.tls.ca=x', 'ca'],
      ['in certificates', 'certificates.certManager.issuerRef.nam=x', 'nam'],
      ['in resources', 'gateway.envoy.resources.limts.memory=1Gi', 'limts'],
      ['in monitoring', 'monitoring.prometheusRule.label=x', 'label'],
    ])('refuses a misspelt value %s', async (_, value, word) => {
      const { code, stderr } = await helmTemplate('--set', value);
      expect(code).not.toBe(0);
      expect(stderr).toMatch(new RegExp(`additional propert(y|ies) '?${word}'?`, 'i'));
    });

    test.each([
      ['a mode that there is not', 'redis.mode=Cluster'],
      ['a number as text', 'controller.replicas=two'],
      ['a password in a URL', 'redis.external.url=redis://user:secret@redis:6379'],
      ['a host name claim without a namespace', 'hostnames={example.com}'],
      ['a digest of another kind', 'image.digest=md5:1'],
      ['a host that would be a flag of its own', 'backendHosts={a"\n            - "--hostnames=*=*}'],
      ['a suffix that ends its quotes', 'clusterDomain=cluster.local"'],
      ['a duration that the controller does not read', 'controller.lease.duration=1h'],
      ['a name that would be two', 'certificates.names.envoy=a\\,b'],
    ])('refuses %s', async (_, value) => {
      const { code, stderr } = await helmTemplate('--set', value);
      expect(code).not.toBe(0);
      expect(stderr).toContain("values don't meet the specifications");
    });

    test.each([
      ['https without a Secret', 'gateway.https.enabled=true', 'gateway.https.tlsSecretName is required'],
      ['no listener', 'gateway.http.expose=false', 'nothing would reach the gateway'],
      ['external Redis without an address', 'redis.mode=External', 'exactly one of url, sentinels and cluster'],
      ['existing certificates without Secrets', 'certificates.mode=Existing', 'certificates.existing.'],
      [
        'both kinds of monitors',
        'monitoring.serviceMonitor.enabled=true,monitoring.podMonitor.enabled=true',
        'scrape everything twice',
      ],
      ['two ports that are one', 'gateway.http.port=8081', 'must differ'],
      ['metrics at a port of callers', 'gateway.metricsPort=8080', 'must differ'],
      ['two ports of the controller that are one', 'controller.xdsPort=8081', 'controller.xdsPort and'],
      [
        'an admin port among those of the authorizers',
        'authorizer.mode=Deployment,authorizer.workers=4,authorizer.deployment.port=8078',
        'authorizer.adminPort 8081 is one of the ports 8078 to 8081',
      ],
      ['a leader that goes on too long', 'controller.lease.renewDeadline=15000ms', 'renewDeadline must be less than'],
      ['a leader that tries too seldom', 'controller.lease.retryPeriod=1m', 'retryPeriod must be less than'],
      ['a gateway that is killed while it drains', 'gateway.drainSeconds=45', 'gateway.drainSeconds must be less than'],
      [
        'authorizers that are killed while they drain',
        'authorizer.mode=Deployment,authorizer.deployment.drainSeconds=31',
        'authorizer.deployment.drainSeconds must be less than',
      ],
    ])('says what is missing with %s', async (_, value, message) => {
      const { code, stderr } = await helmTemplate('--set', value);
      expect(code).not.toBe(0);
      expect(stderr).toContain(message);
    });

    test.each([
      ['redis.external.url', '=rediss://redis:6379', 'redis.mode External'],
      ['redis.external.sentinels', '={sentinel:26379}', 'redis.mode External'],
      ['redis.external.auth.secretName', '=redis', 'redis.mode External'],
      ['redis.external.tls.enabled', '=true', 'redis.mode External'],
      [
        'redis.external.sentinelAuth.secretName',
        '=redis,redis.mode=External,redis.external.url=redis://redis:6379',
        'redis.external.sentinels',
      ],
      [
        'redis.external.tls.serverName',
        '=redis,redis.mode=External,redis.external.url=redis://redis:6379',
        'redis.external.tls.enabled',
      ],
      ['redis.trial.passwordSecretName', '=redis,redis.mode=None', 'redis.mode Trial'],
      ['redis.trial.persistence.storageClassName', '=fast', 'redis.trial.persistence.enabled'],
      ['gateway.https.tlsSecretName', '=listener', 'gateway.https.enabled'],
      ['gateway.http.nodePort', '=30080', 'gateway.service.type NodePort or LoadBalancer'],
      [
        'gateway.service.loadBalancerSourceRanges',
        '={203.0.113.0/24},gateway.service.type=NodePort',
        'gateway.service.type LoadBalancer',
      ],
      ['certificates.existing.envoySecret', '=envoy', 'certificates.mode Existing'],
      ['certificates.certManager.issuerRef.name', '=ours', 'certificates.mode CertManager'],
      ['monitoring.serviceMonitor.labels', '.release=prometheus', 'monitoring.serviceMonitor.enabled'],
      ['monitoring.podMonitor.labels', '.release=prometheus', 'monitoring.podMonitor.enabled'],
      ['monitoring.prometheusRule.labels', '.release=prometheus', 'monitoring.prometheusRule.enabled'],
      ['networkPolicy.gatewayFrom', '[0].podSelector.matchLabels.a=b', 'networkPolicy.enabled'],
      [
        'networkPolicy.authorizerFrom',
        '[0].podSelector.matchLabels.a=b,networkPolicy.enabled=true',
        'authorizer.mode Deployment',
      ],
      ['authorizer.deployment.autoscaling.enabled', '=true', 'authorizer.mode Deployment'],
      ['gateway.podDisruptionBudget.minAvailable', '=1', 'gateway.podDisruptionBudget.enabled'],
      ['gateway.autoscaling.behavior', '.scaleDown.stabilizationWindowSeconds=1', 'gateway.autoscaling.enabled'],
      ['userRoles.aggregate', '=true,userRoles.create=false', 'userRoles.create'],
    ])('passes over nothing in silence: %s%s', async (path, value, needs) => {
      const { code, stderr } = await helmTemplate('--set', `${path}${value}`);
      expect(code).not.toBe(0);
      expect(stderr).toContain(`${path} is set and would have no effect without ${needs}`);
    });

    test('is open only where Kubernetes has a type of its own', () => {
      const schema = parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as Schema;
      const own = openPaths(schema).filter((path) => !KUBERNETES_TYPES.test(path));
      expect(own).toEqual(['.global']);
    });

    test('accepts the values of the GitOps example, whose Redis is asked with its password over TLS', async () => {
      const values = join(ROOT, 'examples/gitops/platform/flux/values.yaml');
      const pods = podsOf(objectsOf(await render('--values', values)));
      const [controller] = pods.get('countersign-controller')!.containers;
      const authorizer = pods.get('countersign-gateway')!.initContainers!.find(({ name }) => name === 'authorizer');
      for (const container of [controller!, authorizer!]) {
        const { redisUrl, redisPasswordFile } = settingsOf(container);
        expect(redisUrl?.reveal()).toBe('rediss://redis.example.com:6379');
        expect(redisPasswordFile).toBe('/etc/countersign/redis/password');
      }
    });
  });

  describe('custom resource definitions', () => {
    const definitions = globSync('crds/*.yaml', { cwd: ROOT }).flatMap((path) =>
      objectsOf(readFileSync(join(ROOT, path), 'utf8')),
    );
    const withAnnotations = (annotations?: KubeObject['metadata']['annotations']) =>
      new Map(
        definitions.map((crd) => [
          nameOf(crd),
          { ...crd, metadata: { ...crd.metadata, ...(annotations && { annotations }) } },
        ]),
      );
    const rendered = async (...values: string[]) => {
      const crds = objectsOf(await render('--set', values.join(','))).filter(({ kind }) => kind.startsWith('Custom'));
      return new Map(crds.map((crd) => [nameOf(crd), crd]));
    };

    test('are those of crds/, to the last rule, and stay when the release goes', async () => {
      expect(definitions).toHaveLength(4);
      expect(await rendered('crds.enabled=true')).toEqual(withAnnotations({ 'helm.sh/resource-policy': 'keep' }));
    });

    test('go with the release, or do not come with it, where that is wanted', async () => {
      expect(await rendered('crds.keep=false')).toEqual(withAnnotations());
      expect(await rendered('crds.enabled=false')).toEqual(new Map());
    });
  });

  describe('rights', () => {
    test('the controller has those of the code in the cluster and in its own namespace', async () => {
      const objects = await objectsOfSet('default');
      const role = find(objects, 'Role', 'countersign-controller');
      expect(find(objects, 'ClusterRole', 'countersign-controller')?.['rules']).toEqual(CLUSTER_RULES);
      expect(role?.['rules']).toEqual([
        ...ownNamespaceRules('countersign-controller'),
        ...certificateRules('countersign'),
      ]);
    });

    test('it may not touch certificates that others make', async () => {
      const role = find(await objectsOfSet('existing-certificates'), 'Role', 'countersign-controller');
      expect(role?.['rules']).toEqual(ownNamespaceRules('countersign-controller'));
    });

    test('with watched namespaces it has Roles there and nothing is cluster-wide', async () => {
      const objects = await objectsOfSet('namespaced');
      expect(objects.filter(({ kind }) => kind.startsWith('Cluster'))).toEqual([]);
      const roles = objects.filter(({ kind, metadata }) => kind === 'Role' && metadata.name.endsWith('-objects'));
      expect(roles.map(({ metadata }) => metadata.namespace)).toEqual(['shop', 'mobile']);
      for (const { rules } of roles) expect(rules).toEqual(NAMESPACE_RULES);
    });
  });

  describe('the URLs in status have the scheme and port at which callers reach', () => {
    const secret = 'gateway.https.enabled=true,gateway.https.tlsSecretName=listener';
    test.each([
      ['the Service', '', 'http', 80],
      ['another port of the Service', 'gateway.http.servicePort=8000', 'http', 8000],
      ['its HTTPS', `${secret},gateway.https.servicePort=8443`, 'https', 8443],
      ['its HTTP, where that is preferred', `${secret},advertised.scheme=http`, 'http', 80],
      ['a load balancer that ends TLS', 'advertised.scheme=https', 'https', 443],
      ['a port that somebody forwards', 'advertised.port=30080', 'http', 30080],
      ['an Envoy of their own', 'authorizer.mode=Deployment,gateway.http.servicePort=8000', 'http', 80],
    ])('%s', async (_, values, scheme, port) => {
      const objects = objectsOf(await render('--set', `crds.enabled=false,tests.enabled=false,${values}`));
      const [controller] = podsOf(objects).get('countersign-controller')!.containers;
      expect(controller?.args).toEqual(
        expect.arrayContaining([`--advertised-scheme=${scheme}`, `--advertised-port=${String(port)}`]),
      );
    });
  });

  test('the policy on deleting keys makes an exception for the key of the test, where there is one', async () => {
    const conditions = async (...values: string[]) => {
      const objects = objectsOf(await render('--set', ['admissionPolicy.enabled=true', ...values].join(',')));
      const policy = find(objects, 'ValidatingAdmissionPolicy', 'countersign-keys');
      return (policy?.['spec'] as { matchConditions: { name: string; expression: string }[] }).matchConditions;
    };
    expect(await conditions('watchNamespaces={shop}')).toContainEqual({
      name: 'not-of-helm-test',
      expression: "!(oldObject.metadata.namespace == 'shop' && oldObject.metadata.name == 'countersign-test')",
    });
    expect((await conditions('tests.enabled=false')).map(({ name }) => name)).toEqual(['not-collected']);
  });

  describe("Envoy's own metrics", () => {
    const objectsWith = async (values: string): Promise<KubeObject[]> => objectsOf(await render('--set', values));
    const stats = { port: 'stats', path: '/stats/prometheus', interval: '30s' };
    const endpointsOf = (objects: readonly KubeObject[], kind: string, name: string): unknown => {
      const spec = find(objects, kind, name)?.['spec'] as Record<string, unknown> | undefined;
      return spec?.['endpoints'] ?? spec?.['podMetricsEndpoints'];
    };

    test('are served where the bootstrap says, and scraped there', async () => {
      for (const [monitor, kind, name] of [
        ['serviceMonitor', 'ServiceMonitor', 'countersign-gateway'],
        ['podMonitor', 'PodMonitor', 'countersign'],
      ] as const) {
        const objects = await objectsWith(`gateway.metricsPort=9999,monitoring.${monitor}.enabled=true`);
        const pod = podsOf(objects).get('countersign-gateway')!;
        expect(settingsOf(pod.initContainers![0]!)).toMatchObject({ statsPort: 9999, statsAddress: '0.0.0.0' });
        expect(pod.containers[0]?.ports).toContainEqual({ name: 'stats', containerPort: 9999 });
        expect(endpointsOf(objects, kind, name)).toContainEqual(stats);
      }
    });

    test('are nowhere where that is not wanted, and not looked for beside other components', async () => {
      const none = await objectsWith('gateway.metricsPort=null,monitoring.serviceMonitor.enabled=true');
      expect(JSON.stringify(none)).not.toMatch(/"stats"|--stats-/);
      const some = await objectsWith('monitoring.serviceMonitor.enabled=true');
      expect(endpointsOf(some, 'ServiceMonitor', 'countersign-controller')).toHaveLength(1);
    });

    test('are for those alone that may read metrics', async () => {
      const objects = await objectsWith(
        'networkPolicy.enabled=true,networkPolicy.metricsFrom[0].podSelector.matchLabels.a=b',
      );
      const { ingress } = find(objects, 'NetworkPolicy', 'countersign-gateway')?.['spec'] as { ingress: unknown[] };
      expect(ingress).toEqual([
        { ports: [{ port: 'http' }] },
        { ports: [{ port: 'admin' }, { port: 'stats' }], from: [{ podSelector: { matchLabels: { a: 'b' } } }] },
      ]);
    });
  });

  test('a pod of the gateway is ready when the port is open that is offered', async () => {
    const tls = 'gateway.https.enabled=true,gateway.https.tlsSecretName=listener';
    const portOf = async (values: string): Promise<unknown> => {
      const pod = podsOf(objectsOf(await render('--set', values))).get('countersign-gateway')!;
      return pod.containers.find(({ name }) => name === 'envoy')?.readinessProbe?.tcpSocket?.port;
    };
    expect(await portOf('gateway.http.expose=true')).toBe('http');
    expect(await portOf(tls)).toBe('https');
    expect(await portOf(`${tls},gateway.http.expose=false`)).toBe('https');
  });

  describe('the end of a pod of the gateway', () => {
    test('comes to Envoy first, which is asked to drain, and to its authorizers when it has ended', async () => {
      const pod = podsOf(await objectsOfSet('default')).get('countersign-gateway')!;
      const authorizer = pod.initContainers?.find(({ name }) => name === 'authorizer');
      const envoy = pod.containers.find(({ name }) => name === 'envoy');
      // Only a sidecar by restartPolicy gets its signal after the containers.
      expect(authorizer?.restartPolicy).toBe('Always');
      expect(authorizer?.lifecycle).toMatchObject({
        preStop: { exec: { command: ['/nodejs/bin/node', '--eval', expect.stringContaining('/healthcheck/fail')] } },
      });
      expect(envoy?.lifecycle).toEqual({ preStop: { sleep: { seconds: 15 } } });
      expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(15 + 5);
    });

    test.each([
      ['a gateway', 'gateway.drainSeconds=0', 'countersign-gateway', 'envoy'],
      [
        'an authorizer',
        'authorizer.mode=Deployment,authorizer.deployment.drainSeconds=0',
        'countersign-authorizer',
        'authorizer',
      ],
    ])('has no wait of 0 s for %s, which Kubernetes before 1.33 refuses', async (_, values, pod, name) => {
      const pods = podsOf(objectsOf(await render('--set', values)));
      const container = pods.get(pod)!.containers.find((each) => each.name === name);
      expect(container).toBeDefined();
      expect(container?.lifecycle).toBeUndefined();
    });
  });

  test('alerts name metrics and reasons that exist', async () => {
    const alerts = parse(readFileSync(join(CHART, 'files/alerts.yaml'), 'utf8')) as { expr: string }[];
    const known = await createMetrics({ processMetrics: false }).render();
    for (const { expr } of alerts) {
      // From nothing to 1 is no increase: what an alert waits for must be there as 0.
      for (const [, metric] of expr.matchAll(/(?:rate|increase)\((countersign_\w+_total)\b/g))
        expect(known).toMatch(new RegExp(`^${metric}(\\{.*\\})? 0$`, 'm'));
      for (const [metric] of expr.matchAll(/countersign_\w+/g))
        expect(known).toContain(`# TYPE ${metric.replace(/_bucket$/, '')} `);
      for (const reason of /reason=~"([^"]+)"/.exec(expr)?.[1]?.split('|') ?? []) {
        expect(Object.keys(REASONS)).toContain(reason);
        expect(known).toContain(`reason="${reason}",dialect="Huawei"} 0`);
      }
    }
    expect(alerts.length).toBeGreaterThan(0);
  });

  describe('manifests', () => {
    const read = (name: string) => readFileSync(join(ROOT, 'manifests', name), 'utf8');

    const byName = (text: string) => new Map(objectsOf(text).map((object) => [nameOf(object), object]));
    const bases = readdirSync(join(ROOT, 'manifests/bases'));
    async function build(folder: string): Promise<string> {
      const { code, stdout, stderr } = await run('kubectl', ['kustomize', folder]);
      expect({ folder, code, stderr }).toEqual({ folder, code: 0, stderr: '' });
      return stdout;
    }
    async function buildOverlay(overlay: unknown): Promise<string> {
      const folder = realpathSync(mkdtempSync(join(tmpdir(), 'countersign-overlay-')));
      try {
        const text = JSON.stringify(overlay, (key, value: unknown) =>
          key === 'resources' ? (value as string[]).map((path) => relative(folder, join(ROOT, path))) : value,
        );
        writeFileSync(join(folder, 'kustomization.yaml'), text);
        return await build(folder);
      } finally {
        rmSync(folder, { recursive: true });
      }
    }

    test('are what the chart renders by default', () => {
      const wanted = manifestsOf(renderObjects(findProgram('helm')!, CHART), read('crds.yaml'));
      const found = globSync('manifests/**/*.yaml', { cwd: ROOT }).filter((path) => path !== 'manifests/crds.yaml');
      expect(new Map(found.map((path) => [path, readFileSync(join(ROOT, path), 'utf8')]))).toEqual(wanted);
    });

    test('the bases build together to the definitions and the installation', async () => {
      const whole = byName(`${read('crds.yaml')}\n---\n${read('install.yaml')}`);
      expect(byName(await build(join(ROOT, 'manifests')))).toEqual(whole);
    });

    test('each base builds alone, and every object is in one of them', async () => {
      const built = await Promise.all(bases.map((base) => build(join(ROOT, 'manifests/bases', base))));
      const names = built.flatMap((text) => objectsOf(text).map(nameOf));
      const whole = objectsOf(`${read('crds.yaml')}\n---\n${read('install.yaml')}`).map(nameOf);
      expect(built.map((text) => objectsOf(text).length)).not.toContain(0);
      expect([...names].sort()).toEqual([...whole].sort());
    });

    test('an overlay takes the image from a registry of its own', async () => {
      const text = await buildOverlay({
        resources: ['manifests'],
        images: [{ name: 'ghcr.io/countersign/countersign', newName: 'registry.example.com/countersign' }],
      });
      const images = [...podsOf(objectsOf(text)).values()].flatMap(containersOf).map(({ image }) => image);
      expect(images.filter((image) => image?.startsWith('registry.example.com/countersign:'))).toHaveLength(3);
      expect(images.filter((image) => image?.includes('ghcr.io'))).toEqual([]);
    });

    describe('the overlay of docs/gitops.md, with a namespace, an image and a Redis of its own', () => {
      const document = readFileSync(join(ROOT, 'docs/gitops.md'), 'utf8');
      const { version } = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')) as { version: string };
      const overlay = parse(/```yaml\n(apiVersion: kustomize[^]*?)```/.exec(document)![1]!) as { resources: string[] };
      const address = /^https:\/\/github\.com\/countersign\/countersign\/\/(manifests\/bases\/[\w-]+)\?ref=v(.+)$/;
      const resources = overlay.resources.map((each) => address.exec(each)?.slice(1) ?? [each]);
      let text: string;
      beforeAll(async () => {
        text = await buildOverlay({ ...overlay, resources: resources.map(([path]) => path) });
      });

      test('names every base of this version but the Redis', () => {
        const wanted = bases.filter((base) => base !== 'redis').map((base) => [`manifests/bases/${base}`, version]);
        expect([...resources].sort()).toEqual(wanted.sort());
      });

      test('is in its namespace with everything, to the last address', () => {
        expect(text).not.toContain(NAMESPACE);
        const namespaces = objectsOf(text).map(({ metadata }) => metadata.namespace);
        expect(new Set(namespaces)).toEqual(new Set([undefined, 'edge']));
        expect(find(objectsOf(text), 'Namespace', 'edge')).toBeDefined();
        const binding = find(objectsOf(text), 'ClusterRoleBinding', 'countersign-controller');
        expect(binding?.['subjects']).toEqual([
          { kind: 'ServiceAccount', name: 'countersign-controller', namespace: 'edge' },
        ]);
        const [controller] = podsOf(objectsOf(text)).get('countersign-controller')!.containers;
        expect(settingsOf(controller!, 'edge').namespace).toBe('edge');
      });

      test('counts in its Redis, and makes none', () => {
        expect(text).not.toContain('countersign-redis');
        const containers = [...podsOf(objectsOf(text)).values()].flatMap(containersOf);
        const urls = containers
          .filter(({ args }) => args?.[0] === 'controller' || args?.[0] === 'authorizer')
          .map((container) => [container.name, settingsOf(container, 'edge').redisUrl?.reveal()]);
        expect(urls.sort()).toEqual([
          ['authorizer', 'rediss://redis.data.svc:6379'],
          ['controller', 'rediss://redis.data.svc:6379'],
        ]);
      });

      test('runs its image', () => {
        const images = [...podsOf(objectsOf(text)).values()].flatMap(containersOf).map(({ image }) => image);
        expect([...new Set(images)].sort()).toEqual([
          'docker.io/envoyproxy/envoy:distroless-v1.40.0',
          `registry.example.com/countersign:${version}`,
        ]);
      });
    });
  });
}

interface Schema {
  readonly type?: string | readonly string[];
  readonly additionalProperties?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

/** Values whose content the API server knows: parts of pods, rules of policies, labels. */
const KUBERNETES_TYPES =
  /\.(\w*(Labels|Annotations|labels|annotations)|nodeSelector|requests|limits|affinity|strategy|behavior|\w*[sS]ecurityContext|(extra(Env|Volumes|VolumeMounts|Containers|Rules|Objects)|tolerations|topologySpreadConstraints|metrics|metricRelabelings|\w+From)\[\])$/;

/** Objects that admit names which the schema does not have. */
function openPaths({ type, additionalProperties, properties = {}, items }: Schema, path = ''): string[] {
  const isObject = [type].flat().includes('object');
  return [
    ...(isObject && additionalProperties !== false ? [path] : []),
    ...Object.entries(properties).flatMap(([name, schema]) => openPaths(schema, `${path}.${name}`)),
    ...(items ? openPaths(items, `${path}[]`) : []),
  ];
}

/** As the process reads them in a pod of that namespace. @throws ConfigError */
function settingsOf({ args: [command, ...args] = [], env = [] }: Container, namespace = NAMESPACE): Config {
  const fields: Readonly<Record<string, string>> = { 'metadata.name': 'pod-0', 'metadata.namespace': namespace };
  const environment: Record<string, string> = {};
  // Kubernetes leaves a reference to a variable that is not there, or not yet, as it stands.
  const expanded = (text: string) =>
    text.replaceAll(/\$\((\w+)\)/g, (_, name: string) => {
      if (environment[name] === undefined) throw new Error(`no variable ${name} before ${text}`);
      return environment[name];
    });
  for (const { name, value, valueFrom } of env)
    environment[name] = value === undefined ? fields[valueFrom?.fieldRef?.fieldPath ?? '']! : expanded(value);

  const settings: readonly Setting[] = Object.values(SETTINGS);
  const flags: Record<string, string | string[]> = {};
  for (const arg of args.filter((each) => each.startsWith('--')).map(expanded)) {
    const [, flag = '', value = ''] = /^(--[a-z-]+)=(.*)$/.exec(arg) ?? [];
    const setting = settings.find((each) => each.flag === flag);
    if (!setting?.commands.includes(command as SettingCommand)) throw new Error(`${command} has no ${arg}`);
    const before = flags[keyOf(setting)];
    flags[keyOf(setting)] = setting.many ? [...(Array.isArray(before) ? before : []), value] : value;
  }
  return loadConfig({ flags, environment, workingFolder: '/' });
}
