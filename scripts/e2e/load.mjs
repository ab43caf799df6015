// Signed requests at an even rate, as a process of its own so that nothing else of the run delays them. Half of them
// on connections that are kept, half on new ones. Nothing is sent twice: whoever kills a request is found out.
// Messages from the parent: { type: 'read' } ends a part and answers { type: 'figures', … } of the requests sent in it,
// once the last of them is over; { type: 'stop' } does it for what came after the last part, of all parts too, and
// sends no more. Keys change by { type: 'key', … }.
import { Agent, request as httpRequest } from 'node:http';
import { sign } from '../../test/conformance/sign.mjs';

/** What comes later than this is lost to its caller. */
const DEFAULT_TIMEOUT_MS = 10_000;
const { gateway, rps, host, callers, timeoutMs = DEFAULT_TIMEOUT_MS } = JSON.parse(process.argv[2]);
const { hostname, port } = new URL(gateway);
const kept = new Agent({ keepAlive: true, maxSockets: 64, keepAliveMsecs: 1000 });
const fresh = new Agent({ keepAlive: false });

let sent = 0;
let failed = 0;
/** The part in which a request is sent is the one that it counts in, whenever it ends. */
let part = newPart();

function newPart() {
  return {
    ...{ startMs: performance.now(), sent: 0, failed: 0, inFlight: 0, latenciesMs: [] },
    /** How often each kind of failure came, and when first. */
    failures: new Map(),
    /** How late the latest request was sent: a machine that is starved, whatever the gateway does. */
    lateMs: 0,
    onEmpty: undefined,
  };
}

function fail(its, name, atMs, elapsedMs, how) {
  failed++;
  its.failed++;
  const { failures } = its;
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
  const its = part;
  sent++;
  its.sent++;
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
    clearTimeout(deadline);
    if (how === undefined) its.latenciesMs.push(performance.now() - startedMs);
    else fail(its, name, atMs, performance.now() - startedMs, how);
    its.inFlight--;
    if (its.inFlight === 0) its.onEmpty?.();
  };
  // Of the whole answer, so that no part is waited for longer; the timeout of a socket begins anew with each byte.
  const deadline = setTimeout(() => {
    end(`no answer within ${timeoutMs} ms`);
    outgoing.destroy();
  }, timeoutMs);
  its.inFlight++;
  const outgoing = httpRequest(
    { agent, hostname, port, method, path: target, headers: { host, ...rest, ...length } },
    (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('error', (error) => end(`answer broke off: ${error.message}`));
      response.on('end', () =>
        end(response.statusCode === 200 ? undefined : `${response.statusCode} ${text.slice(0, 200).trim()}`),
      );
    },
  );
  outgoing.on('error', (error) =>
    end(`${error.code ?? ''} ${error.message}${outgoing.reusedSocket ? ' (reused)' : ''}`),
  );
  outgoing.end(body);
}

// Even in time whatever the event loop does: what is due is sent, nothing is skipped.
const startMs = performance.now();
let tickedMs = startMs;
const timer = setInterval(() => {
  part.lateMs = Math.max(part.lateMs, performance.now() - tickedMs - 1000 / rps);
  tickedMs = performance.now();
  const due = Math.floor(((performance.now() - startMs) * rps) / 1000);
  while (sent < due) sendOne();
}, 1000 / rps);

const percentile = (sorted, p) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? 0);

/** What became of the requests of the part that ends now; those that are sent from now on are the next one's. */
async function endPart() {
  const ended = part;
  part = newPart();
  const elapsedMs = part.startMs - ended.startMs;
  if (ended.inFlight > 0) await new Promise((resolve) => (ended.onEmpty = resolve));
  const sorted = ended.latenciesMs.sort((a, b) => a - b);
  return {
    ...{ type: 'figures', elapsedMs, sent: ended.sent, failed: ended.failed },
    failures: [...ended.failures].map(([kind, { count, example }]) => `${count} × ${kind.split(':')[0]}: ${example}`),
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    maxMs: percentile(sorted, 1),
    lateMs: Math.round(ended.lateMs),
  };
}

process.on('message', async (message) => {
  if (message.type === 'read') process.send(await endPart());
  else if (message.type === 'stop') {
    clearInterval(timer);
    const left = await endPart();
    process.send({ ...left, total: { sent, failed } }, () => process.exit(0));
  } else if (message.type === 'key') {
    for (const caller of callers) if (caller.key?.keyId === message.keyId) caller.key.secret = message.secret;
  }
});
process.on('disconnect', () => process.exit(1));
