import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority } from '../support/certificate.js';
import { build, startProgram, type Program } from '../support/gateway/data-plane.js';
import { eventually } from '../support/eventually.js';
import { findKubeBinaries, startKubeApiServer, type KubeApiServer } from '../support/kubernetes/kube-api-server.js';
import {
  connectAs,
  createNamespace,
  grantOperator,
  installCrds,
  type KubeUser,
  LEASE_NAME,
  OPERATOR_NAMESPACE,
} from '../support/kubernetes/kube-operator.js';
import { freePort } from '../support/ports.js';
import { writeTlsFolder, type TlsFolder } from '../support/tls-folder.js';

const binaries = findKubeBinaries();

if (typeof binaries === 'string') {
  describe.skip(`the controller on a Kubernetes API: not run, ${binaries}`, () => test('runs', () => undefined));
} else {
  describe('the controller on a Kubernetes API, as a process with the rights that ship', () => {
    let server: KubeApiServer;
    let user: KubeUser;
    let folder: string;
    let tls: TlsFolder;
    const running: Program[] = [];

    beforeAll(async () => {
      [server, folder] = await Promise.all([
        startKubeApiServer(binaries, { users: { 'token-operator': 'operator', 'token-tenant': 'tenant' } }),
        mkdtemp(join(tmpdir(), 'countersign-operator-')),
        build(),
      ]);
      await installCrds(server);
      for (const name of ['shop', OPERATOR_NAMESPACE]) await createNamespace(server, name);
      await grantOperator(server, 'operator');
      user = await connectAs(server, 'token-operator');
      const authority = createAuthority();
      tls = await writeTlsFolder(folder, authority.issue('countersign-controller'), authority);
    }, 120_000);
    afterEach(async () => {
      for (const { child, exit } of running.splice(0)) {
        child.kill('SIGKILL');
        await exit;
      }
      for (const plural of ['signaturekeys', 'apigroups'])
        await server.request('DELETE', `/apis/countersign.dev/v1alpha1/namespaces/shop/${plural}`);
      await server.request('DELETE', leasePath);
    });
    afterAll(async () => {
      await user?.close();
      await server?.stop();
      await rm(folder, { recursive: true, force: true });
    });

    const leasePath = `/apis/coordination.k8s.io/v1/namespaces/${OPERATOR_NAMESPACE}/leases/${LEASE_NAME}`;
    const keys = '/apis/countersign.dev/v1alpha1/namespaces/shop/signaturekeys';

    interface Started extends Program {
      readonly admin: (path: string) => Promise<{ status: number; text: string }>;
    }
    async function start(...flags: readonly string[]): Promise<Started> {
      const adminPort = await freePort();
      const program = startProgram(
        'controller',
        ...['--kubeconfig', user.kubeconfig, '--xds-address', '127.0.0.1', '--xds-port', String(await freePort())],
        ...['--admin-port', String(adminPort), '--lease-duration', '3s', '--lease-renew-deadline', '2s'],
        ...['--lease-retry-period', '200ms', '--xds-cert', tls.certificatePath, '--xds-key', tls.privateKeyPath],
        ...['--xds-ca', tls.caPath, ...flags],
      );
      running.push(program);
      const admin = async (path: string) => {
        const response = await fetch(`http://127.0.0.1:${String(adminPort)}${path}`);
        return { status: response.status, text: await response.text() };
      };
      return { ...program, admin };
    }
    const ready = (program: Started) =>
      eventually(
        async () => {
          if (program.child.exitCode !== null) throw new Error(program.output());
          const { status, text } = await program.admin('/readyz');
          if (status !== 200) throw new Error(`${text}\n${program.output()}`);
        },
        { withinMs: 15_000, everyMs: 50 },
      );
    const leads = async (program: Started): Promise<boolean> =>
      (JSON.parse((await program.admin('/status')).text) as { leader: boolean }).leader;
    const createKey = async (name: string, fields: object = {}, namespace = 'shop'): Promise<void> => {
      const { status } = await server.request('POST', keys.replace('/shop/', `/${namespace}/`), {
        apiVersion: 'countersign.dev/v1alpha1',
        kind: 'SignatureKey',
        metadata: { name },
        spec: { usage: 'Caller', identity: 'SignatureKeyPair', type: 'HMAC', ...fields },
      });
      expect(status).toBe(201);
    };
    const statusOf = async (name: string) =>
      (await server.request('GET', `${keys}/${name}`)).body['status'] as
        { keyID?: string; conditions: { type: string; status: string; reason: string }[] } | undefined;

    test('generates the Secret of a key, tells its id in status, and says that nothing serves yet', async () => {
      await ready(await start());
      await createKey('mobile');
      await eventually(
        async () => {
          const status = await statusOf('mobile');
          expect(status?.keyID).toMatch(/^[A-Z0-9]{16,}$/i);
          expect(status?.conditions.map(({ type, status: is, reason }) => `${type}=${is} ${reason}`)).toEqual([
            'Accepted=True Accepted',
            'ResolvedRefs=True ResolvedRefs',
            'Programmed=Unknown NoDataPlane',
            'Ready=Unknown NoDataPlane',
          ]);
        },
        { withinMs: 15_000, everyMs: 50 },
      );
    }, 60_000);

    test('of two one leads; the other is ready too, and leads at once after SIGTERM of the first', async () => {
      const first = await start();
      await ready(first);
      await eventually(async () => expect(await leads(first)).toBe(true), { withinMs: 10_000 });
      const second = await start();
      await ready(second);
      expect(await leads(second)).toBe(false);
      expect((await second.admin('/metrics')).text).toContain('\ncountersign_leader 0\n');
      first.child.kill('SIGTERM');
      const toldAtMs = performance.now();
      expect(await first.exit).toEqual([0, null]);
      await eventually(async () => expect(await leads(second)).toBe(true), { withinMs: 10_000, everyMs: 20 });
      expect(performance.now() - toldAtMs).toBeLessThan(3_000);
      expect((await second.admin('/metrics')).text).toContain('\ncountersign_leader 1\n');
    }, 60_000);

    test('waits for the definitions, says that they are not installed, and leads when they are', async () => {
      const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
      await server.request('DELETE', definitions);
      await eventually(async () => expect((await server.request('GET', definitions)).body['items']).toEqual([]), {
        withinMs: 20_000,
        everyMs: 50,
      });
      const program = await start();
      const why = 'the API server has no signaturekeys.countersign.dev: install the CRDs';
      await eventually(
        async () => {
          const { status, text } = await program.admin('/readyz');
          expect({ status, text }).toEqual({
            status: 503,
            text: expect.stringContaining(`reading SignatureKey (${why})`),
          });
        },
        { withinMs: 10_000 },
      );
      await installCrds(server);
      // It has asked many times by then.
      expect(program.output().split(why)).toHaveLength(2);
      await ready(program);
      await createKey('later');
      await eventually(async () => expect((await statusOf('later'))?.keyID).toBeDefined(), { withinMs: 10_000 });
    }, 60_000);

    test('with a list of namespaces and Roles in them alone, reads and writes there and is refused nothing', async () => {
      await grantOperator(server, 'tenant', ['shop']);
      await createNamespace(server, 'closed');
      const tenant = await connectAs(server, 'token-tenant');
      try {
        const program = await start('--kubeconfig', tenant.kubeconfig, '--watch-namespace', 'shop');
        await ready(program);
        await createKey('mine');
        await createKey('theirs', {}, 'closed');
        await eventually(async () => expect((await statusOf('mine'))?.keyID).toBeDefined(), { withinMs: 15_000 });
        await createKey('unresolved', { keyID: 'AKIDunresolved', secretRef: { name: 'absent' } });
        await eventually(
          async () => {
            const path = '/apis/events.k8s.io/v1/namespaces/shop/events?fieldSelector=regarding.name=unresolved';
            const { items } = (await server.request('GET', path)).body as { items: { reason: string }[] };
            expect(items.map(({ reason }) => reason)).toEqual(['SecretNotFound']);
          },
          { withinMs: 10_000 },
        );
        expect(program.output()).not.toMatch(/forbidden|closed|"level":"(warn|error)"/);
      } finally {
        await tenant.close();
      }
    }, 60_000);

    test('waits for an API server that is away, says so, and ends on SIGTERM meanwhile', async () => {
      await server.stopApiServer();
      try {
        const program = await start();
        await eventually(
          async () => {
            const { status, text } = await program.admin('/readyz');
            expect({ status, text }).toEqual({ status: 503, text: expect.stringContaining('reading SignatureKey') });
          },
          { withinMs: 10_000 },
        );
        program.child.kill('SIGTERM');
        expect(await program.exit).toEqual([0, null]);
      } finally {
        await server.startApiServer();
      }
    }, 60_000);
  });
}
