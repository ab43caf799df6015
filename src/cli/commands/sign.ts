/** `countersign sign`: the headers that sign a request, for use with curl. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { fileErrorMessage } from '../../lib/file-error.js';
import { Redacted } from '../../lib/redacted.js';
import type { DialectName } from '../../signature/dialect.js';
import { CommandError, type CommandIo } from '../io.js';
import { helpText } from '../options/help-text.js';
import { addKeyOptions, readKey, type KeyOptions } from '../options/secret-options.js';

const DIALECT_NAMES: readonly DialectName[] = ['JDCloud', 'Huawei', 'Tencent', 'TencentApplication'];

interface SignOptions extends KeyOptions {
  readonly dialect: DialectName;
  readonly header?: readonly string[];
  readonly data?: string;
  readonly unsignedPayload?: boolean;
  readonly date?: string;
  readonly nonce?: string;
  readonly curl?: boolean;
}

const collect = (text: string, before: readonly string[] | undefined): string[] => [...(before ?? []), text];

export function addSignCommand(program: Command, io: CommandIo): void {
  const command = program
    .command('sign')
    .description('print the headers that sign a request, for use with curl')
    .usage('[METHOD] URL [options]')
    .argument('<method-or-url>', 'GET, or POST with --data, when left out')
    .argument('[url]', 'as it will be sent, percent-encoded')
    .addOption(new Option('--dialect <name>', 'signature scheme').choices(DIALECT_NAMES).makeOptionMandatory());
  addKeyOptions(command)
    .option('-H, --header <line>', 'a header to send and to sign, "Name: value"; repeatable', collect)
    .option('-d, --data <text>', 'the body; @FILE reads a file as it is')
    .option('--unsigned-payload', 'leave the body out of the signature (JDCloud, Huawei)')
    .option('--date <time>', 'sign for this time, ISO 8601, instead of now')
    .option('--nonce <uuid>', 'the nonce instead of a random one (JDCloud)')
    .option('--curl', 'print arguments for curl instead of header lines')
    .addHelpText(
      'after',
      helpText(`
Examples:
  countersign sign --dialect Huawei --key-id AK1 --secret-env SECRET https://api.example.com/orders/v1/orders
  eval curl -s $(countersign sign --curl --dialect JDCloud --key-id AK1 --secret-file secret.txt \\
    -H 'content-type: application/json' -d '{"sku":"A-1"}' POST http://127.0.0.1:8080/orders/v1/orders)

With a key that run generated (countersign keys DIR names the file), id and secret come from its Secret:
  eval curl -s $(countersign sign --curl --dialect Huawei \\
    --secret-file config/.countersign/keys/shop/partner-signature-key.yaml http://127.0.0.1:8080/orders/v1/orders)`),
    )
    .action(async (first: string, second: string | undefined, options: SignOptions) => {
      const [method, url] =
        second === undefined ? [options.data === undefined ? 'GET' : 'POST', first] : [first, second];
      const signed = await signUrl(method, url, options, io);
      io.stdout(options.curl ? `${curlArguments(method, url, signed, options.data)}\n` : headerLines(signed));
    });
}

type Headers = readonly (readonly [name: string, value: string])[];

/** The given headers and those of the signature, in the order in which they are to be sent. */
async function signUrl(method: string, url: string, options: SignOptions, io: CommandIo): Promise<Headers> {
  if (!/^[A-Z]+$/.test(method)) throw new CommandError(`the method must be in capitals, not ${JSON.stringify(method)}`);
  if (!METHODS.has(method)) io.stderr(`warning: ${method} is no method that HTTP defines\n`);
  if (options.nonce !== undefined && options.dialect !== 'JDCloud')
    throw new CommandError(`--nonce: the dialect ${options.dialect} has none`);
  if (options.unsignedPayload && options.dialect !== 'JDCloud' && options.dialect !== 'Huawei')
    throw new CommandError(`--unsigned-payload: the dialect ${options.dialect} has no word for it`);
  const { host, target } = splitUrl(url);
  const given = (options.header ?? []).map(parseHeader);
  for (const [i, [name]] of given.entries()) {
    const why = UNSENT.get(name) ?? (given.findIndex(([other]) => other === name) < i ? 'is given twice' : undefined);
    if (why !== undefined) throw new CommandError(`--header ${name}: ${why}`);
  }
  const body = options.data === undefined ? Buffer.alloc(0) : readData(options.data, io.workingFolder);
  if (options.data !== undefined && !given.some(([name]) => name === 'content-type')) {
    // Said outright: a client's own default (curl: a form) would differ from what is signed.
    given.push(['content-type', 'application/octet-stream']);
  }
  if (options.dialect === 'TencentApplication' && !given.some(([name]) => name === 'accept')) {
    // The scheme signs it, and curl sends this one.
    given.push(['accept', '*/*']);
  }
  const { keyId, secret } = await readKey(options, io);
  const nowMs = options.date === undefined ? Date.now() : Date.parse(options.date);
  if (Number.isNaN(nowMs)) throw new CommandError('--date must be a time such as 2026-01-31T12:00:00Z');
  const { dialectByName } = await import('../../signature/dialects.js');
  const dialect = dialectByName(options.dialect);
  const signature = dialect.sign(
    {
      method,
      target,
      host: given.find(([name]) => name === 'host')?.[1] ?? host,
      signHeaders: given.filter(([name]) => name !== 'host' && name !== 'content-type'),
      contentType: given.find(([name]) => name === 'content-type')?.[1],
      accept: given.find(([name]) => name === 'accept')?.[1],
      body: options.unsignedPayload ? undefined : body,
    },
    { keyId, secret: new Redacted(secret) },
    { nowMs, nonce: options.nonce ?? randomUUID() },
  );
  const added = new Set(signature.map(([name]) => name));
  const clash = given.find(([name]) => added.has(name))?.[0];
  if (clash !== undefined)
    throw new CommandError(
      `--header ${clash}: the dialect ${options.dialect} sets it itself${/date/.test(clash) ? '; give --date' : ''}${/nonce/.test(clash) ? '; give --nonce' : ''}`,
    );
  return [...given, ...signature];
}

