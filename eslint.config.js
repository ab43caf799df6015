import tseslint from 'typescript-eslint';

const noEnvironment = { object: 'process', property: 'env', message: 'Read the environment in src/config only.' };
const noExit = { object: 'process', property: 'exit', message: 'End the process in src/cli only.' };

const noReveal = {
  selector: "CallExpression[callee.property.name='reveal']",
  message: 'Secrets are revealed in signature, authz, policy and app only.',
};
const noAmbient = [
  { selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']", message: 'Take a clock.' },
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'Take a clock.' },
  {
    selector: "CallExpression[callee.object.name='Math'][callee.property.name='random']",
    message: 'Take randomness as a parameter.',
  },
];

export default tseslint.config(
  { ignores: ['dist', 'src/gen', 'src/api/generated', 'node_modules', 'coverage', '**/*.mjs', '**/*.cjs', '**/*.js'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      eqeqeq: 'error',
      'no-restricted-properties': ['error', noEnvironment, noExit],
      'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx'] }],
    },
  },
  { files: ['src/config/**', 'test/**', 'bench/**'], rules: { 'no-restricted-properties': ['error', noExit] } },
  { files: ['src/cli/**'], rules: { 'no-restricted-properties': ['error', noEnvironment] } },
  {
    files: ['src/{api,cli,config,provider,ratelimit,telemetry}/**', 'src/xds/server/**'],
    // What writes generated keys must put their text into Secrets.
    ignores: ['src/provider/kubernetes/write/{generated-secrets,xds-certificates}.ts'],
    rules: { 'no-restricted-syntax': ['error', noReveal] },
  },
  {
    // Pure core: time, randomness and I/O come in from the edges.
    files: ['src/{translate,model,resources}/**', 'src/xds/render/**'],
    rules: { 'no-restricted-syntax': ['error', noReveal, ...noAmbient], 'no-console': 'error' },
  },
  {
    files: ['src/{signature,policy,certificates}/**'],
    rules: { 'no-restricted-syntax': ['error', ...noAmbient], 'no-console': 'error' },
  },
  {
    files: ['test/**'],
    rules: { '@typescript-eslint/no-unsafe-assignment': 'off', '@typescript-eslint/no-unsafe-member-access': 'off' },
  },
);
