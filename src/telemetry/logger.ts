/**
 * The log: JSON lines by pino, or one short line per entry for a terminal. Fields use the words of the
 * metric labels. Callers pass ids and reasons, never header values or key material.
 */
import { Writable } from 'node:stream';
import { destination, pino, type Logger } from 'pino';

export type { Logger } from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFormat = 'json' | 'pretty';

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Lines go here instead of stderr. */
  readonly write?: (text: string) => void;
}

export function createLogger({ level, format, write }: LoggerOptions): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  if (format === 'json' && !write) return pino(options, destination({ dest: 2, sync: true }));
  const sink = write ?? ((text: string) => void process.stderr.write(text));
  return pino(
    options,
    new Writable({
      decodeStrings: false,
      write(line: string, _encoding, done) {
        sink(format === 'json' ? line : formatPretty(line));
        done();
      },
    }),
  );
}

/** For code that must have a logger and tests that want no lines. */
export const silentLogger: Logger = pino({ level: 'silent' });

/** `12:30:45 warn  envoy: message key=value`; the date and the level `info` are left out, they only take room. */
export function formatPretty(line: string): string {
  let entry: Record<string, unknown> & { time?: string; level?: string; component?: string; msg?: string };
  try {
    entry = JSON.parse(line) as typeof entry;
  } catch {
    return line;
  }
  const { level, time, msg, component, ...fields } = entry;
  const words = [(time ?? '').slice(11, 19)];
  if (level !== 'info') words.push((level ?? '').toUpperCase());
  if (component !== undefined) words.push(`${component}:`);
  // Part of a message may be a caller's text: no control characters reach a terminal.
  words.push((msg ?? '').replace(/[\p{Cc}]+/gu, ' '));
  for (const [name, value] of Object.entries(fields)) words.push(`${name}=${formatValue(value)}`);
  return `${words.join(' ')}\n`;
}

function formatValue(value: unknown): string {
  if (value !== null && typeof value === 'object' && 'message' in value) return JSON.stringify(value.message);
  if (typeof value !== 'string') return JSON.stringify(value);
  return /^[\w./:@+-]+$/.test(value) ? value : JSON.stringify(value);
}
