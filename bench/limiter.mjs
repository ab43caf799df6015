// Decisions per second and CPU per decision of the counter store, beside rate-limiter-flexible on the same Redis (or
// Valkey) in the same run: one rate; a rate and a quota; and what we decide per request, which has no counterpart
// there. Figures are medians of rounds that take turns; CPU is that of this process and of the server.
// Usage: npm run bench:limiter [-- --decisions 30000 --in-flight 64]
import { createClient } from '@redis/client';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RateLimiterRedis } from 'rate-limiter-flexible';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { createRedisStore } = await import(join(root, 'dist/ratelimit/redis/store.js'));
const { findRedisServer } = await import(join(root, 'dist/app/binaries/redis.js'));

const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const DECISIONS = option('decisions', 30_000);
const IN_FLIGHT = option('in-flight', 64);
const ROUNDS = 5;
const CALLERS = 1000;
const TICKS_PER_SECOND = 100; // USER_HZ of every Linux that Node runs on

const freePort = () =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
const until = async (condition) => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
};
const hex = (text) => createHash('md5').update(text).digest('hex');
const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const cpuSecondsOf = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
};

const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
const port = await freePort();
const executable = await findRedisServer({ log: console.error });
const server = spawn(executable, ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', ''], {
  stdio: 'ignore',
});
const client = createClient({ url: `redis://127.0.0.1:${port}` });
client.on('error', () => undefined);
await client.connect();
const store = createRedisStore({ url: `redis://127.0.0.1:${port}`, commandTimeoutMs: 10_000 });
await until(() => store.health().healthy);

// With this client the library would send the text of its script each time; it gets EVALSHA, as it has elsewhere.
const scripts = new Map();
const theirClient = {
  defineCommand: (name, { lua }) => scripts.set(name, lua),
  async rlflxIncr([key, ...args]) {
    const lua = scripts.get('rlflxIncr');
    this.sha ??= await client.scriptLoad(lua);
    return client.evalSha(this.sha, { keys: [key], arguments: args });
  },
};
const theirs = (keyPrefix, points, duration) =>
  new RateLimiterRedis({ storeClient: theirClient, keyPrefix, points, duration });
const perSecond = theirs('rate', 1_000_000, 1);
const perDay = theirs('quota', 1_000_000_000, 86_400);

const callers = Array.from({ length: CALLERS }, (_, i) => hex(`caller ${i}`));
const rate = (caller) => ({
  counter: hex(`${caller} rate`),
  requests: 1_000_000,
  intervalMs: 1000,
  burst: 1_000_000,
  shadow: false,
});
const quota = (caller, period = 'Day', timeZone = 'UTC') => ({
  counter: hex(`${caller} ${period}`),
  limit: 1_000_000_000,
  period,
  timeZone,
  shadow: false,
});
const once = (make) => {
  const made = new Map(callers.map((caller) => [caller, make(caller)]));
  return (caller) => made.get(caller);
};
const one = once((caller) => ({ subject: caller, token: 't', rates: [rate(caller)], quotas: [] }));
const two = once((caller) => ({ subject: caller, token: 't', rates: [rate(caller)], quotas: [quota(caller)] }));
const full = once((caller) => ({
  subject: caller,
  rates: [rate(caller)],
  quotas: [quota(caller), quota(caller, 'Month', 'Asia/Shanghai')],
}));
const nonce = () => ({ token: 't', replay: { marker: randomBytes(16).toString('hex'), ttlMs: 60_000 } });

const variants = [
  { group: 'one rate', name: 'rate-limiter-flexible', decide: (caller) => perSecond.consume(caller) },
  { group: 'one rate', name: 'countersign', decide: (caller) => store.admit(one(caller)) },
  {
    group: 'a rate and a daily quota',
    name: 'rate-limiter-flexible',
    decide: (caller) => Promise.all([perSecond.consume(caller), perDay.consume(caller)]),
  },
  { group: 'a rate and a daily quota', name: 'countersign', decide: (caller) => store.admit(two(caller)) },
  {
    group: 'nonce, rate, daily and monthly quota',
    name: 'countersign',
    decide: (caller) => store.admit({ ...full(caller), ...nonce() }),
  },
];

async function measure({ decide }) {
  let left = DECISIONS;
  const cpu = process.cpuUsage();
  const serverCpu = cpuSecondsOf(server.pid);
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (left-- > 0) await decide(callers[left % CALLERS]);
    }),
  );
  const elapsedMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(cpu);
  return {
    perSecond: (DECISIONS / elapsedMs) * 1000,
    clientMicros: (user + system) / DECISIONS,
    serverMicros: ((cpuSecondsOf(server.pid) - serverCpu) * 1e6) / DECISIONS,
  };
}

try {
  const results = variants.map(() => []);
  for (const variant of variants) await measure(variant); // warm
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, variant] of variants.entries()) results[i].push(await measure(variant));
  const figures = results.map((rounds) =>
    Object.fromEntries(
      ['perSecond', 'clientMicros', 'serverMicros'].map((name) => [name, median(rounds.map((r) => r[name]))]),
    ),
  );
  console.log(
    `${DECISIONS} decisions × ${ROUNDS} rounds, ${IN_FLIGHT} in flight, ${CALLERS} callers, ${(await client.info('server')).match(/(?:valkey|redis)_version:\S+/g).at(-1)}`,
  );
  for (const [i, { group, name }] of variants.entries()) {
    const { perSecond: speed, clientMicros, serverMicros } = figures[i];
    const other = variants.findIndex((each) => each.group === group && each.name === 'rate-limiter-flexible');
    const ratio =
      other < 0 || other === i
        ? ''
        : `, CPU ratio ${((clientMicros + serverMicros) / (figures[other].clientMicros + figures[other].serverMicros)).toFixed(2)}`;
    console.log(
      `${group}: ${name}: ${Math.round(speed)} decisions/s, ${clientMicros.toFixed(0)} µs client + ${serverMicros.toFixed(0)} µs server CPU per decision${ratio}`,
    );
  }
} finally {
  await store.close();
  client.destroy();
  server.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
