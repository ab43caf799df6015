/**
 * Writes src/api/generated/*.ts from the schemas in crds/. With --check it writes nothing and fails when a file differs.
 * A field with a default is required in the types: checked objects have their defaults applied.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile } from 'json-schema-to-typescript';
import { parse } from 'yaml';

const root = fileURLToPath(new URL('..', import.meta.url));
const crdFolder = join(root, 'crds');
const outFolder = join(root, 'src/api/generated');
const check = process.argv.includes('--check');

const BANNER = (file) => `// Generated from crds/${file} by scripts/generate-types.mjs. Do not edit.\n`;

const pascal = (name) => name.charAt(0).toUpperCase() + name.slice(1);
const singular = (name) => name.replace(/ies$/, 'y').replace(/s$/, '');

/** The part of the OpenAPI schema that has a TypeScript spelling, each object titled after its place. */
function typeSchema(schema, title) {
  const { description, type, enum: values } = schema;
  if (type === 'array') return { description, type, items: typeSchema(schema.items, singular(title)) };
  if (type !== 'object') return { description, type, ...(values && { enum: values }) };
  if (schema.additionalProperties) {
    return { description, type, additionalProperties: typeSchema(schema.additionalProperties, title) };
  }
  const properties = Object.entries(schema.properties ?? {});
  return {
    title,
    description,
    type,
    additionalProperties: false,
    required: properties
      .filter(([name, property]) => schema.required?.includes(name) || property.default !== undefined)
      .map(([name]) => name),
    properties: Object.fromEntries(
      properties.map(([name, property]) => [name, typeSchema(property, title + pascal(name))]),
    ),
  };
}

/** Resources are data that nobody changes in place. */
const readonlyMembers = (source) =>
  source
    .replace(/^( {2,})(\w+\??|\[k: string\]): /gm, '$1readonly $2: ')
    .replace(/^( +readonly .*: )(.+\[\];)$/gm, '$1readonly $2');

async function typesOf(file) {
  const crd = parse(readFileSync(join(crdFolder, file), 'utf8'));
  const kind = crd.spec.names.kind;
  const schema = crd.spec.versions.find((version) => version.storage).schema.openAPIV3Schema;
  let source = BANNER(file);
  for (const part of ['spec', 'status']) {
    const title = kind + pascal(part);
    const body = typeSchema(schema.properties[part], part === 'spec' ? kind : title);
    body.title = title;
    const text = await compile(body, title, {
      bannerComment: '',
      additionalProperties: false,
      style: { singleQuote: true, printWidth: 400 },
    });
    source += `\n${readonlyMembers(text)}`;
  }
  return { name: `${kind.replace(/(?<=[a-z])(?=[A-Z])/g, '-').toLowerCase()}.ts`, source };
}

const files = await Promise.all(
  readdirSync(crdFolder)
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .map(typesOf),
);
mkdirSync(outFolder, { recursive: true });
const wanted = new Map(files.map(({ name, source }) => [name, source]));
const present = new Map(readdirSync(outFolder).map((name) => [name, readFileSync(join(outFolder, name), 'utf8')]));
const differing = [...new Set([...wanted.keys(), ...present.keys()])].filter(
  (name) => wanted.get(name) !== present.get(name),
);

if (check) {
  for (const name of differing) console.error(`src/api/generated/${name} differs from crds/: run npm run generate`);
  process.exitCode = differing.length > 0 ? 1 : 0;
} else {
  for (const name of differing) {
    if (wanted.has(name)) writeFileSync(join(outFolder, name), wanted.get(name));
    else rmSync(join(outFolder, name));
  }
}
