import { describeClients } from './matrix.js';
import { PYTHON_CLIENTS } from './python-clients.js';

await describeClients(PYTHON_CLIENTS);
