// A port of a pod or Service on this machine, through kubectl: reaches it in any cluster, wherever the run is started.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** @returns {Promise<{ port: number, ended: boolean, close(): void }>} */
export async function forward(cluster, namespace, target, port) {
  const child = spawn('kubectl', ['port-forward', '--namespace', namespace, target, `:${port}`], {
    env: cluster.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // It ends by itself when nothing listens at the other end.
  let said = '';
  child.stderr.on('data', (chunk) => (said = `${said}${chunk}`.slice(-500)));
  const found = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`kubectl port-forward of ${target} ended with ${code}: ${said}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [, own] = /^Forwarding from 127\.0\.0\.1:(\d+)/.exec(line) ?? [];
      if (own) resolve(Number(own));
    });
  });
  return {
    port: found,
    get ended() {
      return child.exitCode !== null || child.signalCode !== null;
    },
    close: () => void child.kill(),
  };
}

/** Ports that are forwarded when they are first asked for, and again when that has ended. */
export function createForwards(cluster, namespace) {
  const open = new Map();
  return {
    async port(target, port) {
      const name = `${target} ${port}`;
      if (open.get(name)?.ended !== false) open.set(name, await forward(cluster, namespace, target, port));
      return open.get(name).port;
    },
    close() {
      for (const each of open.values()) each.close();
    },
  };
}
