// Runs the test suites and says, line by line, which did not run and why.
// Usage: node scripts/test.mjs [--all] [SUITE...] [-- JEST ARGS]
//        node scripts/test.mjs --failed   the files that failed in the last run, one after the other
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);
const argv = process.argv.slice(2);
const dashes = argv.indexOf('--');
const jestArgs = dashes < 0 ? [] : argv.slice(dashes + 1);
const words = dashes < 0 ? argv : argv.slice(0, dashes);
const all = words.includes('--all');
const report = join(root, 'node_modules/.cache/jest-report.json');
const readReport = () => JSON.parse(readFileSync(report, 'utf8'));
const only = words.filter((w) => !w.startsWith('--'));

if (!existsSync('node_modules/jest')) {
  console.log('installing dependencies (npm ci)…');
  const done = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { stdio: 'inherit' });
  if (done.status !== 0) process.exit(1);
}

const finds = (command, ...args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;
const python = () => (finds('python3', '--version') ? undefined : 'python3 is not on PATH');
const helm = () =>
  kubernetes() ??
  (finds('helm', 'version') || existsSync(join(process.env.KUBEBUILDER_ASSETS ?? '', 'helm'))
    ? undefined
    : 'helm is neither in KUBEBUILDER_ASSETS nor on PATH');
const kubernetes = () => {
  const folder = process.env.KUBEBUILDER_ASSETS;
  const has = (name) => (folder ? existsSync(join(folder, name)) : finds('sh', '-c', `command -v ${name}`));
  return ['kube-apiserver', 'etcd', 'kubectl'].every(has)
    ? undefined
    : 'kube-apiserver, etcd and kubectl are neither in KUBEBUILDER_ASSETS nor on PATH';
};

/** `needs` answers the reason why the suite cannot run here, or undefined. */
const suites = [
  { name: 'unit', about: 'pure parts, no I/O' },
  { name: 'golden', about: 'manifests in, model, conditions and Envoy messages out' },
  { name: 'contract', about: 'every dialect and every counter store' },
  { name: 'crds', about: 'valid and invalid objects per rule' },
  { name: 'property', about: 'generated inputs' },
  { name: 'cli', about: 'commands, their output and exit codes' },
  { name: 'feature', about: 'the whole product on real Envoy and real Redis', needs: python },
  { name: 'clients', about: 'unmodified vendor SDKs through the running gateway', needs: python },
  { name: 'backends', about: 'countersign/backend and the example backends, behind the running gateway' },
  { name: 'gitops', about: 'health in Argo CD and Flux, the GitOps example and its checks, changes of the CRDs' },
  {
    name: 'clients-more',
    about: 'vendor clients in Go, Java and PHP through the running gateway, each where its language is installed',
    all: true,
    needs: python,
  },
  {
    name: 'limits',
    about: 'exact counts under load and kills, a Redis Cluster, calendars against zoneinfo',
    all: true,
    needs: python,
  },
  {
    name: 'kubernetes',
    about: 'the CRDs and the parts of the operator on a real kube-apiserver',
    all: true,
    needs: kubernetes,
  },
  { name: 'chart', about: 'the chart by helm, on a real kube-apiserver', all: true, needs: helm },
  { name: 'image', about: 'what the image holds, run without Docker', all: true },
].filter((s) => existsSync(join('test', s.name)));

const chosen = [];
if (words.includes('--failed')) {
  const files = existsSync(report) ? readReport().testResults.filter(({ status }) => status === 'failed') : [];
  for (const { name } of files) {
    console.log(`again: ${relative(root, name)}`);
    chosen.push(name);
  }
  if (chosen.length === 0) {
    console.log('no file failed in the last run');
    process.exit(0);
  }
  jestArgs.push('--runInBand');
}
for (const suite of chosen.length > 0 ? [] : suites) {
  if (only.length > 0 && !only.includes(suite.name)) continue;
  if (suite.all && !all && only.length === 0) {
    console.log(`suite ${suite.name}: not run (npm run test:all runs it): ${suite.about}`);
    continue;
  }
  const reason = suite.needs?.();
  if (reason) console.log(`suite ${suite.name}: NOT RUN, ${reason}: ${suite.about}`);
  else {
    console.log(`suite ${suite.name}: ${suite.about}`);
    chosen.push(`<rootDir>/test/${suite.name}/`);
  }
}

rmSync(report, { force: true });
const run = spawnSync(
  join(root, 'node_modules/.bin/node'),
  [
    '--experimental-vm-modules',
    '--no-warnings',
    'node_modules/jest/bin/jest.js',
    '--json',
    `--outputFile=${report}`,
    '--forceExit',
    ...jestArgs,
    ...chosen.map((c) => c.replace('<rootDir>', root)),
  ],
  // A server that a failed test left running must not keep the run from ending.
  { stdio: ['ignore', 'ignore', 'inherit'], timeout: 40 * 60_000 },
);
if (!existsSync(report)) {
  console.log('0 passed, 1 failed');
  process.exit(1);
}
const { numPassedTests, numFailedTests, numFailedTestSuites, numPendingTests, testResults } = readReport();
// A file that fails to load has no failed test of its own: count it, so that the line cannot look green.
const brokenFiles = testResults.filter(
  (r) => r.status === 'failed' && r.assertionResults.every((a) => a.status !== 'failed'),
).length;
const failed = Math.max(numFailedTests + brokenFiles, numFailedTestSuites > 0 ? 1 : 0, run.status === 0 ? 0 : 1);
console.log(`${numPassedTests} passed, ${failed} failed${numPendingTests ? `, ${numPendingTests} skipped` : ''}`);
process.exit(failed === 0 ? 0 : 1);
