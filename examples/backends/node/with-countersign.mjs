// A backend that leaves the verification to the npm package, for every type of backend key.
// Usage: PORT=9000 BACKEND_KEY_ID=… BACKEND_SECRET=… [BACKEND_PREVIOUS_SECRET=…] node with-countersign.mjs
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { gatewayMiddleware, gatewayRequestOf } from 'countersign/backend';

export function createBackend(keys, log = console.warn) {
  const fromGateway = gatewayMiddleware({
    keys,
    onRefused: ({ reason, detail }) => log(`refused: ${reason}: ${detail}`),
  });

  return createServer((request, response) => {
    fromGateway(request, response, () => {
      const { identity, body } = gatewayRequestOf(request);
      response.setHeader('content-type', 'application/json');
      response.end(`${JSON.stringify({ caller: identity.keyId, api: identity.api, bodyBytes: body.length })}\n`);
    });
  });
}

/** One key, two while it rotates. */
export function keysFrom({ BACKEND_KEY_ID, BACKEND_SECRET, BACKEND_PREVIOUS_SECRET }) {
  const key = { type: 'HMAC', dialect: 'Huawei', keyId: BACKEND_KEY_ID, secret: BACKEND_SECRET };
  return BACKEND_PREVIOUS_SECRET ? [key, { ...key, secret: BACKEND_PREVIOUS_SECRET }] : [key];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = createBackend(keysFrom(process.env));
  server.listen(Number(process.env.PORT ?? 9000), '127.0.0.1', () => {
    console.log(`backend listens on 127.0.0.1:${server.address().port}`);
  });
}
