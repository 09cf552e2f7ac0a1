// npm start: whatever is missing is installed, built and started, then the service runs in the foreground.
import { ensureReady, runScript } from './bootstrap.mjs';
import { runMain } from './run-node.mjs';

await runScript(async () => runMain(await ensureReady(), ['dev', ...process.argv.slice(2)]));
