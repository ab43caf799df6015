// `helm test`: is a backend behind the gateway, sends it one signed request, and one without a signature. What it
// proves: the objects of the test were taken up, the signature was verified, the Authorization applied, the request
// forwarded with the caller's id, and nothing unsigned got through.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const { GATEWAY_SCHEME, GATEWAY_HOST, GATEWAY_PORT, TEST_HOSTNAME, TIMEOUT_SECONDS } = process.env;
const { request } = await import(`node:${GATEWAY_SCHEME}`);
const url = `${GATEWAY_SCHEME}://${TEST_HOSTNAME}/countersign-test/hello`;
const keyId = readFileSync('/etc/countersign/key/keyId', 'utf8');
const deadline = Date.now() + Number(TIMEOUT_SECONDS) * 1000;
const received = [];

const backend = createServer((incoming, response) => {
  received.push(incoming);
  response.end('hello from the backend');
}).listen(8080, process.env.LISTEN_ADDRESS);

/** The gateway's answer; `headers` as lines of `countersign sign`. */
const send = (headers) =>
  new Promise((resolve, reject) => {
    const call = request(
      {
        host: GATEWAY_HOST,
        port: GATEWAY_PORT,
        path: new URL(url).pathname,
        headers: { host: TEST_HOSTNAME, ...headers },
        agent: false,
        // The test's host name is in nobody's certificate; what is proved is the signature.
        rejectUnauthorized: false,
        servername: TEST_HOSTNAME,
        timeout: 5000,
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode, text }));
      },
    );
    call.on('timeout', () => call.destroy(new Error('no answer within 5 s')));
    call.on('error', reject);
    call.end();
  });

const sign = async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...['/app/dist/cli/main.js', 'sign', 'GET', url, '--dialect', 'Huawei'],
    ...['--key-id', keyId, '--secret-file', '/etc/countersign/key/secret'],
  ]);
  return Object.fromEntries(
    stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  );
};

const isServed = ({ status, text }) => status === 200 && text === 'hello from the backend';

async function main() {
  let answer;
  do {
    answer = await send(await sign()).catch((error) => ({ status: 0, text: error.message }));
    if (isServed(answer)) break;
    console.log(`signed request: ${answer.status} ${answer.text.trim()}; once more`);
    await delay(2000);
  } while (Date.now() < deadline);
  if (!isServed(answer)) throw new Error(`the signed request was not served within ${TIMEOUT_SECONDS} s`);
  const arrived = received.at(-1).headers['x-countersign-key-id'];
  if (arrived !== keyId) throw new Error(`the backend was told key ${arrived}, not ${keyId}`);
  console.log(`signed request: 200, and the backend was told who called: ${arrived}`);

  const before = received.length;
  const unsigned = await send({});
  if (unsigned.status !== 401 || received.length !== before)
    throw new Error(`the request without a signature was answered ${unsigned.status}, not 401`);
  console.log('request without a signature: 401, and nothing reached the backend');
}

try {
  await main();
} catch (error) {
  console.error(`failed: ${error.message}`);
  process.exitCode = 1;
}
backend.close();
backend.closeAllConnections();
