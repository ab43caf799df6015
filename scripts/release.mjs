// Everything of a release in dist-release/: image, chart, manifests, npm package, SBOM, notes, SHA256SUMS.
// Usage: npm run release -- VERSION [--dry-run]   (--help tells more)
// In a dry run an unfinished CHANGELOG, changed files, a missing Docker and CRDs that break somebody are only said.
// Publishes nothing: the last lines are the commands that would.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { createSbom } from './image/sbom.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));
process.chdir(root);

const USAGE = `Usage: node scripts/release.mjs VERSION [OPTIONS]      VERSION like 1.2.3 or 1.2.3-rc.1

  --dry-run               build and check the same, and go on where a release would not
  --out FOLDER            default dist-release
  --image NAME            default that of the chart
  --platforms LIST        default linux/amd64,linux/arm64
  --runtime-image IMAGE   base of the image, pinned by digest
  --build-image IMAGE     image in which it is built, pinned by digest
  --accept FILE           changes to the CRDs that are breaking and meant, as check-crds.mjs prints them`;

const { options, version } = readArguments();
const dryRun = options['dry-run'];
const { out } = options;

function readArguments() {
  const usage = (stream, code) => {
    console[stream](USAGE);
    process.exit(code);
  };
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        'dry-run': { type: 'boolean', default: false },
        out: { type: 'string', default: 'dist-release' },
        image: { type: 'string' },
        platforms: { type: 'string', default: 'linux/amd64,linux/arm64' },
        'runtime-image': { type: 'string' },
        'build-image': { type: 'string' },
        accept: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) usage('log', 0);
    if (positionals.length === 1 && /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(positionals[0]))
      return { options: values, version: positionals[0] };
  } catch (error) {
    console.error(error.message);
  }
  return usage('error', 1);
}

class Refusal extends Error {}
const say = (what, text) => console.log(`${what.padEnd(10)} ${text}`);
/** What a release must have and a dry run may lack. */
const must = (what, text) => {
  if (!dryRun) throw new Refusal(`${what}: ${text}`);
  say(what, `(dry run) ${text}`);
};
const run = (command, args, { quiet = true } = {}) => {
  const done = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', quiet ? 'pipe' : 'inherit', 'pipe'] });
  if (done.error || done.status !== 0)
    throw new Refusal(
      `${command} ${args.join(' ')}: ${done.error?.message ?? `${done.stdout ?? ''}${done.stderr}`.trim()}`,
    );
  return (done.stdout ?? '').trim();
};
const works = (command, ...args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** Every place that names the version, so that none is forgotten. */
function checkVersions(chart) {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
  const places = {
    'package.json': manifest.version,
    'package-lock.json': lock.version,
    'Chart.yaml version': chart.version,
    'Chart.yaml appVersion': String(chart.appVersion),
    'Chart.yaml artifacthub.io/images': /\/countersign:(\S+)/.exec(chart.annotations['artifacthub.io/images'])?.[1],
  };
  const wrong = Object.entries(places).filter(([, found]) => found !== version);
  if (wrong.length > 0)
    throw new Refusal(`version: ${wrong.map(([place, found]) => `${place} says ${found}`).join(', ')}, not ${version}`);
  say('version', `${version} in ${Object.keys(places).join(', ')}`);
}

/** The section of this version; in a dry run, of what is unreleased. */
function releaseNotes() {
  const sections = readFileSync('CHANGELOG.md', 'utf8').split(/^(?=## )/m);
  const titled = (title) => sections.find((section) => new RegExp(`^## \\[?${title}\\]?(\\s|$)`).test(section));
  const own = titled(version.replaceAll('.', '\\.'));
  if (!own) must('changelog', `CHANGELOG.md has no section "## ${version} - DATE"`);
  else if (!/^## \S+ - \d{4}-\d\d-\d\d$/m.test(own)) must('changelog', `the section of ${version} has no date`);
  const notes = own ?? titled('Unreleased');
  if (!notes || notes.trim().split('\n').length < 2) throw new Refusal('changelog: the section is empty');
  say('changelog', `${notes.trim().split('\n').length - 1} lines`);
  return notes;
}

function checkTree() {
  const changed = run('git', ['status', '--porcelain', '--untracked-files=no']);
  if (changed !== '') must('tree', `${changed.split('\n').length} files differ from the commit`);
  else say('tree', 'as committed');
  return {
    revision: run('git', ['rev-parse', 'HEAD']),
    time: new Date(run('git', ['log', '-1', '--format=%cI'])).toISOString(),
  };
}

function buildImage(image, { revision, time }) {
  if (!works('docker', 'buildx', 'version') || !works('docker', 'info'))
    return must('image', 'not built: docker with buildx is not available on this machine');
  const file = join(out, `countersign-${version}-image.tar`);
  const own = { VERSION: version, REVISION: revision, CREATED: time };
  if (options['runtime-image']) own.RUNTIME_IMAGE = options['runtime-image'];
  if (options['build-image']) own.BUILD_IMAGE = options['build-image'];
  const args = Object.entries(own).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]);
  run(
    'docker',
    // prettier-ignore
    ['buildx', 'build', '--platform', options.platforms, '--tag', `${image}:${version}`, '--provenance=mode=max',
      ...args, '--output', `type=oci,dest=${file}`, '.'],
    { quiet: false },
  );
  say('image', file);
}

function packChart() {
  if (!works('helm', 'version')) return must('chart', 'not packed: helm is not on PATH');
  run('helm', ['lint', '--strict', 'charts/countersign']);
  run('helm', ['package', 'charts/countersign', '--destination', out]);
  say('chart', `${out}/countersign-${version}.tgz`);
}

/** Named without the version, which the address of a release has: people write that address down once. */
function copyManifests() {
  run(process.execPath, ['scripts/generate-manifests.mjs', '--check']);
  run(process.execPath, ['scripts/generate-chart.mjs', '--check']);
  const names = readdirSync('manifests').filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml');
  for (const name of names) copyFileSync(join('manifests', name), join(out, name));
  say('manifests', names.join(', '));
}

/** Against the release before. What breaks on purpose is named in the file of `--accept`. */
function checkCrds() {
  const accept = options.accept === undefined ? [] : ['--accept', options.accept];
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/check-crds.mjs', ...accept], {
    encoding: 'utf8',
  });
  if (status === 0) say('crds', stdout.trim().split('\n').at(-1));
  else must('crds', `${stdout}${stderr}`.trim());
}

