// The backend of the suite: answers with the request it got. Standard library only, for it also runs in a pod.
import { realpathSync } from 'node:fs';
import { createServer } from 'node:http';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';

/** Marks answers that came from the backend. */
export const ECHO_HEADER = 'x-conformance-echo';

/** @returns {Promise<{ port: number, close(): Promise<void> }>} */
export async function startEcho({ address = '127.0.0.1', port = 0 } = {}) {
  const server = createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url, rawHeaders } = request;
      // A signature of the backend itself must not reach a caller.
      response.writeHead(200, {
        'content-type': 'application/json',
        [ECHO_HEADER]: '1',
        authorization: 'of-the-backend',
      });
      response.end(JSON.stringify({ method, url, rawHeaders, bodyBase64: Buffer.concat(chunks).toString('base64') }));
    });
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, address, resolve));
  return {
    port: server.address().port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

// A file of a ConfigMap is a link.
if (realpathSync(argv[1]) === fileURLToPath(import.meta.url)) {
  const { port } = await startEcho({ address: '0.0.0.0', port: Number(argv[2] ?? 8080) });
  console.log(`echo listens on ${port}`);
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
}
