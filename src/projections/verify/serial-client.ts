import type { PoolClient, QueryArrayConfig, QueryResultRow } from 'pg';

/** A session that is asked by several at once, one statement after the other. */
export class SerialClient {
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly client: PoolClient) {}

  async query<R extends QueryResultRow>(text: string, values: unknown[] = []): Promise<R[]> {
    return await this.#inTurn(async () => (await this.client.query<R>(text, values)).rows);
  }

  async queryArrays<R extends unknown[]>(query: QueryArrayConfig): Promise<R[]> {
    return await this.#inTurn(async () => (await this.client.query<R>(query)).rows);
  }

  /** Resolves when nothing is asked any more, whatever became of it. */
  async idle(): Promise<void> {
    await this.#last;
  }

  #inTurn<T>(ask: () => Promise<T>): Promise<T> {
    const asked = this.#last.then(ask);
    this.#last = asked.catch(() => undefined);
    return asked;
  }
}
