/** One variable, or one place in a file, that cannot be used as it is. */
export interface ConfigProblem {
  readonly name: string;
  readonly detail: string;
}

/** Thrown at start by whoever needs a whole configuration; `problems` names everything that is wrong. */
export class ConfigError extends Error {
  override readonly name: string = 'ConfigError';

  constructor(readonly problems: readonly ConfigProblem[]) {
    super(problems.map(({ name, detail }) => `${name} ${detail}`).join('\n'));
  }
}

/** Thrown where what was written on the command line cannot be done; `problems` names the options. */
export class UsageError extends ConfigError {
  override readonly name = 'UsageError';
}
