// The import table of CONTRIBUTING.md as rules: what each folder of src may import. Everything else is forbidden.
const ours = {
  lib: [],
  gen: [],
  api: ['lib'],
  resources: ['api', 'lib'],
  signature: ['lib'],
  backend: ['signature', 'lib'],
  ratelimit: ['lib'],
  model: ['lib', 'signature', 'ratelimit'],
  translate: ['api', 'resources', 'model', 'signature', 'lib'],
  provider: ['api', 'resources', 'telemetry', 'lib'],
  xds: ['model', 'gen', 'telemetry', 'lib'],
  policy: ['model', 'signature', 'xds', 'lib'],
  authz: ['model', 'signature', 'ratelimit', 'telemetry', 'lib', 'gen'],
  telemetry: ['lib'],
  config: ['lib'],
  cli: ['config', 'app', 'api', 'resources', 'translate', 'model', 'signature', 'provider', 'xds', 'telemetry', 'lib'],
  app: ['api', 'authz', 'config', 'gen', 'lib', 'model', 'policy', 'provider', 'ratelimit', 'resources', 'signature', 'telemetry', 'translate', 'xds'],
};
const library = (name, pattern, allowed, why) => ({
  name: `${name}-only-where-it-belongs`,
  comment: why,
  severity: 'error',
  from: { path: '^src/', pathNot: allowed },
  to: { path: `node_modules/${pattern}` },
});
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    ...Object.entries(ours).map(([folder, allowed]) => ({
      name: `${folder}-imports`,
      severity: 'error',
      from: { path: `^src/${folder}/` },
      to: { path: '^src/', pathNot: `^src/(${[folder, ...allowed].join('|')})/` },
    })),
    { name: 'model-takes-types-only', severity: 'error', from: { path: '^src/model/' }, to: { path: '^src/(signature|ratelimit)/', dependencyTypesNot: ['type-only'] } },
    { name: 'render-is-pure', severity: 'error', from: { path: '^src/xds/render/' }, to: { path: '^src/(telemetry|xds/server)/' } },
    { name: 'xds-server-knows-no-model', severity: 'error', from: { path: '^src/xds/(server/|snapshot)' }, to: { path: '^src/(model|xds/render)/' } },
    { name: 'policy-knows-no-envoy', severity: 'error', from: { path: '^src/policy/' }, to: { path: '^src/xds/(render|server|names|registry)' } },
    { name: 'phases-know-no-protobuf', severity: 'error', from: { path: '^src/authz/', pathNot: '^src/authz/transport/' }, to: { path: '^src/gen/' } },
    { name: 'file-provider-alone', severity: 'error', from: { path: '^src/provider/file/' }, to: { path: '^src/provider/kubernetes/' } },
    library('grpc', '@grpc/', '^src/(authz/transport|xds/server|app)/', 'gRPC stays at the edges'),
    library('redis', '@redis/', '^src/ratelimit/redis/', 'one store knows the client'),
    library('kubernetes', '@kubernetes/', '^src/provider/kubernetes/', 'heavy; loaded only where needed'),
  ],
  options: {
    doNotFollow: { path: 'node_modules|^src/gen/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
};
