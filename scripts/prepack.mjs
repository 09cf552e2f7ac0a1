// Before `npm pack`: what is packed is compiled (dist/src/client), so it is made if it is not there.
import { ensureReady, runScript } from './bootstrap.mjs';

await runScript(ensureReady);
