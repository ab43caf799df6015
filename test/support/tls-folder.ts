/** Certificate files as a pod has them of a mounted Secret: links to a folder that is changed for another at once. */
import { randomBytes } from 'node:crypto';
import { mkdir, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestAuthority, TestCertificate } from './certificate.js';

export interface TlsFolder {
  readonly certificatePath: string;
  readonly privateKeyPath: string;
  readonly caPath: string;
}

/** Writes, or replaces, `tls.crt`, `tls.key` and `ca.crt` in the steps of a kubelet. */
export async function writeTlsFolder(
  folder: string,
  { certificate, privateKey }: TestCertificate,
  authority: Pick<TestAuthority, 'certificate'>,
): Promise<TlsFolder> {
  const data = `..${randomBytes(6).toString('hex')}`;
  await mkdir(join(folder, data), { recursive: true });
  const files = { 'tls.crt': certificate, 'tls.key': privateKey, 'ca.crt': authority.certificate };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, data, name), text, { mode: 0o600 });
  const before = await readlink(join(folder, '..data')).catch(() => undefined);
  await symlink(data, join(folder, '..data_tmp'));
  await rename(join(folder, '..data_tmp'), join(folder, '..data'));
  if (before === undefined)
    for (const name of Object.keys(files)) await symlink(join('..data', name), join(folder, name));
  else await rm(join(folder, before), { recursive: true });
  return {
    certificatePath: join(folder, 'tls.crt'),
    privateKeyPath: join(folder, 'tls.key'),
    caPath: join(folder, 'ca.crt'),
  };
}
