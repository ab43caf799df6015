/** Certificate files as a mounted Secret has them. */
import { rename, writeFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestAuthority, TestCertificate } from './certificate.js';

export interface TlsFolder {
  readonly certificatePath: string;
  readonly privateKeyPath: string;
  readonly caPath: string;
}

/** Writes, or replaces, `tls.crt`, `tls.key` and `ca.crt`. */
export async function writeTlsFolder(
  folder: string,
  { certificate, privateKey }: TestCertificate,
  authority: Pick<TestAuthority, 'certificate'>,
): Promise<TlsFolder> {
  await mkdir(folder, { recursive: true });
  const put = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
    return path;
  };
  return {
    certificatePath: await put('tls.crt', certificate),
    privateKeyPath: await put('tls.key', privateKey),
    caPath: await put('ca.crt', authority.certificate),
  };
}
