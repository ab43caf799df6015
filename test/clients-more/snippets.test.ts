import { describeSnippets } from '../clients/snippets.js';

await describeSnippets(['go', 'java', 'php']);
