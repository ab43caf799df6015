import { describeClients } from '../clients/matrix.js';
import { COMPILED_CLIENTS } from './compiled-clients.js';

await describeClients(COMPILED_CLIENTS);
