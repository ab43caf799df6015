import { describeSnippets } from './snippets.js';

await describeSnippets(['js', 'python']);
