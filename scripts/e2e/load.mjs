// Signed requests at an even rate, as a process of its own so that nothing else of the run delays them. Half of them
// on connections that are kept, half on new ones. Nothing is sent twice: whoever kills a request is found out.
// Messages from the parent: { type: 'read' } → { type: 'figures', … }; { type: 'stop' }. Keys change by { type: 'key', … }.
import { Agent, request as httpRequest } from 'node:http';
import { sign } from '../../test/conformance/sign.mjs';

const { gateway, rps, host, callers } = JSON.parse(process.argv[2]);
const { hostname, port } = new URL(gateway);
const kept = new Agent({ keepAlive: true, maxSockets: 64, keepAliveMsecs: 1000 });
const fresh = new Agent({ keepAlive: false });
/** Slow is not lost: the gateway itself gives up sooner. */
const TIMEOUT_MS = 30_000;

let sent = 0;
let inFlight = 0;
let answered = 0;
/** How often each kind of failure came, and when first. */
let failures = new Map();
let failed = 0;
let latenciesMs = [];

function fail(name, atMs, elapsedMs, how) {
  failed++;
  const kind = `${name}: ${how.replace(/"requestId":"[^"]*"/, '"requestId":"…"')}`;
  const before = failures.get(kind);
  failures.set(kind, {
    count: (before?.count ?? 0) + 1,
    example: before?.example ?? `first at ${new Date(atMs).toISOString()}, after ${Math.round(elapsedMs)} ms, ${how}`,
  });
}

function sendOne() {
  const caller = callers[sent % callers.length];
  const agent = Math.floor(sent / callers.length) % 2 === 0 ? kept : fresh;
  sent++;
  const { method, url, headers, body } =
    caller.dialect === undefined
      ? { method: 'GET', url: `http://${host}${caller.path}`, headers: {}, body: undefined }
      : sign({ ...caller, endpoint: `http://${host}` });
  const target = url.slice(`http://${host}`.length);
  const rest = Object.fromEntries(Object.entries(headers).filter(([name]) => !/^(host|content-length)$/i.test(name)));
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  const atMs = Date.now();
  const startedMs = performance.now();
  const name = `${caller.name}${agent === kept ? ', kept connection' : ''}`;
  let over = false;
  const end = (how) => {
    if (over) return;
    over = true;
    inFlight--;
    if (how === undefined) {
      answered++;
      latenciesMs.push(performance.now() - startedMs);
    } else fail(name, atMs, performance.now() - startedMs, how);
  };
  inFlight++;
  const outgoing = httpRequest(
    { agent, hostname, port, method, path: target, headers: { host, ...rest, ...length }, timeout: TIMEOUT_MS },
    (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('error', (error) => end(`answer broke off: ${error.message}`));
      response.on('end', () =>
        end(response.statusCode === 200 ? undefined : `${response.statusCode} ${text.slice(0, 200).trim()}`),
      );
    },
  );
  outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
  outgoing.on('error', (error) =>
    end(`${error.code ?? ''} ${error.message}${outgoing.reusedSocket ? ' (reused)' : ''}`),
  );
  outgoing.end(body);
}

// Even in time whatever the event loop does: what is due is sent, nothing is skipped.
const startMs = performance.now();
/** How late the latest request was sent: a machine that is starved, whatever the gateway does. */
let latestMs = 0;
let tickedMs = startMs;
const timer = setInterval(() => {
  latestMs = Math.max(latestMs, performance.now() - tickedMs - 1000 / rps);
  tickedMs = performance.now();
  const due = Math.floor(((performance.now() - startMs) * rps) / 1000);
  while (sent < due) sendOne();
}, 1000 / rps);

const percentile = (sorted, p) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? 0);

process.on('message', (message) => {
  if (message.type === 'read') {
    const sorted = latenciesMs.sort((a, b) => a - b);
    process.send({
      type: 'figures',
      ...{ sent, answered, failed, inFlight },
      failures: [...failures].map(([kind, { count, example }]) => `${count} × ${kind.split(':')[0]}: ${example}`),
      p50Ms: percentile(sorted, 0.5),
      p99Ms: percentile(sorted, 0.99),
      maxMs: percentile(sorted, 1),
      lateMs: Math.round(latestMs),
    });
    latenciesMs = [];
    failures = new Map();
    latestMs = 0;
  } else if (message.type === 'stop') {
    clearInterval(timer);
    const wait = () => (inFlight === 0 ? process.exit(0) : setTimeout(wait, 20));
    wait();
  } else if (message.type === 'key') {
    for (const caller of callers) if (caller.key?.keyId === message.keyId) caller.key.secret = message.secret;
  }
});
process.on('disconnect', () => process.exit(1));
