/** An authorizer of a folder on a socket. Options: folder, socketPath, redisUrl, replyDelayMs. Prints `ready`. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { createAuthorizer } from '../../../src/authz/authorizer.js';
import { createGrpcTransport } from '../../../src/authz/transport/grpc.js';
import { systemClock } from '../../../src/lib/clock.js';
import { createRedisStore } from '../../../src/ratelimit/redis/store.js';
import { modelOf } from './model.js';

export interface AuthorizerProcessOptions {
  readonly folder: string;
  readonly socketPath: string;
  readonly redisUrl: string;
  /** Between the decision, which Redis has then counted, and the answer to Envoy. */
  readonly replyDelayMs: number;
}

const options = JSON.parse(process.argv[2] ?? '{}') as AuthorizerProcessOptions;
const store = createRedisStore({ url: options.redisUrl, connectTimeoutMs: 2000, commandTimeoutMs: 400 });
const authorizer = createAuthorizer({ store, clock: systemClock, random: randomUUID });
authorizer.setModel(await modelOf(options.folder));
authorizer.setAuthorizers(2);
while (!store.health().healthy) await delay(10);
const transport = createGrpcTransport({
  address: { socketPath: options.socketPath },
  check: async (request) => {
    const decision = await authorizer.check(request);
    await delay(options.replyDelayMs);
    return decision;
  },
  ready: () => authorizer.ready,
  onError: (error) => console.error(error),
});
await transport.listen();
console.log('ready');
