// HTTPS with a certificate out of a Secret, and another certificate in that Secret while the gateway serves.
import { createSender } from '../../test/conformance/send.mjs';
import { sign } from '../../test/conformance/sign.mjs';
import { selfSigned } from '../../test/support/certificate.ts';
import { createForwards } from './forward.mjs';
import { GATEWAY, HOST, JDCLOUD, LIST, NAMESPACE, OWN_LABELS, selectorOf } from './installation.mjs';
import { eventually } from './shell.mjs';

const SECRET = 'e2e-listener-tls';
const LISTENING_MS = 60_000;
/** The kubelet looks at mounted Secrets once a minute by default, and may know of a change as late as another one. */
const MOUNTED_MS = 150_000;

/** Flags of `helm upgrade`. */
export const HTTPS_FLAGS = `--set gateway.https.enabled=true --set gateway.https.tlsSecretName=${SECRET}`;

export function createHttps(cluster) {
  /** Its own authority: who verifies with it sees that very certificate or fails. */
  let certificate;

  async function renew() {
    const { privateKey, certificate: fresh } = selfSigned(HOST);
    const metadata = { name: SECRET, namespace: NAMESPACE, labels: OWN_LABELS };
    const stringData = { 'tls.crt': fresh, 'tls.key': privateKey };
    await cluster.apply([{ apiVersion: 'v1', kind: 'Secret', metadata, type: 'kubernetes.io/tls', stringData }]);
    certificate = fresh;
  }

  /** A signed request to each pod, and one to the Service, is answered under the latest certificate. */
  async function served(withinMs) {
    const forwards = createForwards(cluster, NAMESPACE);
    try {
      const names = await cluster.pods(NAMESPACE, selectorOf('gateway'));
      if (names.length === 0) throw new Error('the gateway has no pods');
      for (const target of [...names.map((name) => `pod/${name}`), `service/${GATEWAY}`])
        await eventually(
          async () => {
            const gateway = new URL(`https://127.0.0.1:${await forwards.port(target, 'https')}`);
            const send = createSender({ gateway, ca: Buffer.from(certificate) });
            const request = sign({ dialect: 'JDCloud', key: JDCLOUD, endpoint: `https://${HOST}`, path: LIST });
            const { status, text } = await send(request).catch((error) => {
              throw new Error(`${target}: ${error.message}`, { cause: error });
            });
            if (status !== 200) throw new Error(`${target}: ${status} ${text}`);
          },
          { withinMs, everyMs: 500 },
        );
      return names.length;
    } finally {
      forwards.close();
    }
  }

  /** Which pods there are, and how often each container was started. */
  async function starts() {
    const { items } = await cluster.json(`get pods -n ${NAMESPACE} -l ${selectorOf('gateway')}`);
    return items
      .map(({ metadata, status }) => {
        const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
        return [metadata.uid, ...containers.map(({ name, restartCount }) => `${name} ${restartCount}`)].join(' ');
      })
      .sort()
      .join('\n');
  }

  return {
    /** The release has HTTPS with a certificate of somebody: it stays as it is. */
    async isTaken() {
      const { spec } = await cluster.json(`get deployment ${GATEWAY} -n ${NAMESPACE}`);
      const mounted = spec.template.spec.volumes.find(({ name }) => name === 'listener-tls')?.secret.secretName;
      return mounted !== undefined && mounted !== SECRET;
    },
    /** Before the upgrade: pods wait for a Secret that they mount. */
    prepare: renew,
    async answers() {
      return `${await served(LISTENING_MS)} pods and the Service`;
    },
    async renewed() {
      const before = await starts();
      const startedMs = performance.now();
      await renew();
      const pods = await served(MOUNTED_MS);
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
      const after = await starts();
      if (after !== before) throw new Error(`pods were started:\n${before}\nbefore,\n${after}\nafter`);
      return `shown by ${pods} pods ${seconds} s after the Secret changed, no container was started`;
    },
  };
}
