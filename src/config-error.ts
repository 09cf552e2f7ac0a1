/** One variable, or one place in a file, that cannot be used as it is. */
export interface ConfigProblem {
  readonly name: string;
  readonly detail: string;
}

/** Thrown at start by whoever needs a whole configuration; `problems` names everything that is wrong. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly ConfigProblem[]) {
    super(problems.map(({ name, detail }) => `${name} ${detail}`).join('\n'));
    this.name = 'ConfigError';
  }
}
