// How this process reaches the gateway: the address of its Service, a given URL, or a port that kubectl forwards.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { forward } from './forward.mjs';

const SETTLE_MS = 1_000;

/** @returns {Promise<{ url: string, close(): void, forwarded: boolean }>} */
export async function reachGateway(cluster, { namespace, service, given, portForward }) {
  if (given !== undefined) return { url: given, close() {}, forwarded: false };
  if (portForward) {
    const { port, close } = await forward(cluster, namespace, `service/${service}`, 'http');
    return { url: `http://127.0.0.1:${port}`, close, forwarded: true };
  }
  const { spec } = await cluster.json(`get service ${service} -n ${namespace}`);
  const port = spec.ports.find(({ name }) => name === 'http')?.port ?? spec.ports[0].port;
  return { url: `http://${spec.clusterIP}:${port}`, close() {}, forwarded: false };
}

/** Starts the load; `measure(body)` answers what became of the requests that were sent while `body` ran. */
export function startLoad(options) {
  const child = fork(fileURLToPath(new URL('load.mjs', import.meta.url)), [JSON.stringify(options)]);
  const ask = (type) =>
    new Promise((resolve, reject) => {
      const gone = (code) => reject(new Error(`the load generator ended with ${code}`));
      child.once('exit', gone);
      child.once('message', (figures) => {
        child.off('exit', gone);
        resolve(figures);
      });
      child.send({ type });
    });
  return {
    useSecret: (keyId, secret) => child.send({ type: 'key', keyId, secret }),
    /** Also of a body that failed: `error` is what it threw. What was sent since the last part belongs to this one. */
    async measure(body) {
      const outcome = await body().then(
        (found) => ({ found }),
        (error) => ({ error }),
      );
      // What is still under way when the change is over belongs to it.
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      return { ...outcome, ...(await ask('read')) };
    },
    /** What became of the requests after the last part, and `total`. */
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      const left = await ask('stop');
      await ended;
      return left;
    },
    kill: () => child.kill('SIGKILL'),
  };
}
