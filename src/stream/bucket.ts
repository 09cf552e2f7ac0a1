import type { KV, NatsConnection } from 'nats';

const CALL_TIMEOUT_MS = 5_000;

/** Texts by name in JetStream, the latest of each: for what is told about a stream beside it. */
export class Bucket {
  private constructor(private readonly kept: KV) {}

  /** Opens it, and makes it where there is none. @throws where JetStream does not answer */
  static async open(connection: NatsConnection, name: string): Promise<Bucket> {
    const client = connection.jetstream({ timeout: CALL_TIMEOUT_MS });
    return new Bucket(await client.views.kv(name, { history: 1 }));
  }

  /** @throws where JetStream does not answer */
  async get(name: string): Promise<string | undefined> {
    return (await this.kept.get(name))?.string();
  }

  /** Of several that are not waited for, the last one stays. @throws where JetStream does not answer */
  async put(name: string, text: string): Promise<void> {
    await this.kept.put(name, text);
  }
}
