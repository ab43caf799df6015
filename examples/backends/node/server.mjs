// A backend behind the gateway: answers with what it saw, and takes orders only with the gateway's signature.
// Usage: PORT=9000 BACKEND_KEY_ID=… BACKEND_SECRET=… node server.mjs
import { createServer } from 'node:http';
import { verifyGatewaySignature } from './verify.mjs';

const secrets = { [process.env.BACKEND_KEY_ID ?? 'orders-backend-key']: process.env.BACKEND_SECRET ?? 'quickstart-backend-secret-001' };

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    const gatewaySignature = request.headers.authorization ? verifyGatewaySignature(request, body, secrets) : { valid: false, reason: 'none' };
    const refused = request.method === 'POST' && request.headers['x-countersign-environment'] === 'release' && !gatewaySignature.valid;
    const identity = Object.fromEntries(Object.entries(request.headers).filter(([name]) => name.startsWith('x-countersign-')));
    response.writeHead(refused ? 403 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ method: request.method, path: request.url, host: request.headers.host, bodyBytes: body.length, gatewaySignature, identity }) + '\n');
  });
});
server.listen(Number(process.env.PORT ?? 9000), '127.0.0.1', () => console.log(`backend listens on 127.0.0.1:${server.address().port}`));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.close(() => process.exit(0)));
