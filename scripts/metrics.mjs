// bin/metrics and npm run metrics: the command line. Standard output belongs to the command alone.
import { ensureReady, runScript } from './bootstrap.mjs';
import { runMain } from './run-node.mjs';

await runScript(async () => runMain(await ensureReady(), process.argv.slice(2)));
