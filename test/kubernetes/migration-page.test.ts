/** The objects of docs/migration.md, and the keys that its script makes, given to a real API server by kubectl. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { codeBlocks, readPage } from '../support/code-blocks.js';
import { findKubeBinaries, startKubeApiServer, type KubeApiServer } from '../support/kubernetes/kube-api-server.js';
import { connectAs, createNamespace, installCrds, type KubeUser } from '../support/kubernetes/kube-operator.js';
import { createKubectl, findKubectl, type Kubectl } from '../support/kubernetes/kubectl.js';

const page = readPage('migration.md');
const binaries = findKubeBinaries();
const found = findKubectl();

if (typeof binaries === 'string' || typeof found === 'string') {
  const missing = [binaries, found].filter((each) => typeof each === 'string').join('; ');
  describe.skip(`docs/migration.md: not run, ${missing}`, () => test('applied', () => undefined));
} else {
  describe('docs/migration.md', () => {
    let server: KubeApiServer;
    let admin: KubeUser;
    let kubectl: Kubectl;

    beforeAll(async () => {
      server = await startKubeApiServer(binaries);
      await installCrds(server);
      await createNamespace(server, 'shop');
      admin = await connectAs(server, server.token);
      kubectl = createKubectl(found.path, admin.kubeconfig);
    }, 120_000);
    afterAll(async () => {
      await admin?.close();
      await server?.stop();
    });

    test('has objects that the API server admits', async () => {
      const text = codeBlocks(page, 'yaml').join('---\n');
      expect(await kubectl(['apply', '--server-side', '-f', '-'], text)).toMatchObject({ exitCode: 0, stderr: '' });
    });

    test('imports keys with secrets that stand in no annotation', async () => {
      const [script, keys] = [codeBlocks(page, 'python')[0]!, codeBlocks(page, 'csv')[0]!];
      const text = execFileSync('python3', ['-c', script, 'shop'], { input: keys, encoding: 'utf8' });
      const [command] = /kubectl apply .*/.exec(page)!;
      expect(await kubectl(command.split(' ').slice(1), text)).toMatchObject({ exitCode: 0, stderr: '' });
      const { stdout } = await kubectl(['get', 'secret', 'partner-c', '-n', 'shop', '-o', 'json']);
      const { data, metadata } = JSON.parse(stdout) as {
        readonly data: Readonly<Record<string, string>>;
        readonly metadata: { readonly annotations?: object };
      };
      expect(Buffer.from(data['secret']!, 'base64').toString()).toBe('a secret, quoted #$%');
      expect(metadata.annotations).toBeUndefined();
    });
  });
}
