// npm run demo: as npm start, with data of its own and the traffic of six services.
import { ensureReady, runScript } from './bootstrap.mjs';
import { runMain } from './run-node.mjs';

await runScript(async () => runMain(await ensureReady(), ['demo', ...process.argv.slice(2)]));
