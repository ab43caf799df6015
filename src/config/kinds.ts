/** Kinds of setting values: how their text is read and what a bad one is told. */
import { resolve } from 'node:path';
import { Redacted } from '../lib/redacted.js';

export type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

export interface Kind<T> {
  /** Placeholder of the flag in help, e.g. `port`. */
  readonly placeholder: string;
  /** Reads one text; `folder` resolves relative paths (the working directory, or that of the configuration file). */
  readonly read: (text: string, folder: string) => Read<T>;
}

const good = <T>(value: T): Read<T> => ({ ok: true, value });
const bad = (message: string): Read<never> => ({ ok: false, message });

export const text: Kind<string> = {
  placeholder: 'text',
  read: (value) => (value === '' ? bad('must not be empty') : good(value)),
};

export const path: Kind<string> = {
  placeholder: 'path',
  read: (value, folder) => (value === '' ? bad('must not be empty') : good(resolve(folder, value))),
};

export const port: Kind<number> = { placeholder: 'port', read: (value) => wholeNumber(value, 1, 65_535) };

export const count: Kind<number> = { placeholder: 'n', read: (value) => wholeNumber(value, 1, 1024) };

export const hops: Kind<number> = { placeholder: 'n', read: (value) => wholeNumber(value, 0, 16) };

function wholeNumber(value: string, least: number, most: number): Read<number> {
  const number = /^\d{1,6}$/.test(value) ? Number(value) : Number.NaN;
  return number >= least && number <= most
    ? good(number)
    : bad(`must be a whole number from ${String(least)} to ${String(most)}`);
}

export const address: Kind<string> = {
  placeholder: 'address',
  read: (value) =>
    /^[0-9a-fA-F.:]+$/.test(value) ? good(value) : bad('must be an IP address, such as 127.0.0.1 or 0.0.0.0'),
};

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

/** Milliseconds. */
export const duration: Kind<number> = {
  placeholder: 'duration',
  read: (value) => {
    const match = /^(\d{1,6})(ms|s|m)$/.exec(value);
    const ms = match ? Number(match[1]) * (UNITS_MS[match[2] ?? ''] ?? 0) : 0;
    return ms > 0 ? good(ms) : bad('must be a duration greater than 0, such as 50ms or 5s');
  },
};

export const oneOf = <const T extends string>(...words: readonly T[]): Kind<T> => ({
  placeholder: words.join('|'),
  read: (value) => {
    const found = words.find((word) => word === value);
    return found === undefined ? bad(`must be one of ${words.join(', ')}`) : good(found);
  },
});

/** A URL that may hold a password, so it is never printed. */
export const redisUrl: Kind<Redacted<string>> = {
  placeholder: 'url',
  read: (value) => {
    const url = URL.parse(value);
    return url && (url.protocol === 'redis:' || url.protocol === 'rediss:') && url.hostname !== ''
      ? good(new Redacted(value))
      : bad('must be redis://host:port or rediss://host:port');
  },
};

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export const hostPort: Kind<HostPort> = {
  placeholder: 'host:port',
  read: (value) => {
    const [, ipv6, plain, portText = ''] = /^(?:\[([0-9a-fA-F:]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(value) ?? [];
    const portRead = wholeNumber(portText, 1, 65_535);
    const host = ipv6 ?? plain;
    return host !== undefined && portRead.ok
      ? good({ host, port: portRead.value })
      : bad('must be host:port, such as redis-0.redis:6379');
  },
};

/** Where a Service of a manifest is reached outside a cluster. */
export interface ServiceAddress {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
  readonly host: string;
  readonly targetPort: number;
}

const SERVICE = /^([a-z0-9-]+)\/([a-z0-9-]+):(\d{1,5})=(?:\[([0-9a-fA-F:]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/;

export const service: Kind<ServiceAddress> = {
  placeholder: 'ns/name:port=host:port',
  read: (value) => {
    const match = SERVICE.exec(value);
    const [, namespace = '', name = '', portText = '', ipv6, plain, targetText = ''] = match ?? [];
    const [from, to] = [wholeNumber(portText, 1, 65_535), wholeNumber(targetText, 1, 65_535)];
    return match && from.ok && to.ok
      ? good({ namespace, name, port: from.value, host: ipv6 ?? plain ?? '', targetPort: to.value })
      : bad('must be namespace/name:port=host:port, such as shop/orders:8080=127.0.0.1:9000');
  },
};

/** Which host names a namespace may claim. */
export interface HostnameClaim {
  readonly namespace: string;
  readonly pattern: string;
}

const HOST_PATTERN = /^(\*|(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?)$/;

export const hostnameClaim: Kind<HostnameClaim> = {
  placeholder: 'ns=pattern',
  read: (value) => {
    const [namespace = '', pattern = '', ...rest] = value.toLowerCase().split('=');
    return rest.length === 0 && /^(\*|[a-z0-9-]+)$/.test(namespace) && HOST_PATTERN.test(pattern)
      ? good({ namespace, pattern })
      : bad('must be namespace=pattern, such as shop=*.shop.example.com');
  },
};

export const hostPattern: Kind<string> = {
  placeholder: 'pattern',
  read: (value) =>
    HOST_PATTERN.test(value.toLowerCase()) || /^[0-9a-f:]+$/i.test(value)
      ? good(value.toLowerCase())
      : bad('must be a host name, an IP address, *.suffix or * for any'),
};
