// Tells which changes of the custom resource definitions would break stored objects or clients.
// Usage: node scripts/check-crds.mjs [--accept FILE] [OLD [NEW]]   (--help tells more)
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseAllDocuments } from 'yaml';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const HELP = `Usage: node scripts/check-crds.mjs [--accept FILE] [OLD [NEW]]

OLD and NEW are a folder, a file (several documents are fine) or a git revision, of which crds/ is taken.
NEW is crds/ by default, OLD the last release: the newest tag v* that HEAD descends from. Before the first
release nothing is promised, so that without a tag and without OLD there is nothing to compare.

Prints a line per change:
  breaking  stored objects or clients would fail, or mean something else
  look      stricter or different in a way that only a person can judge (a pattern, a rule, a default)
  warning   seen by people only (a column, a short name)
Nothing is printed of what is only added or loosened.

--accept FILE   lines of FILE (as printed; # begins a comment) are decided on: they count as warnings. A line that
                matches nothing is an error, so that the file is emptied with the release.

Exit codes: 0 compatible, warnings at most; 1 breaking, or to be looked at; 2 wrong usage.`;

class UsageError extends Error {}

function git(...args) {
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  return status === 0 ? stdout : undefined;
}

/** The texts of a folder, a file or a revision. */
function readTexts(place) {
  const stat = statSync(place, { throwIfNoEntry: false });
  if (stat?.isDirectory())
    return readdirSync(place)
      .filter((name) => /\.ya?ml$/.test(name))
      .sort()
      .map((name) => readFileSync(join(place, name), 'utf8'));
  if (stat) return [readFileSync(place, 'utf8')];
  const names = git('ls-tree', '--name-only', place, 'crds/');
  if (names === undefined) throw new UsageError(`${place} is no folder, no file and no git revision`);
  return names
    .split('\n')
    .filter((name) => /\.ya?ml$/.test(name))
    .map((name) => git('show', `${place}:${name}`) ?? '');
}

/** CRDs by name. */
function readCrds(place) {
  const crds = new Map();
  for (const document of readTexts(place).flatMap((text) => parseAllDocuments(text))) {
    if (document.errors?.length > 0) throw new UsageError(`${place}: ${document.errors[0].message}`);
    const object = document.toJS();
    if (object?.kind === 'CustomResourceDefinition') crds.set(object.metadata.name, object);
  }
  if (crds.size === 0) throw new UsageError(`${place} has no CustomResourceDefinition`);
  return crds;
}

const text = (value) => (typeof value === 'string' ? value : JSON.stringify(value));
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

function compareCrds(before, after) {
  const changes = [];
  for (const [name, old] of before) {
    const crd = after.get(name);
    const tell = (level, what) => changes.push({ level, line: `${name}${what}` });
    if (!crd) tell('breaking', ': the definition is gone, and all objects with it');
    else compareCrd(old.spec, crd.spec, tell);
  }
  return changes;
}

function compareCrd(old, crd, tell) {
  for (const field of ['group', 'scope'])
    if (old[field] !== crd[field]) tell('breaking', `: ${field} ${old[field]} becomes ${crd[field]}`);
  for (const field of ['kind', 'plural', 'singular', 'listKind'])
    if (old.names[field] !== crd.names[field])
      tell('breaking', `: names.${field} ${old.names[field]} becomes ${crd.names[field]}`);
  for (const field of ['shortNames', 'categories'])
    for (const name of old.names[field] ?? [])
      if (!crd.names[field]?.includes(name)) tell('warning', `: names.${field} loses ${name}`);
  const stored = (spec) => spec.versions.find(({ storage }) => storage)?.name;
  if (stored(old) !== stored(crd))
    tell('look', `: storage version ${stored(old)} becomes ${stored(crd)}; stored objects are to be migrated`);
  for (const version of old.versions) {
    const next = crd.versions.find(({ name }) => name === version.name);
    const tellVersion = (level, what) => tell(level, ` ${version.name}${what}`);
    if (!next) tellVersion('breaking', ': the version is gone');
    else compareVersion(version, next, tellVersion);
  }
}

