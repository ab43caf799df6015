// Lets Node run the TypeScript of src and test as it stands: `node --experimental-transform-types --import THIS FILE`.
import { registerHooks } from 'node:module';

registerHooks({
  resolve(specifier, context, nextResolve) {
    // Sources name each other as they are called once compiled.
    if (specifier.startsWith('.') && specifier.endsWith('.js') && context.parentURL?.endsWith('.ts'))
      return nextResolve(`${specifier.slice(0, -3)}.ts`, context);
    return nextResolve(specifier, context);
  },
});
