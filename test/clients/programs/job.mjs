// What the Node programs share: a job from stdin, a line of JSON per case on stdout.
// `send(case, job)` answers the status the client saw, or throws NotExpressible.

export class NotExpressible extends Error {}

const readStdin = async () => {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString());
};
const write = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** @param {(each: object, job: object) => Promise<number>} send */
export async function runJob(send) {
  const job = await readStdin();
  for (const each of job.cases) {
    try {
      write({ name: each.name, status: await send(each, job) });
    } catch (error) {
      write({
        name: each.name,
        ...(error instanceof NotExpressible
          ? { notExpressible: error.message }
          : { error: error?.stack ?? JSON.stringify(error) }),
      });
    }
  }
  if (!job.burst) return;
  const waiting = [...job.burst.cases];
  const statuses = [];
  const started = performance.now();
  const sender = async () => {
    for (let each = waiting.shift(); each; each = waiting.shift()) statuses.push(await send(each, job));
  };
  await Promise.all(Array.from({ length: job.burst.senders }, sender));
  write({ name: 'burst', statuses, elapsedMs: performance.now() - started });
}

export const bodyOf = (each) => (each.bodyBase64 === undefined ? undefined : Buffer.from(each.bodyBase64, 'base64'));

/** Names with all their values, as an object: the shape in which both npm SDKs take a query. */
export function queryObject(pairs) {
  const query = {};
  for (const [name, value] of pairs) query[name] = name in query ? [query[name], value].flat() : value;
  return query;
}