function compareVersion(old, version, tell) {
  if (old.served && !version.served) tell('breaking', ': the version is no longer served');
  if (!old.deprecated && version.deprecated) tell('warning', ': the version is deprecated now');
  for (const name of ['status', 'scale'])
    if (old.subresources?.[name] && !version.subresources?.[name])
      tell('breaking', `: the subresource ${name} is gone`);
  for (const { name, jsonPath } of old.additionalPrinterColumns ?? []) {
    const column = version.additionalPrinterColumns?.find((each) => each.name === name);
    if (!column) tell('warning', `: the printer column ${name} is gone`);
    else if (column.jsonPath !== jsonPath) tell('warning', `: the printer column ${name} shows ${column.jsonPath} now`);
  }
  compareSchema(old.schema.openAPIV3Schema, version.schema.openAPIV3Schema, '', tell);
}

/** Bounds by whether a larger number admits more. */
const BOUNDS = {
  minimum: 'least',
  minLength: 'least',
  minItems: 'least',
  minProperties: 'least',
  maximum: 'most',
  maxLength: 'most',
  maxItems: 'most',
  maxProperties: 'most',
};
/** What turns patches, or the meaning of a stored object, into something else. */
const FIXED = ['x-kubernetes-list-type', 'x-kubernetes-list-map-keys', 'x-kubernetes-map-type', 'multipleOf'];
/** Once true, taking it away refuses objects. */
const LOOSE = [
  'nullable',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-int-or-string',
  'x-kubernetes-embedded-resource',
];
/** Once true, setting it refuses objects. */
const STRICT = ['uniqueItems', 'exclusiveMinimum', 'exclusiveMaximum'];
const JUNCTIONS = ['allOf', 'anyOf', 'oneOf', 'not'];

function compareSchema(old, schema, path, tellAt) {
  const tell = (level, what) => tellAt(level, ` ${path === '' ? '.' : path}: ${what}`);
  if (old.type !== schema.type) {
    tell('breaking', `type ${text(old.type)} becomes ${text(schema.type)}`);
    return;
  }
  compareValues(old, schema, tell);
  compareRules(old['x-kubernetes-validations'] ?? [], schema['x-kubernetes-validations'] ?? [], tell);
  for (const name of FIXED)
    if (!same(old[name], schema[name]))
      tell('breaking', `${name} ${text(old[name]) ?? 'none'} becomes ${text(schema[name]) ?? 'none'}`);
  for (const name of LOOSE) if (old[name] && !schema[name]) tell('breaking', `${name} is gone`);
  for (const name of STRICT) if (!old[name] && schema[name]) tell('breaking', `${name} is new`);
  for (const name of JUNCTIONS) if (!same(old[name], schema[name])) tell('look', `${name} changed`);
  compareMembers(old, schema, path, tell, tellAt);
}

function compareValues(old, schema, tell) {
  for (const [name, direction] of Object.entries(BOUNDS)) {
    const [from, to] = [old[name], schema[name]];
    if (to === undefined || from === to) continue;
    if (from === undefined) tell('breaking', `${name} ${to} is new`);
    else if (direction === 'least' ? to > from : to < from) tell('breaking', `${name} ${from} becomes ${to}`);
  }
  if (!old.enum && schema.enum) tell('breaking', `enum is new: ${schema.enum.map(text).join(', ')}`);
  for (const value of (schema.enum && old.enum) ?? [])
    if (!schema.enum.includes(value)) tell('breaking', `enum loses ${text(value)}`);
  if (old.pattern === undefined && schema.pattern !== undefined) tell('breaking', `pattern is new: ${schema.pattern}`);
  else if (schema.pattern !== undefined && old.pattern !== schema.pattern)
    tell('look', `pattern ${old.pattern} becomes ${schema.pattern}`);
  if (
    schema.format !== undefined &&
    old.format !== schema.format &&
    !(old.format === 'int32' && schema.format === 'int64')
  )
    tell('breaking', `format ${old.format ?? 'none'} becomes ${schema.format}`);
  // An object that leaves the field out would mean something else.
  if (!same(old.default, schema.default))
    tell(
      old.default === undefined ? 'look' : 'breaking',
      `default ${text(old.default) ?? 'none'} becomes ${text(schema.default) ?? 'none'}`,
    );
}

