// Coverage by V8 itself (NODE_V8_COVERAGE), also of processes that tests start; c8 turns it into a summary and pages.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';

/** Empties the last run's coverage and answers what the test processes need in their environment. */
export function beginCoverage(root) {
  rmSync(join(root, 'coverage'), { recursive: true, force: true });
  // Functions from the compile cache are not counted exactly, so it stays off.
  return { NODE_V8_COVERAGE: join(root, 'coverage', 'tmp'), NODE_DISABLE_COMPILE_CACHE: '1' };
}

/** Prints the summary and writes coverage/index.html. Answers whether that worked. */
export function reportCoverage(root, node) {
  const c8 = join(root, 'node_modules', 'c8', 'bin', 'c8.js');
  const scope = ['--temp-directory', join('coverage', 'tmp'), '--exclude-after-remap', '--include', 'src/**'];
  const args = [c8, 'report', ...scope, '--reporter', 'text-summary', '--reporter', 'html'];
  return spawnSync(node, args, { cwd: root, stdio: 'inherit' }).status === 0;
}
