import { NPM_CLIENTS } from './npm-clients.js';
import { describeClients } from './matrix.js';

await describeClients(NPM_CLIENTS);
