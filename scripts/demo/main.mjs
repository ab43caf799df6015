// Starts Redis, the example backend and `countersign run examples/quickstart`, sends the demo's requests
// and prints what came of each. Ends with 1 if any row is not what it must be.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { findRedisServer } from '../../dist/app/binaries/redis.js';
import { demoRequests } from './requests.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const serve = process.argv.includes('--serve'); // parsed by scripts/demo.mjs
const work = mkdtempSync(join(tmpdir(), 'countersign-demo-'));
const children = [];
const runs = (child) => child.exitCode === null && child.signalCode === null;

/** One Ctrl-C comes from the terminal, from npm and from the script that started this: within this time it is one. */
const SAME_WISH_MS = 1_000;
let endedMs;
/** The exit code once the table is printed, and only the serving goes on. */
let served;
let end;
/** Resolves to the exit code when somebody wants this to end: by a signal, or by reading no further (`| head`). */
const ended = new Promise((resolve) => {
  end = (exitCode) => {
    if (endedMs === undefined) {
      endedMs = performance.now();
      resolve(exitCode);
      // The second wish is to end at once, which is the gateway's second signal too.
    } else if (performance.now() - endedMs >= SAME_WISH_MS) for (const child of children) child.kill('SIGTERM');
  };
});
process.on('SIGINT', () => end(served ?? 130));
process.on('SIGTERM', () => end(served ?? 143));
process.on('SIGHUP', () => end(served ?? 129));
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => end(1));
// Whatever happens here, nothing may be left behind.
process.on('exit', () => children.filter(runs).forEach((child) => child.kill('SIGTERM')));

