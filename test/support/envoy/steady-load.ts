/** Requests at a steady rate on connections that are kept, whatever the answers take: what users would see of a change. */
import { Agent, request } from 'node:http';
import { tencentHeaders, type SampleKey } from '../signing/tencent-sample.js';

export interface SteadyLoad {
  /** Answers so far, by status; `error` where there was none. */
  readonly answers: ReadonlyMap<number | 'error', number>;
  /** Of each answer that was not 200: when, which, and its body. */
  readonly failures: readonly string[];
  readonly sent: number;
  /** Resolves when everything sent is answered. */
  stop(): Promise<void>;
}

export interface SteadyLoadOptions {
  readonly port: number;
  readonly key: SampleKey;
  readonly target: string;
  readonly perSecond: number;
}

const TICK_MS = 20;

export function startSteadyLoad({ port, key, target, perSecond }: SteadyLoadOptions): SteadyLoad {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const answers = new Map<number | 'error', number>();
  const failures: string[] = [];
  const open = new Set<Promise<void>>();
  const startedMs = performance.now();
  let sent = 0;

  const count = (status: number | 'error', text: string): void => {
    answers.set(status, (answers.get(status) ?? 0) + 1);
    if (status !== 200)
      failures.push(`${String(Math.round(performance.now() - startedMs))} ms: ${String(status)} ${text}`);
  };
  const send = (headers: Record<string, string>): Promise<void> =>
    new Promise((resolve) => {
      const outgoing = request(
        { host: '127.0.0.1', port, path: target, headers, agent, timeout: 20_000 },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          response.on('end', () => resolve(count(response.statusCode ?? 'error', text)));
          response.on('error', ({ message }) => resolve(count('error', message)));
        },
      );
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 20 s')));
      outgoing.on('error', ({ message }) => resolve(count('error', message)));
      outgoing.end();
    });

  const timer = setInterval(() => {
    const due = ((performance.now() - startedMs) * perSecond) / 1000;
    const headers = tencentHeaders(key);
    for (; sent < due; sent += 1) {
      const answered = send(headers);
      open.add(answered);
      void answered.then(() => open.delete(answered));
    }
  }, TICK_MS);

  return {
    answers,
    failures,
    get sent() {
      return sent;
    },
    async stop() {
      clearInterval(timer);
      await Promise.all(open);
      agent.destroy();
    },
  };
}