function compareRules(old, rules, tell) {
  for (const { rule, message } of rules) {
    if (old.some((each) => each.rule === rule)) continue;
    if (/\boldSelf\b/.test(rule)) tell('breaking', `immutable now, or changes are bounded: ${message ?? rule}`);
    else tell('look', `stricter, a new or changed rule: ${message ?? rule}`);
  }
}

function compareMembers(old, schema, path, tell, tellAt) {
  for (const [name, member] of Object.entries(old.properties ?? {})) {
    const next = schema.properties?.[name];
    if (!next) tellAt('breaking', ` ${path}.${name}: the field is gone`);
    else compareSchema(member, next, `${path}.${name}`, tellAt);
  }
  for (const name of schema.required ?? []) {
    if (old.required?.includes(name)) continue;
    // A default is filled in before the check.
    const filled = !old.properties?.[name] && schema.properties?.[name]?.default !== undefined;
    if (!filled) tell('breaking', `${name} is required now`);
  }
  // Clients may rely on it being there.
  for (const name of old.required ?? [])
    if (!schema.required?.includes(name) && schema.properties?.[name] && path.startsWith('.status'))
      tell('warning', `${name} is no longer always there`);
  compareInside(old.items, schema.items, `${path}[]`, tellAt);
  compareInside(old.additionalProperties, schema.additionalProperties, `${path}.*`, tellAt);
}

function compareInside(old, schema, path, tellAt) {
  if (typeof old !== 'object' || typeof schema !== 'object') {
    if (!same(old, schema)) tellAt('breaking', ` ${path}: ${text(old) ?? 'none'} becomes ${text(schema) ?? 'none'}`);
    return;
  }
  compareSchema(old, schema, path, tellAt);
}

function main() {
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h' }, accept: { type: 'string' } },
    });
  } catch (error) {
    throw new UsageError(error.message);
  }
  const { values, positionals } = parsed;
  if (values.help) return void console.log(HELP);
  if (positionals.length > 2) throw new UsageError('at most OLD and NEW');
  const [old = git('describe', '--tags', '--abbrev=0', '--match', 'v*')?.trim(), next = join(root, 'crds')] =
    positionals;
  if (old === undefined) return void console.log('no release to compare with yet');
  const changes = compareCrds(readCrds(old), readCrds(next));
  const accepted = new Set(values.accept === undefined ? [] : acceptedLines(values.accept));
  let failures = 0;
  for (const { level, line } of changes) {
    const isDecided = accepted.delete(line);
    console.log(`${(isDecided ? 'accepted' : level).padEnd(9)} ${line}`);
    if (!isDecided && level !== 'warning') failures += 1;
  }
  for (const line of accepted) console.log(`unused    ${line}`);
  failures += accepted.size;
  console.log(failures === 0 ? `compatible with ${old}` : `${failures} to decide on, against ${old}`);
  process.exitCode = failures === 0 ? 0 : 1;
}

/** The level in front of a line may stay, as it is copied from the output. */
function acceptedLines(file) {
  if (!statSync(file, { throwIfNoEntry: false })) throw new UsageError(`${file} does not exist`);
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.replace(/^\s*(breaking|look)\s+/, '').trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

try {
  main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${HELP}`);
  process.exitCode = 2;
}
