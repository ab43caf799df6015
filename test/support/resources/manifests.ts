/** Small manifests for tests of the whole gateway. */

export const CALLER_KEY = { keyId: 'HWTESTKEY00000000001', secret: 'test-caller-secret-0001' } as const;

export interface OrdersOptions {
  /** `spec.apis[0].match.path.value`. */
  readonly path?: string;
  /** YAML of further members of `spec`, each line without indentation. */
  readonly more?: string;
}

/** Namespace `shop`: group `orders` on 127.0.0.1 below `/orders`, one environment, one API, Service `orders:8080`. */
export const ordersGroup = ({ path = '/v1/orders', more = '' }: OrdersOptions = {}): string => `
apiVersion: countersign.dev/v1alpha1
kind: ApiGroup
metadata: {name: orders, namespace: shop}
spec:
  hostnames: [127.0.0.1]
  basePath: /orders
  access: {authentication: Signature, authorization: Enabled, usagePlan: Optional}
  verification: {dialects: [Huawei]}
  errors: Uniform
  backend: {type: Service, service: {name: orders, port: 8080}}
  environments:
  - {name: release, state: Released, default: true, match: {type: PathPrefix, value: release}}
  apis:
  - {name: orders, match: {path: {type: Prefix, value: ${path}}}}
${more.replace(/^(?=.)/gm, '  ')}`;

/** Key `caller` in `shop` with `CALLER_KEY`, authorized for all of `orders`. */
export const callerKey = (): string => `
apiVersion: countersign.dev/v1alpha1
kind: SignatureKey
metadata: {name: caller, namespace: shop}
spec: {usage: Caller, identity: SignatureKeyPair, type: HMAC, keyID: ${CALLER_KEY.keyId}, secretRef: {name: caller}}
---
apiVersion: v1
kind: Secret
metadata: {name: caller, namespace: shop}
type: countersign.dev/signature-key
stringData: {keyId: ${CALLER_KEY.keyId}, secret: ${CALLER_KEY.secret}}
---
apiVersion: countersign.dev/v1alpha1
kind: Authorization
metadata: {name: caller, namespace: shop}
spec:
  type: GatewaySignature
  keys: {refs: [{name: caller}]}
  targets: [{apiGroup: orders, environment: release, apis: ["*"]}]
`;