function packNpm() {
  run('npm', ['run', '-s', 'build']);
  const [{ filename, size }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', out]));
  // Named apart from the chart, which Helm calls the same.
  renameSync(join(out, filename), join(out, `countersign-${version}-npm.tgz`));
  say('npm', `countersign-${version}-npm.tgz, ${Math.round(size / 1000)} kB`);
}

function writeSums() {
  const names = readdirSync(out)
    .filter((name) => name !== 'SHA256SUMS')
    .sort();
  const lines = names.map(
    (name) =>
      `${createHash('sha256')
        .update(readFileSync(join(out, name)))
        .digest('hex')}  ${name}\n`,
  );
  writeFileSync(join(out, 'SHA256SUMS'), lines.join(''));
  say('sums', `${names.length} files in ${out}/SHA256SUMS`);
}

try {
  const chart = parse(readFileSync('charts/countersign/Chart.yaml', 'utf8'));
  const image = options.image ?? defaultImage();
  checkVersions(chart);
  const notes = releaseNotes();
  const commit = checkTree();
  checkCrds();
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  packNpm();
  packChart();
  copyManifests();
  buildImage(image, commit);
  writeFileSync(
    join(out, `countersign-${version}-sbom.cdx.json`),
    `${JSON.stringify(createSbom({ time: commit.time, runtimeImage: options['runtime-image'] }), null, 2)}\n`,
  );
  say('sbom', `countersign-${version}-sbom.cdx.json`);
  writeFileSync(join(out, `countersign-${version}-notes.md`), notes);
  writeSums();
  console.log(`\nTo publish:
  git tag -s v${version} -m ${version} && git push origin v${version}
  skopeo copy --all oci-archive:${out}/countersign-${version}-image.tar docker://${image}:${version}
  cosign sign ${image}@DIGEST && cosign attest --type cyclonedx --predicate ${out}/countersign-${version}-sbom.cdx.json ${image}@DIGEST
  gh release create v${version} --verify-tag --notes-file ${out}/countersign-${version}-notes.md ${out}/*
  helm push ${out}/countersign-${version}.tgz oci://${image.slice(0, image.lastIndexOf('/'))}/charts
  npm publish ${out}/countersign-${version}-npm.tgz --provenance`);
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  console.error(error.message);
  process.exit(1);
}

/** The repository that the chart installs from. */
function defaultImage() {
  const { image } = parse(readFileSync('charts/countersign/values.yaml', 'utf8'));
  return [image?.registry, image?.repository ?? 'countersign'].filter(Boolean).join('/');
}
