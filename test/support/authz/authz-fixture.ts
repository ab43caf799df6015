/** One group with everything open to one key: tests change the part they are about. */
import type { ApiInput, GroupInput, ModelInput } from './authz-model.js';

export const SECRET = 'fixture-secret-cAnArY9f';
export const APP = { key: 'caller/app', keyId: 'AKok', secret: SECRET } as const;
export const signedBy = (dialect: 'Huawei' | 'JDCloud' | 'Tencent') =>
  ({ dialect, keyId: APP.keyId, secret: SECRET }) as const;
export const SIGNED = { sign: signedBy('Huawei') } as const;

export const EVERYTHING: ApiInput = { name: 'everything', path: { type: 'Prefix', value: '/' } };

export const GRANT = {
  key: 'team/grant',
  callerKeys: [APP.key],
  targets: [{ group: 'team/orders', environment: 'release', apis: '*' }],
} as const;

export interface FixtureInput extends Omit<ModelInput, 'groups'> {
  readonly group?: Partial<GroupInput>;
  readonly apis?: readonly ApiInput[];
}

/** `/orders/release/…` served by `apis`, which `AKok` may call. */
export const fixture = ({ group, apis = [EVERYTHING], ...rest }: FixtureInput = {}): ModelInput => ({
  callerKeys: [APP],
  grants: [GRANT],
  groups: [
    { key: 'team/orders', basePath: '/orders', environments: [{ name: 'release', default: true, apis }], ...group },
  ],
  ...rest,
});
