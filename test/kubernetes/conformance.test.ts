import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { conformanceServices, failures, LEAST_CASES, runConformance } from '../support/conformance-suite.js';
import { build, startDataPlane, type DataPlane } from '../support/gateway/data-plane.js';
import { findKubeBinaries, startKubeApiServer, type KubeApiServer } from '../support/kubernetes/kube-api-server.js';
import {
  connectAs,
  createNamespace,
  grantOperator,
  installCrds,
  OPERATOR_NAMESPACE,
  type KubeUser,
} from '../support/kubernetes/kube-operator.js';
import { freePort } from '../support/ports.js';
import { startRedis, type RedisServer } from '../support/redis/redis.js';

const binaries = findKubeBinaries();
const kubectl = process.env['KUBEBUILDER_ASSETS'] ? join(process.env['KUBEBUILDER_ASSETS'], 'kubectl') : 'kubectl';

if (typeof binaries === 'string') {
  describe.skip(`the conformance suite: not run, ${binaries}`, () => test('operator', () => undefined));
} else {
  describe('the operator with the rights that ship, authorizers and Envoy', () => {
    let server: KubeApiServer;
    let operator: KubeUser;
    let tenants: KubeUser;
    let redis: RedisServer;
    let echoPort: number;
    const planes: DataPlane[] = [];
    const folders: string[] = [];

    beforeAll(async () => {
      await build();
      server = await startKubeApiServer(binaries, { users: { 'token-operator': 'operator' } });
      await installCrds(server);
      await createNamespace(server, OPERATOR_NAMESPACE);
      await grantOperator(server, 'operator');
      operator = await connectAs(server, 'token-operator');
      tenants = await connectAs(server, server.token);
      // Counters of several workers meet there, and quotas last.
      redis = await startRedis({ settings: ['--appendonly', 'yes'] });
      echoPort = await freePort();
    }, 180_000);
    afterAll(async () => {
      for (const plane of planes) await plane.close();
      for (const folder of folders) await rm(folder, { recursive: true, force: true });
      await operator?.close();
      await tenants?.close();
      await redis?.stop();
      await server?.stop();
    }, 60_000);

    const redisFlags = () => ['--redis-url', redis.url];
    const controllerFlags = () => [
      ...conformanceServices(echoPort).flatMap((each) => ['--service', each]),
      ...redisFlags(),
    ];

    /** Errors of the controller, besides mistakes in the objects, which every step of a random order has. */
    const faults = (plane: DataPlane): readonly string[] =>
      (plane.controller?.output() ?? '')
        .split('\n')
        .filter((line) => line.includes('"error":') || /"level":"(error|fatal)"/.test(line))
        .filter((line) => !/"msg":"error [A-Z]/.test(line));

    test('conform, and show the conditions that file mode shows', async () => {
      const plane = await startDataPlane({
        kubernetes: { kubeconfig: operator.kubeconfig, namespace: OPERATOR_NAMESPACE },
        controllerFlags: controllerFlags(),
        authorizerFlags: redisFlags(),
      });
      planes.push(plane);
      const inCluster = await runConformance([
        ...['--gateway', `http://127.0.0.1:${plane.httpPort}`, '--echo-port', String(echoPort)],
        ...['--kubeconfig', tenants.kubeconfig, '--kubectl', kubectl],
      ]);
      expect(failures(inCluster)).toEqual([]);
      expect(inCluster.results.length).toBeGreaterThan(LEAST_CASES);
      expect(faults(plane)).toEqual([]);

      const folder = await mkdtemp(join(tmpdir(), 'countersign-conformance-'));
      folders.push(folder);
      const filePlane = await startDataPlane({
        controllerFlags: ['--folder', folder, ...controllerFlags()],
        authorizerFlags: redisFlags(),
      });
      planes.push(filePlane);
      const inFolder = await runConformance([
        ...['--gateway', `http://127.0.0.1:${filePlane.httpPort}`, '--echo-port', String(echoPort)],
        ...['--folder', folder, '--admin', filePlane.adminUrl],
      ]);
      expect(failures(inFolder)).toEqual([]);
      expect(inFolder.conditions).toEqual(inCluster.conditions);
      expect(inFolder.results.map(({ name }) => name)).toEqual(inCluster.results.map(({ name }) => name));
    }, 300_000);
  });
}
