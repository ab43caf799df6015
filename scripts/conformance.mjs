// The conformance suite against a gateway that runs already; docs/conformance.md. Ends with 1 if anything is not as
// it must be, with 2 on wrong usage.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const HELP = `Usage: npm run conformance -- --gateway URL (--folder DIR --admin URL | --context CTX | --kubeconfig FILE)

  --gateway URL         the gateway, such as http://127.0.0.1:8080
  --ca FILE             authorities of its certificate, PEM; --insecure accepts any

  --folder DIR          the folder that the gateway serves; the suite writes into DIR/conformance
  --admin URL           its admin address, such as http://127.0.0.1:8081
  --state-dir DIR       where generated keys are (DIR/.countersign)

  --context CTX         a context of the kubeconfig
  --kubeconfig FILE     default: that of kubectl
  --kubectl FILE        the kubectl to use (kubectl on PATH)
  --echo-image IMAGE    run the backend in the cluster, from an image that has Node.js
  --echo-node PATH      where Node.js is in that image (node)

  --echo-port PORT      else the backend listens here, on 127.0.0.1 (9901)
  --hostname NAME       host name that the suite claims (conformance.example.com)
  --skip-quickstart     leave examples/quickstart out
  --seed N              order in which objects are applied (random, printed)
  --only PATTERN        cases whose name matches this regular expression
  --keep                leave the objects
  --output FORMAT       text, json or junit (text)
`;

const fail = (message) => {
  console.error(`${message}\n\n${HELP}`);
  process.exit(2);
};
const text = { type: 'string' };
const flag = { type: 'boolean', default: false };
let values;
try {
  ({ values } = parseArgs({
    options: {
      ...{ gateway: text, ca: text, insecure: flag, folder: text, admin: text, 'state-dir': text, context: text },
      ...{ kubeconfig: text, kubectl: text, 'echo-image': text, 'echo-node': { ...text, default: 'node' } },
      'echo-port': { ...text, default: '9901' },
      ...{ hostname: text, 'skip-quickstart': flag, seed: text, only: text, keep: flag, help: flag },
      output: { ...text, default: 'text' },
    },
  }));
} catch (error) {
  fail(error.message);
}
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const { folder, admin, context, kubeconfig, output } = values;
const inCluster = context !== undefined || kubeconfig !== undefined;
if (!URL.canParse(values.gateway ?? '')) fail('--gateway: a URL is required');
if ((folder !== undefined) === inCluster) fail('either --folder, or --context or --kubeconfig');
if (folder !== undefined && !URL.canParse(admin ?? '')) fail('--admin: a URL is required with --folder');
if (!['text', 'json', 'junit'].includes(output)) fail('--output: text, json or junit');
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
if (!Number.isInteger(seed)) fail('--seed: a whole number');

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
if (!existsSync(join(root, 'node_modules/jdcloud-sdk-js')))
  fail('the vendors\u2019 SDKs are missing: run npm ci first');
const suite = join(root, 'test/conformance');
const { runConformance } = await import(join(suite, 'run.mjs'));
const { createFolderDriver } = await import(join(suite, 'folder-driver.mjs'));
const { createKubernetesDriver } = await import(join(suite, 'kubernetes-driver.mjs'));
const { startEcho } = await import(join(suite, 'echo.mjs'));

const backends = [
  { namespace: 'conformance-provider', app: 'countersign-conformance-echo' },
  ...(values['skip-quickstart'] ? [] : [{ namespace: 'shop', app: 'orders' }]),
];
const driver = inCluster
  ? createKubernetesDriver({
      context,
      kubeconfig,
      kubectl: values.kubectl,
      echo: values['echo-image'] && { image: values['echo-image'], node: values['echo-node'], services: backends },
    })
  : createFolderDriver({ folder, admin, stateDir: values['state-dir'] });
const local = values['echo-image'] ? undefined : await startEcho({ port: Number(values['echo-port']) });

if (output === 'text') console.log(`${driver.name}, gateway ${values.gateway}, seed ${seed}`);
const startedMs = performance.now();
const { results, conditions } = await runConformance({
  gateway: new URL(values.gateway),
  ca: values.ca && readFileSync(values.ca),
  insecure: values.insecure,
  driver,
  seed,
  hostname: values.hostname,
  quickstart: !values['skip-quickstart'],
  only: values.only === undefined ? undefined : new RegExp(values.only),
  keep: values.keep,
  onResult({ name, error, elapsedMs }) {
    if (output !== 'text') return;
    const took = elapsedMs >= 500 ? ` (${(elapsedMs / 1000).toFixed(1)} s)` : '';
    console.log(
      error === undefined ? `ok   ${name}${took}` : `FAIL ${name}${took}\n     ${error.replaceAll('\n', '\n     ')}`,
    );
  },
})
  .catch((error) => {
    console.error(`the suite could not go on: ${error.message}${error.cause ? `: ${error.cause.message}` : ''}`);
    process.exit(1);
  })
  .finally(() => local?.close());

const failed = results.filter(({ error }) => error !== undefined).length;
const seconds = (performance.now() - startedMs) / 1000;
if (output === 'json') console.log(JSON.stringify({ seed, seconds, results, conditions }, null, 2));
else if (output === 'junit') console.log(junit());
else console.log(`${results.length - failed} passed, ${failed} failed in ${seconds.toFixed(1)} s`);
process.exit(failed === 0 && results.length > 0 ? 0 : 1);

function junit() {
  const escape = (unsafe) => unsafe.replace(/[<>&"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  const cases = results.map(({ name, error, elapsedMs }) => {
    const outcome = error === undefined ? '/>' : `><failure message="${escape(error)}"/></testcase>`;
    return `  <testcase classname="conformance" name="${escape(name)}" time="${elapsedMs / 1000}"${outcome}`;
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuite name="conformance" tests="${results.length}" failures="${failed}" time="${seconds.toFixed(1)}">`,
    ...cases,
    '</testsuite>',
  ].join('\n');
}
