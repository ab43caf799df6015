/**
 * Definitions of the kinds of others that the chart makes objects of. They have the fields that the chart renders or lets
 * its user write, as those projects define them, and no other: a misspelt one is refused.
 */

interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'boolean' | 'integer';
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly 'x-kubernetes-int-or-string'?: true;
}

const text: Schema = { type: 'string' };
const integer: Schema = { type: 'integer' };
const oneOf = (...values: string[]): Schema => ({ type: 'string', enum: values });
const list = (items: Schema): Schema => ({ type: 'array', items });
const texts: Schema = { type: 'object', additionalProperties: text };
/** Of Prometheus. */
const time: Schema = {
  type: 'string',
  pattern: '^(0|([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$',
};
/** A name that ends with `!` is required. */
const object = (properties: Readonly<Record<string, Schema>>): Schema => ({
  type: 'object',
  required: Object.keys(properties).flatMap((name) => (name.endsWith('!') ? name.slice(0, -1) : [])),
  properties: Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name.replace('!', ''), schema])),
});

const issuer = object({
  selfSigned: object({ crlDistributionPoints: list(text) }),
  ca: object({ 'secretName!': text }),
});

const certificate = object({
  'secretName!': text,
  'issuerRef!': object({ 'name!': text, kind: text, group: text }),
  commonName: text,
  dnsNames: list(text),
  duration: text,
  renewBefore: text,
  isCA: { type: 'boolean' },
  privateKey: object({
    algorithm: oneOf('RSA', 'ECDSA', 'Ed25519'),
    encoding: oneOf('PKCS1', 'PKCS8'),
    rotationPolicy: oneOf('Never', 'Always'),
    size: integer,
  }),
  usages: list(
    oneOf(
      ...['signing', 'digital signature', 'content commitment', 'key encipherment', 'key agreement', 'cert sign'],
      ...['data encipherment', 'crl sign', 'any', 'server auth', 'client auth'],
    ),
  ),
});

const selector = object({
  matchLabels: texts,
  matchExpressions: list(object({ 'key!': text, 'operator!': text, values: list(text) })),
});
const namespaceSelector = object({ any: { type: 'boolean' }, matchNames: list(text) });
const endpoints = list(
  object({
    port: text,
    path: text,
    interval: time,
    metricRelabelings: list(
      object({
        ...{ sourceLabels: list(text), separator: text, targetLabel: text, regex: text, modulus: integer },
        ...{
          replacement: text,
          action: oneOf('replace', 'keep', 'drop', 'hashmod', 'labelmap', 'labeldrop', 'labelkeep'),
        },
      }),
    ),
  }),
);
const rule = object({
  ...{ record: text, alert: text, for: time, keep_firing_for: time, labels: texts, annotations: texts },
  'expr!': { 'x-kubernetes-int-or-string': true },
});

const SPECS = [
  ['cert-manager.io', 'Issuer', issuer],
  ['cert-manager.io', 'Certificate', certificate],
  [
    'monitoring.coreos.com',
    'ServiceMonitor',
    object({ 'selector!': selector, namespaceSelector, 'endpoints!': endpoints }),
  ],
  [
    'monitoring.coreos.com',
    'PodMonitor',
    object({ 'selector!': selector, namespaceSelector, 'podMetricsEndpoints!': endpoints }),
  ],
  [
    'monitoring.coreos.com',
    'PrometheusRule',
    object({ groups: list(object({ 'name!': text, interval: time, rules: list(rule) })) }),
  ],
] as const;

export const FOREIGN_DEFINITIONS: readonly object[] = SPECS.map(([group, kind, spec]) => {
  const plural = `${kind.toLowerCase()}s`;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: object({ 'spec!': spec }) } }],
    },
  };
});
