// Generates src/gen from proto/envoy-*.binpb (a FileDescriptorSet of exactly one Envoy version):
// takes the closure of the messages we use and feeds it to protoc-gen-es, which needs no protoc or buf.
// Usage: node scripts/generate-proto.mjs [--check]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  CodeGeneratorRequestSchema,
  CodeGeneratorResponseSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const out = join(root, 'src/gen');
const roots = readFileSync(join(root, 'proto/roots.txt'), 'utf8')
  .split('\n')
  .map((l) => l.trim())
  .filter((l) => l && !l.startsWith('#'));
const set = fromBinary(FileDescriptorSetSchema, readFileSync(join(root, 'proto/envoy-1.40.binpb')));
const byName = new Map(set.file.map((f) => [f.name, f]));

const wanted = new Set();
const visit = (name) => {
  if (wanted.has(name)) return;
  const file = byName.get(name);
  if (!file) throw new Error(`proto/roots.txt or an import names ${name}, which the descriptor set lacks`);
  file.dependency.forEach(visit);
  wanted.add(name);
};
roots.forEach(visit);

const request = create(CodeGeneratorRequestSchema, {
  parameter: 'target=ts,import_extension=js',
  protoFile: set.file.filter((f) => wanted.has(f.name)),
  fileToGenerate: [...wanted].filter((n) => !n.startsWith('google/protobuf/')),
});
const plugin = spawnSync(process.execPath, [join(root, 'node_modules/@bufbuild/protoc-gen-es/bin/protoc-gen-es')], {
  input: toBinary(CodeGeneratorRequestSchema, request),
  maxBuffer: 256 * 1024 * 1024,
});
if (plugin.status !== 0) throw new Error(`protoc-gen-es failed: ${plugin.stderr}`);
const response = fromBinary(CodeGeneratorResponseSchema, plugin.stdout);
if (response.error) throw new Error(response.error);

const files = new Map(response.file.map((f) => [f.name, f.content]));
const existing = existsSync(out) ? readdirSync(out, { recursive: true }).filter((f) => f.endsWith('_pb.ts')) : [];
if (process.argv.includes('--check')) {
  const stale = [...files]
    .filter(([n, c]) => !existsSync(join(out, n)) || readFileSync(join(out, n), 'utf8') !== c)
    .map(([n]) => n);
  const extra = existing.filter((f) => !files.has(f));
  if (stale.length + extra.length) {
    console.error(`src/gen differs from proto/: ${[...stale, ...extra].slice(0, 5).join(', ')}. Run: npm run generate`);
    process.exit(1);
  }
} else {
  existing.filter((f) => !files.has(f)).forEach((f) => rmSync(join(out, f)));
  for (const [name, content] of files) {
    mkdirSync(dirname(join(out, name)), { recursive: true });
    writeFileSync(join(out, name), content);
  }
  console.log(`${files.size} files in ${relative(root, out)}`);
}
