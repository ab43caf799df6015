/** Stands for the Secret of a key where Secrets are not to be read: the id is known, the secret is none. */
import { KEY_SECRET_TYPE } from '../api/types.js';
import { SecretResource } from './core-resources.js';

/** Made by commands that only look; no provider publishes one. */
export class StandInSecret extends SecretResource {
  constructor(namespace: string, name: string, keyId: string) {
    const data = { keyId, secret: 'stand-in-secret0' };
    super(
      { name, namespace },
      KEY_SECRET_TYPE,
      new Map(Object.entries(data).map(([field, text]) => [field, Buffer.from(text)])),
    );
  }
}
