import type { Stage } from './stage.js';

/** How long a stage waits for the next case that reads the same events. */
const KEPT_MS = 5_000;

interface Kept {
  readonly stage: Promise<Stage>;
  timer: NodeJS.Timeout | undefined;
}

const kept = new Map<string, Kept>();

/**
 * A stage that cases which follow one another share, since filling it takes longer than measuring.
 *
 * @param key what it is filled with
 * @returns the stage, and what gives it back; it is closed when nobody has asked for it for some seconds
 */
export async function borrowStage(
  key: string,
  open: () => Promise<Stage>,
): Promise<{ readonly stage: Stage; readonly giveBack: () => void }> {
  const found = kept.get(key) ?? { stage: open(), timer: undefined };
  kept.set(key, found);
  clearTimeout(found.timer);
  const close = async (): Promise<void> => {
    kept.delete(key);
    await (await found.stage).close();
  };
  try {
    const stage = await found.stage;
    return {
      stage,
      giveBack: () => {
        found.timer = setTimeout(() => void close(), KEPT_MS);
      },
    };
  } catch (error) {
    kept.delete(key);
    throw error;
  }
}
