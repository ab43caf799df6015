// A minimal root filesystem, as distroless images have one: users, resolver order, certificates, a binary and
// the shared libraries it is linked with. Linux with glibc, for the machine's own architecture.
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** User and group of distroless `nonroot`. */
export const NONROOT = 65532;

const CERTIFICATES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem'];

export function createRoot(folder) {
  for (const name of ['dev', 'etc/ssl/certs', 'home/nonroot', 'proc', 'run', 'sys', 'tmp', 'var/run']) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  chmodSync(join(folder, 'tmp'), 0o1777);
  const write = (name, ...lines) => writeFileSync(join(folder, name), `${lines.join('\n')}\n`);
  const id = String(NONROOT);
  write('etc/passwd', 'root:x:0:0:root:/:/sbin/nologin', `nonroot:x:${id}:${id}:nonroot:/home/nonroot:/sbin/nologin`);
  write('etc/group', 'root:x:0:', `nonroot:x:${id}:`);
  write('etc/nsswitch.conf', 'hosts: files dns');
  const certificates = CERTIFICATES.find((path) => existsSync(path));
  if (certificates) copyFileSync(certificates, join(folder, 'etc/ssl/certs/ca-certificates.crt'));
}

/** Copies `source` to `target` in the root, and what the loader needs for it, each under the path the loader asks for. */
export function addBinary(folder, source, target) {
  copyTo(folder, realpathSync(source), target, 0o755);
  for (const library of linkedLibraries(source)) {
    if (!existsSync(join(folder, library))) copyTo(folder, realpathSync(library), library, 0o755);
  }
}

function copyTo(folder, source, target, mode) {
  const path = join(folder, target);
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(source, path);
  chmodSync(path, mode);
}

function linkedLibraries(binary) {
  const { status, stdout, stderr } = spawnSync('ldd', [realpathSync(binary)], { encoding: 'utf8' });
  if (status !== 0) {
    if (/not a dynamic executable|statically linked/.test(stdout + stderr)) return [];
    throw new Error(`ldd ${binary}: ${stderr.trim()}`);
  }
  const missing = /^\s*(\S+) => not found/m.exec(stdout);
  if (missing) throw new Error(`${binary} needs ${missing[1]}, which this machine does not have`);
  return [...new Set([...stdout.matchAll(/(\/\S+\.so[^\s]*)/g)].map(([path]) => path))];
}

/** For a line of the log: `node v24.21.0`. */
export const versionOf = (binary) =>
  spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout.trim().split('\n')[0] ?? '';

export const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
