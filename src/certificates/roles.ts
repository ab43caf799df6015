/** Who holds a certificate of xDS, what it is for, and the Secret it is in. */

export const ROLES = ['controller', 'envoy', 'authorizer'] as const;
export type Role = (typeof ROLES)[number];

/** The Secrets: that of the authority (CA) and one for each role. */
export const PARTS = ['ca', ...ROLES] as const;
export type Part = (typeof PARTS)[number];

export type KeyPurpose = 'serverAuth' | 'clientAuth';

/** RFC 5280 §4.2.1.12. A Deployment of authorizers serves Envoys of other pods, beside asking the controller. */
export const PURPOSES: Readonly<Record<Role, readonly KeyPurpose[]>> = {
  controller: ['serverAuth'],
  envoy: ['clientAuth'],
  authorizer: ['serverAuth', 'clientAuth'],
};

/** `countersign-ca`, `countersign-controller-tls`, … */
export const secretName = (prefix: string, part: Part): string =>
  part === 'ca' ? `${prefix}-ca` : `${prefix}-${part}-tls`;
