// What a test file's output says about its tests. uvu's exit status alone is not enough: it is 0 when a `before` hook
// has thrown (the tests are then not run and only missing from "Passed"), and when a suite was never run.

// biome-ignore lint/complexity/useRegexLiterals: an escape character in a literal is hard to see.
const COLOURS = new RegExp('\u001b\\[[0-9;]*m', 'g');

function sum(text, name) {
  const found = [...text.matchAll(new RegExp(`^ {2}${name}: +(\\d+)$`, 'gm'))];
  return found.reduce((total, match) => total + Number(match[1]), 0);
}

/** Whether uvu has printed its last line. */
export function isFinished(output) {
  return /^ {2}Duration: {2}/m.test(output.replace(COLOURS, ''));
}

/**
 * @param {string} output
 * @param {string | undefined} trouble why it did not end in order, for example "ended with SIGKILL"
 * @returns {{passed: number, failed: number, skipped: number, trouble: string | undefined}} at least one failed where
 *   anything was not in order
 */
export function readCounts(output, trouble) {
  const text = output.replace(COLOURS, '');
  const total = sum(text, 'Total');
  const passed = sum(text, 'Passed');
  const skipped = sum(text, 'Skipped');
  const failed = Math.max(0, total - passed);
  if (trouble === undefined && failed > 0 && !/^ {3}FAIL /m.test(text)) {
    return { passed, failed, skipped, trouble: 'did not execute all its tests: a hook threw, which uvu does not tell' };
  }
  // A failed test is the whole story of status 1; it needs no second complaint.
  if (trouble === 'ended with status 1' && failed > 0) return { passed, failed, skipped, trouble: undefined };
  if (trouble !== undefined) return { passed, failed: Math.max(1, failed), skipped, trouble };
  if (!isFinished(output)) return { passed, failed: Math.max(1, failed), skipped, trouble: 'printed no counts' };
  if (total === 0) return { passed, failed: 1, skipped, trouble: 'no test was executed' };
  return { passed, failed, skipped, trouble: undefined };
}
