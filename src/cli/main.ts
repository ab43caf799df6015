#!/usr/bin/env node
/** The `countersign` executable. */
import { runProgram } from './program.js';

// A reader that closes early (`| head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const exitCode = await runProgram(process.argv.slice(2), {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  stdin: process.stdin,
  workingFolder: process.cwd(),
  terminal: process.stderr.isTTY,
});
process.exitCode = exitCode;
// A connection that something left open must not keep an ended command alive.
setTimeout(() => process.exit(), 2000).unref();
