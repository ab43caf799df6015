/** Runs the code blocks of docs/clients as a reader would: ENDPOINT, KEY_ID and SECRET in the environment, nothing else. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { DialectName } from '../../src/signature/dialect.js';
import { withoutProxies, type Missing } from './client.js';
import { KEY, startClientGateway, type ClientGateway } from './gateway.js';
import { notRun } from './not-run.js';
import { missingCommand, PYTHON_PACKAGES, pythonPackage } from './packages.js';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const docs = join(root, 'docs/clients');
const RUN_MS = 120_000;

const DIALECTS: Readonly<Record<string, DialectName>> = {
  'huawei.md': 'Huawei',
  'jdcloud.md': 'JDCloud',
  'tencent.md': 'Tencent',
  'tencent-application.md': 'TencentApplication',
};

interface Snippet {
  readonly file: string;
  readonly heading: string;
  readonly language: string;
  readonly code: string;
}

interface Prepared {
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

interface ReadySnippet extends Snippet, Prepared {
  readonly runner: Runner;
}

/** How a block of a language is run: in a folder of its own, in which `file` holds the block. */
interface Runner {
  readonly file: string;
  readonly command: string;
  /** Why the language cannot run here; else what the command needs. */
  prepare(snippet: Snippet): Promise<Missing | Prepared>;
  /** Files beside the block. */
  readonly beside?: readonly string[];
}

const ifPresent = async (missing: Promise<string | undefined>, args: readonly string[]) => {
  const reason = await missing;
  return reason === undefined ? { args } : { missing: reason };
};

const RUNNERS: Readonly<Record<string, Runner>> = {
  js: {
    file: 'main.mjs',
    command: process.execPath,
    // From the folder of the repository: its node_modules hold the SDKs.
    prepare: async ({ code }) => ({ args: ['--input-type=module', '--eval', code] }),
  },
  python: {
    file: 'main.py',
    command: 'python3',
    async prepare({ code }) {
      const missing = await missingCommand('python3', '--version');
      if (missing) return { missing };
      const named = PYTHON_PACKAGES.find(({ module }) => code.includes(`from ${module}.`));
      const installed = named ? await pythonPackage(named) : { folder: '' };
      if ('missing' in installed) return installed;
      return { args: ['-W', 'ignore', 'main.py'], environment: { PYTHONPATH: installed.folder } };
    },
  },
  go: {
    file: 'main.go',
    command: 'go',
    beside: ['go.mod', 'go.sum'].map((name) => join(root, 'test/clients/programs/go', name)),
    prepare: () => ifPresent(missingCommand('go', 'version'), ['run', '-mod=readonly', '-buildvcs=false', '.']),
  },
  java: {
    file: 'Main.java',
    command: 'java',
    prepare: () => ifPresent(missingCommand('javac', '-version'), ['Main.java']),
  },
  php: {
    file: 'main.php',
    command: 'php',
    prepare: () => ifPresent(missingCommand('php', '-r', 'exit((int) !extension_loaded("curl"));'), ['main.php']),
  },
};

async function readSnippets(): Promise<Snippet[]> {
  const files = (await readdir(docs)).filter((file) => file in DIALECTS);
  const texts = await Promise.all(files.map(async (file) => [file, await readFile(join(docs, file), 'utf8')] as const));
  return texts.flatMap(([file, text]) =>
    text.split(/^## /m).flatMap((section) =>
      [...section.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language = '', code = '']) => ({
        file,
        heading: section.split('\n')[0] ?? '',
        language,
        code,
      })),
    ),
  );
}

/** Every block in one of `languages`; a block in a language that no suite runs fails. */
export async function describeSnippets(languages: readonly string[]): Promise<void> {
  const snippets = await readSnippets();

  test('every code block of docs/clients is run by a suite', () => {
    expect(snippets.length).toBeGreaterThan(0);
    expect(snippets.filter(({ language }) => !(language in RUNNERS))).toEqual([]);
  });

  for (const file of Object.keys(DIALECTS)) {
    const own = snippets.filter((each) => each.file === file && languages.includes(each.language));
    const ready: ReadySnippet[] = [];
    for (const snippet of own) {
      const runner = RUNNERS[snippet.language];
      if (!runner) continue;
      const prepared = await runner.prepare(snippet);
      if ('missing' in prepared) notRun(`docs/clients/${file}, ${snippet.heading}`, prepared.missing);
      else ready.push({ ...snippet, runner, ...prepared });
    }
    if (ready.length > 0) describe(`docs/clients/${file}`, () => describeFile(DIALECTS[file]!, ready));
  }
}

function describeFile(dialect: DialectName, snippets: readonly ReadySnippet[]): void {
  let served: ClientGateway;
  beforeAll(async () => {
    served = await startClientGateway({ [dialect]: 'orders' });
  }, RUN_MS);
  afterAll(() => served?.close());

  test.each(snippets)(
    '$heading: the $language block gets 200',
    async ({ language, code, runner, args, environment }) => {
      const folder = await mkdtemp(join(tmpdir(), 'countersign-snippet-'));
      try {
        await writeFile(join(folder, runner.file), code);
        for (const file of runner.beside ?? []) await cp(file, join(folder, basename(file)));
        served.backend.clear();
        const { stdout } = await run(runner.command, args, {
          cwd: language === 'js' ? root : folder,
          env: {
            ...withoutProxies(process.env),
            ...environment,
            ENDPOINT: `http://127.0.0.1:${served.gateway.httpPort}`,
            KEY_ID: KEY.keyId,
            SECRET: KEY.secret,
          },
          timeout: RUN_MS,
        });
        expect(stdout.trim()).toBe('200');
        expect(served.backend.requests.map(({ method, target }) => ({ method, target }))).toEqual([
          { method: 'GET', target: '/v1/items?limit=10' },
        ]);
        expect(served.backend.last?.header('x-countersign-key-id')).toBe(KEY.keyId);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    RUN_MS,
  );
}