/** RFC 9110 §9, and PATCH. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']);

const BY_CLIENT = 'the client that sends the request sets it';
/** Headers that cannot be sent as they are given, or not with a signature beside them. */
const UNSENT: ReadonlyMap<string, string> = new Map([
  ['authorization', 'is the signature itself'],
  ['proxy-authorization', 'a request with two credentials is refused'],
  ...['content-length', 'transfer-encoding', 'connection', 'keep-alive', 'te', 'trailer', 'upgrade', 'expect'].map(
    (name): [string, string] => [name, BY_CLIENT],
  ),
]);

/** Cuts a URL without changing a byte of path and query: what is signed is what is sent. */
function splitUrl(url: string): { readonly host: string; readonly target: string } {
  const match = /^(https?):\/\/([^/?#\s]+)([^#]*)(#.*)?$/i.exec(url);
  if (!match) throw new CommandError(`the URL must start with http:// or https://, not ${JSON.stringify(url)}`);
  if (!/^[\x21-\x7e]*$/.test(url)) throw new CommandError('the URL must be percent-encoded ASCII');
  const [, scheme = '', authority = '', rest = ''] = match;
  const defaultPort = scheme.toLowerCase() === 'https' ? ':443' : ':80';
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  return {
    // Clients leave the default port out of Host.
    host: host.endsWith(defaultPort) ? host.slice(0, -defaultPort.length) : host,
    target: rest.startsWith('/') ? rest : `/${rest}`,
  };
}

function parseHeader(line: string): [name: string, value: string] {
  const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line);
  if (!match || !/^[\t\x20-\x7e]*$/.test(match[2] ?? ''))
    throw new CommandError(`--header must be "Name: value" in ASCII, not ${JSON.stringify(line)}`);
  return [(match[1] ?? '').toLowerCase(), match[2] ?? ''];
}

function readData(data: string, workingFolder: string): Buffer {
  if (!data.startsWith('@')) return Buffer.from(data, 'utf8');
  try {
    return readFileSync(resolve(workingFolder, data.slice(1)));
  } catch (error) {
    throw new CommandError(`--data ${data}: the file ${fileErrorMessage(error)}`);
  }
}

const headerLines = (headers: Headers): string => headers.map(([name, value]) => `${name}: ${value}\n`).join('');

/** One line, so that `eval curl $(…)` reads it back as it is. */
function curlArguments(method: string, url: string, headers: Headers, data: string | undefined): string {
  const words = [
    '-X',
    method,
    ...headers.flatMap(([name, value]) => ['-H', value === '' ? `${name};` : `${name}: ${value}`]),
  ];
  if (data !== undefined) words.push('--data-binary', data);
  return [...words, url].map(quote).join(' ');
}

const quote = (word: string): string => (/^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
