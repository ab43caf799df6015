// Writes the reference pages that come from tables in code. Reads dist, so build first.
// Usage: node scripts/generate-docs.mjs [--check]
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { REASONS } = await import(join(root, 'dist/lib/reason.js'));

const reasons = [
  '# Reasons of a refusal',
  '',
  'One word from this list is in the access log (`reason`), in the metric label, and in Envoy\u2019s dynamic metadata. Status and code are those of `errors: Uniform`;',
  'under `errors: Vendor` a dialect answers as its vendor documents. Generated from `src/lib/reason.ts`.',
  '',
  '| reason | status | code | cause | remedy |',
  '|---|---|---|---|---|',
  ...Object.entries(REASONS).map(
    ([reason, row]) =>
      `| \`${reason}\` | ${row.status} | ${row.code} | ${row.cause.replaceAll('|', '\\|')} | ${row.remedy.replaceAll('|', '\\|')} |`,
  ),
  '',
].join('\n');
const wanted = new Map([['docs/reference/reasons.md', reasons]]);

const stale = [...wanted].filter(
  ([path, text]) => !existsSync(join(root, path)) || readFileSync(join(root, path), 'utf8') !== text,
);
if (process.argv.includes('--check')) {
  if (stale.length > 0) {
    console.error(
      `${stale.map(([path]) => path).join(', ')} differ from the code. Run: npm run build && npm run generate`,
    );
    process.exit(1);
  }
} else {
  for (const [path, text] of stale) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    console.log(path);
  }
}
