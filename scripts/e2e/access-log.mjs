// Follows the access log of every gateway pod while it lives, and remembers what was not answered with 200: why a
// request failed is known to Envoy and to nobody after its pod is gone.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const LOOK_MS = 1_000;

export function followAccessLogs(cluster, { namespace, selector }) {
  const children = new Map();
  const found = new Map();
  let stopped = false;

  async function look() {
    const names = await cluster.pods(namespace, selector).catch(() => []);
    for (const name of names) if (!stopped && !children.has(name)) follow(name);
    if (!stopped) timer = setTimeout(look, LOOK_MS);
  }
  function follow(name) {
    const args = ['logs', '--follow', '--tail=0', '--namespace', namespace, name, '--container', 'envoy'];
    const child = spawn('kubectl', args, { env: cluster.env, stdio: ['ignore', 'pipe', 'ignore'] });
    children.set(name, child);
    // Its container may not run yet.
    child.once('exit', (code) => code !== 0 && children.delete(name));
    child.once('error', () => undefined);
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.includes('"status":200')) return;
      try {
        const entry = JSON.parse(line);
        found.set(entry.request_id, { pod: name, ...entry });
      } catch {
        // Envoy's own log.
      }
    });
  }
  let timer = setTimeout(look, 0);

  return {
    /** What Envoy wrote of a request, shortly. */
    explain(text) {
      const id = /"requestId":"([^"]+)"/.exec(text)?.[1];
      const entry = found.get(id);
      if (!entry) return '';
      const { pod, flags, details, reason, decision, duration_ms: durationMs } = entry;
      return ` [${pod}: flags ${flags}, ${details}, decision ${decision}, reason ${reason}, ${durationMs} ms]`;
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      for (const child of children.values()) child.kill();
    },
  };
}