// Own process groups: Ctrl-C reaches this process alone, which then ends them in order.
const start = (command, args, env = {}) => {
  if (endedMs !== undefined) throw new Error('ended during the start');
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  children.push(child);
  return child;
};
const stop = async () => {
  for (const child of children.reverse()) {
    if (!runs(child)) continue;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }
  rmSync(work, { recursive: true, force: true });
};
const freePort = (wanted = 0) =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(wanted, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
const waitForLine = (child, pattern, name) =>
  new Promise((resolve, reject) => {
    const seen = [];
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => {
      seen.push(line);
      if (pattern.test(line)) resolve(line);
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}:\n${seen.slice(-15).join('\n')}`)));
  });

/** Cuts and pads to a column's width. */
const cell = (text, width) => (text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width));

async function main() {
  const [redisPort, backendPort, adminPort] = [await freePort(), await freePort(), await freePort()];
  const httpPort = await freePort(8080).catch(() => freePort());

  const redis = start(await findRedisServer({ log: (line) => console.log(`    ${line}`) }), [
    '--port',
    String(redisPort),
    '--bind',
    '127.0.0.1',
    '--dir',
    work,
    '--save',
    '',
    '--appendonly',
    'no',
  ]);
  await waitForLine(redis, /[Rr]eady to accept connections/, 'Redis');
  const backend = start(process.execPath, [join(root, 'examples/backends/node/server.mjs')], {
    PORT: String(backendPort),
  });
  await waitForLine(backend, /listens/, 'the backend');

  const stateDir = join(work, 'state');
  const gateway = start(process.execPath, [
    join(root, 'dist/cli/main.js'),
    'run',
    'examples/quickstart',
    '--http-port',
    String(httpPort),
    '--admin-port',
    String(adminPort),
    '--state-dir',
    stateDir,
    '--log-format',
    'json',
    '--redis-url',
    `redis://127.0.0.1:${redisPort}`,
    '--service',
    `shop/orders:8080=127.0.0.1:${backendPort}`,
  ]);
  const accessLog = [];
  let errors = '';
  let quiet = true; // while the table is printed; then what the gateway says is shown
  createInterface({ input: gateway.stdout }).on('line', (line) => {
    if (!line.startsWith('{')) return;
    const entry = JSON.parse(line);
    accessLog.push(entry);
    if (!quiet) console.log(`${entry.method} ${entry.path} ${entry.status} ${entry.reason ?? ''}`);
  });
  createInterface({ input: gateway.stderr }).on('line', (line) => {
    errors += `${line}\n`;
    const { level, msg } = tryJson(line) ?? { level: 'error', msg: line };
    if (/^install/.test(msg)) console.log(`    ${msg}`);
    else if (!quiet && level !== 'debug') console.log(level === 'info' ? msg : `${level.toUpperCase()} ${msg}`);
  });
  for (;;) {
    if (!runs(gateway)) throw new Error(`countersign run ended:\n${errors}`);
    const ready = await fetch(`http://127.0.0.1:${adminPort}/readyz`).then(
      (r) => r.ok,
      () => false,
    );
    if (ready) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }

  const generated = readdirSync(stateDir, { recursive: true })
    .filter((file) => file.endsWith('.yaml'))
    .flatMap((file) => parseAllDocuments(readFileSync(join(stateDir, file), 'utf8')).map((document) => document.toJS()))
    .find((secret) => secret.kind === 'Secret' && secret.metadata.name.includes('new-partner'));
  const plain = (name) => generated.stringData?.[name] ?? Buffer.from(generated.data[name], 'base64').toString();
  const endpoint = `http://127.0.0.1:${httpPort}`;

  console.log(
    `\n${cell('request', 53)} ${cell('status', 6)} ${cell('reason', 18)} ${cell('limit headers', 24)} what the backend saw`,
  );
  console.log('-'.repeat(141));
  let wrong = 0;
  const rows = demoRequests(endpoint, { keyId: plain('keyId'), secret: plain('secret') });
  for (const row of rows) {
    const before = accessLog.length;
    const answer = await row.send();
    const deadline = Date.now() + 5000;
    while (accessLog.length === before && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20));
    const entry = accessLog[before] ?? {};
    const reason = entry.reason ?? '';
    const header = (name) => answer.headers.get?.(name) ?? answer.headers[name];
    const used = header('x-ratelimit-used');
    const limits = used ? `${header('x-ratelimit-limit')} a minute, used ${used}` : '';
    const body = typeof answer.body === 'string' ? tryJson(answer.body) : answer.body;
    const saw = body?.gatewaySignature;
    const backendText = !saw
      ? '(not reached)'
      : `${body.method} ${body.path}${saw.valid ? `, signed by ${saw.keyId}` : ''}`;
    const good =
      answer.status === row.status &&
      reason === row.reason &&
      Boolean(saw) === (row.status === 200) &&
      (!row.backendSigned || saw?.valid === true) &&
      (!row.limits || Boolean(used));
    if (!good) wrong += 1;
    console.log(
      `${good ? ' ' : '!'}${cell(row.title, 52)} ${cell(String(answer.status), 6)} ${cell(reason, 18)} ${cell(limits, 24)} ${backendText}${good ? '' : `   EXPECTED ${row.status} ${row.reason}`}`,
    );
  }
  console.log(`\n${rows.length - wrong} of ${rows.length} requests had the right outcome.`);

  if (serve) {
    console.log(`
The gateway keeps running at ${endpoint} (admin: http://127.0.0.1:${adminPort}/status). In another terminal:

  curl -s ${endpoint}/orders/healthz

  eval curl -s $(npm run -s countersign -- sign --curl --dialect Huawei --key-id HWQUICKSTART00000001 \\
    --secret quickstart-huawei-secret-00001 ${endpoint}/orders/v1/orders)

Edit a file in examples/quickstart: the change is live in under a second, and what is wrong with it is said here. Ctrl-C ends everything.`);
    quiet = false;
    served = wrong === 0 ? 0 : 1;
    await ended;
  }
  return wrong === 0 ? 0 : 1;
}

const tryJson = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const running = main().catch((error) => {
  if (endedMs === undefined) console.error(`\n${error.stack ?? error}`);
  return 1;
});
const exitCode = await Promise.race([running, ended]);
await stop();
process.exit(exitCode);
