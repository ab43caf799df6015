// Keys that rotate while requests are signed with them.
import { createSender } from '../../test/conformance/send.mjs';
import { sign } from '../../test/conformance/sign.mjs';
import { HOST, HUAWEI, LIST } from './installation.mjs';
import { delay, eventually } from './shell.mjs';

const EFFECTIVE_MS = 20_000;
const HOUR_MS = 3_600_000;

/** @param {{ cluster: object, gateway: string, useSecret: (keyId: string, secret: string) => void }} options */
export function createRotations({ cluster, gateway, useSecret }) {
  const send = createSender({ gateway: new URL(gateway) });
  async function answers(status, key) {
    const answer = await send(sign({ dialect: 'Huawei', key, endpoint: `http://${HOST}`, path: LIST }));
    if (answer.status !== status) throw new Error(`${answer.status}, not ${status}: ${answer.text}`);
  }
  const becomes = (status, key) => eventually(() => answers(status, key), { withinMs: EFFECTIVE_MS });

  return {
    async imported() {
      const { keyId, secret: previousSecret } = HUAWEI;
      const fresh = { keyId, secret: 'quickstart-huawei-secret-00002' };
      const rotate = (graceMs) =>
        cluster.apply([
          {
            apiVersion: 'v1',
            kind: 'Secret',
            metadata: { name: 'huawei-app', namespace: 'mobile' },
            type: 'countersign.dev/signature-key',
            stringData: { ...fresh, previousSecret, previousNotAfter: new Date(Date.now() + graceMs).toISOString() },
          },
        ]);
      await rotate(HOUR_MS);
      await becomes(200, fresh);
      // The load signs with the old secret still, then with the new one; neither may be refused by any authorizer.
      await delay(2_000);
      useSecret(keyId, fresh.secret);
      await delay(1_000);
      await rotate(-1_000);
      await becomes(401, HUAWEI);
      return 'the old secret is refused';
    },

    async generated() {
      const current = async () => {
        const { status } = await cluster.json('get signaturekey new-partner -n mobile');
        const { data } = await cluster.json(`get secret ${status.secretName} -n mobile`);
        const plain = (name) => Buffer.from(data[name] ?? '', 'base64').toString();
        return { keyId: plain('keyId'), secret: plain('secret') };
      };
      const raise = (rotation) => {
        const patch = JSON.stringify({ spec: { rotation } });
        return cluster.kubectl(['patch', 'signaturekey', 'new-partner', '-n', 'mobile', '--type=merge', '-p', patch]);
      };
      const first = await current();
      // Not authorized, so the status tells a secret that verifies (403) from one that does not (401).
      await becomes(403, first);
      await raise({ generation: 2, gracePeriod: '1h' });
      const second = await eventually(async () => {
        const found = await current();
        if (found.secret === first.secret) throw new Error('the secret was not rotated');
        return found;
      });
      await becomes(403, second);
      await answers(403, first);
      await raise({ generation: 3, gracePeriod: '0s' });
      await becomes(401, first);
      await becomes(401, second);
      return 'two generations verified, then one';
    },
  };
}
