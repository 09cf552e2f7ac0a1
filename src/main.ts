import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { loadEnvFile } from 'node:process';
import { parseEnv } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runProgram } from './cli/program.js';

const EXIT_GRACE_MS = 300;
/**
 * V8 collects garbage when the heap has grown by so much since it did last, instead of by up to four times where memory abounds.
 * With the smaller young generation of the command line (scripts/run-node.mjs) a projector with a backlog holds half as much, at
 * the same processor time: docs/decisions/memory.md.
 */
const HEAP_GROWING_PERCENT = 30;

setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);

/** This file is dist/src/main.js when it runs. */
const root = resolve(import.meta.dirname, '../..');

// What stands in the environment wins over .env.
if (existsSync('.env')) loadEnvFile('.env');
const args = process.argv.slice(2);
// `npm start` leaves here how to reach what it started, so that the other commands work beside it.
const running = join(root, '.data', 'dev.env');
if (!['serve', 'dev', 'demo'].includes(args[0] ?? '') && existsSync(running)) {
  for (const [name, value] of Object.entries(parseEnv(readFileSync(running, 'utf8')))) {
    // An empty variable counts as unset, as everywhere.
    if (!process.env[name]?.trim()) process.env[name] = value;
  }
}

process.exitCode = await runProgram(args, process.env, root);
// What did not stop in time must not keep the process, and with it the terminal or the container.
setTimeout(() => process.exit(), EXIT_GRACE_MS).unref();
