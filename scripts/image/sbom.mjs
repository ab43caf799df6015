// The bill of materials of the image as CycloneDX JSON: npm's own list, without what is not in the image, and
// with what npm does not know: the base image. The same commit gives the same text.
// Usage: node scripts/image/sbom.mjs > sbom.cdx.json
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Build arguments of the Dockerfile with their defaults, `${NAME}` replaced. */
export function buildArguments(dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8')) {
  const values = {};
  for (const [, name, value] of dockerfile.matchAll(/^ARG (\w+)=(.*)$/gm)) {
    values[name] = value.replace(/\$\{(\w+)\}/g, (_, other) => values[other] ?? '');
  }
  return values;
}

export function createSbom({ time, runtimeImage = buildArguments().RUNTIME_IMAGE }) {
  const npm = spawnSync('npm', ['sbom', '--sbom-format=cyclonedx', '--omit=dev', '--package-lock-only'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (npm.status !== 0) throw new Error(`npm sbom: ${npm.stderr}`);
  const sbom = JSON.parse(npm.stdout);
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  Object.assign(sbom.metadata, { timestamp: time, lifecycles: [{ phase: 'build' }] });
  Object.assign(sbom.metadata.component, { name, type: 'application' });

  const left = new Set(sbom.components.filter((c) => c.name.startsWith('@types/')).map((c) => c['bom-ref']));
  sbom.components = sbom.components.filter((c) => !left.has(c['bom-ref']));
  sbom.dependencies = sbom.dependencies
    .filter((d) => !left.has(d.ref))
    .map((d) => ({ ...d, dependsOn: (d.dependsOn ?? []).filter((ref) => !left.has(ref)) }));

  const base = imageComponent(runtimeImage);
  sbom.components.push(base);
  const top = sbom.dependencies.find((d) => d.ref === `${name}@${version}`);
  top.dependsOn.push(base['bom-ref']);
  const digest = createHash('sha256').update(JSON.stringify(sbom.components)).digest('hex');
  // Version 8 of RFC 9562: a UUID made of whatever its maker says.
  sbom.serialNumber = `urn:uuid:${digest.slice(0, 8)}-${digest.slice(8, 12)}-8${digest.slice(13, 16)}-8${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
  return sbom;
}

function imageComponent(image) {
  const [, path, tag = 'latest', digest] = /^([^@]+?)(?::([^:/@]+))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(image) ?? [];
  const version = digest ?? tag;
  const name = path.slice(path.lastIndexOf('/') + 1);
  const query = `repository_url=${encodeURIComponent(path)}&tag=${tag}`;
  return {
    'bom-ref': `image:${image}`,
    type: 'container',
    name: path,
    version,
    // Which Node it is the base image alone decides: that of the lock file, which the tests run, is not in it.
    description: 'Node and the system libraries, in the versions that this image has.',
    purl: `pkg:oci/${name}@${encodeURIComponent(version)}?${query}`,
  };
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const git = spawnSync('git', ['log', '-1', '--format=%cI'], { cwd: root, encoding: 'utf8' });
  const time = new Date(git.status === 0 ? git.stdout.trim() : 0).toISOString();
  console.log(JSON.stringify(createSbom({ time }), null, 2));
}
