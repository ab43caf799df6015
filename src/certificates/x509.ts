/** The certificate library, loaded after the metadata functions that it looks for when it is loaded. */
import 'reflect-metadata';

export const x509 = await import('@peculiar/x509');
