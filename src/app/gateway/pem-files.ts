/** Files of certificates that Envoy is given, read before it is: it would refuse them seconds later, and less clearly. */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { Config } from '../../config/settings.js';
import { AppError, errorMessage } from '../../lib/errors.js';
import { fileErrorMessage } from '../../lib/file-error.js';

/** @throws AppError `ERR_TLS` naming flag, file and what to do. */
export function checkPemFiles({ tlsCert, tlsKey, caBundle }: Pick<Config, 'tlsCert' | 'tlsKey' | 'caBundle'>): void {
  if (caBundle !== undefined) certificateIn('--ca-bundle', caBundle);
  if (tlsCert === undefined || tlsKey === undefined) return;
  const certificate = certificateIn('--tls-cert', tlsCert);
  const key = privateKeyIn('--tls-key', tlsKey);
  if (!certificate.checkPrivateKey(key))
    throw refuse(
      `--tls-cert ${tlsCert} and --tls-key ${tlsKey} do not belong together; give the key of this certificate`,
    );
  try {
    createSecureContext({ cert: readFileSync(tlsCert), key: readFileSync(tlsKey) });
  } catch (error) {
    throw refuse(`--tls-cert ${tlsCert}, --tls-key ${tlsKey} cannot be used for TLS: ${errorMessage(error)}`, error);
  }
}

function certificateIn(flag: string, path: string): X509Certificate {
  const blocks = read(flag, path).match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const certificates = blocks.map((block, i) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw refuse(`${flag} ${path}: certificate ${String(i + 1)} of ${String(blocks.length)} cannot be read`, error);
    }
  });
  const [first] = certificates;
  if (!first) throw refuse(`${flag} ${path} holds no certificate; give a PEM file with BEGIN CERTIFICATE`);
  return first;
}

function privateKeyIn(flag: string, path: string): KeyObject {
  const text = read(flag, path);
  if (/ENCRYPTED/.test(text)) throw refuse(`${flag} ${path} has a passphrase; give a key without one`);
  try {
    return createPrivateKey(text);
  } catch (error) {
    throw refuse(`${flag} ${path} holds no private key; give a PEM file with BEGIN PRIVATE KEY`, error);
  }
}

function read(flag: string, path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    throw refuse(`${flag} ${path} ${fileErrorMessage(error)}`, error);
  }
}

const refuse = (message: string, cause?: unknown): AppError => new AppError('ERR_TLS', message, { cause });
