// A backend behind the gateway: answers with what it saw, and takes orders only with the gateway's signature.
// Usage: [HOST=127.0.0.1] PORT=9000 BACKEND_KEY_ID=… BACKEND_SECRET=… [BACKEND_PREVIOUS_SECRET=…] node server.mjs
import { createServer } from 'node:http';
import { verifyGatewaySignature } from './verify.mjs';

const MAX_BODY_BYTES = 4 * 1024 * 1024;
const {
  HOST = '127.0.0.1',
  PORT = '9000',
  BACKEND_KEY_ID = 'orders-backend-key',
  BACKEND_SECRET = 'quickstart-backend-secret-001',
  BACKEND_PREVIOUS_KEY_ID = BACKEND_KEY_ID,
  BACKEND_PREVIOUS_SECRET = '',
} = process.env;
const keys = [{ keyId: BACKEND_KEY_ID, secret: BACKEND_SECRET }];
if (BACKEND_PREVIOUS_SECRET !== '') keys.push({ keyId: BACKEND_PREVIOUS_KEY_ID, secret: BACKEND_PREVIOUS_SECRET });

function answer(request, response, body) {
  const gatewaySignature = verifyGatewaySignature(request, body, keys);
  // To be believed only where gatewaySignature.valid: an API without backendSignature sends them unsigned.
  const identity = Object.fromEntries(
    Object.entries(request.headers).filter(([name]) => /^x-countersign-(key-id|plan|api|environment)$/.test(name)),
  );
  const isOrder = request.method === 'POST' && identity['x-countersign-environment'] === 'release';
  const { method, url: path } = request;
  const { host } = request.headers;
  response.writeHead(isOrder && !gatewaySignature.valid ? 403 : 200, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify({ method, path, host, bodyBytes: body.length, gatewaySignature, identity })}\n`);
}

const server = createServer((request, response) => {
  const chunks = [];
  let bytes = 0;
  request.on('data', (chunk) => {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
    else if (!response.headersSent) response.writeHead(413, { connection: 'close' }).end();
  });
  request.on('end', () => {
    if (bytes <= MAX_BODY_BYTES) answer(request, response, Buffer.concat(chunks));
  });
});
// The gateway ends idle connections, after 4 s. A backend that does can close one just as a request comes over it.
server.keepAliveTimeout = 0;
server.on('error', (error) => {
  console.error(`the backend cannot listen: ${error.message}`);
  process.exit(1);
});
server.listen(Number(PORT), HOST, () => {
  console.log(`backend listens on ${HOST}:${server.address().port}`);
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.close(() => process.exit(0)));
