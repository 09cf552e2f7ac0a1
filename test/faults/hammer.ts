import { createConnection } from 'node:net';

export interface Hammering {
  readonly port: number;
  readonly token: string;
  readonly connections: number;
  readonly seconds: number;
}

export interface Hammered {
  /** How many answers had each status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Connections that ended before their time. */
  readonly broken: number;
}

const BODY = '{"event_type":"user_login","user_id":1}';
const ANSWER_HEAD = /^HTTP\/1\.1 (\d{3}) [\s\S]*?\r\ncontent-length: (\d+)[\s\S]*?\r\n\r\n/i;

/** Posts an event over each connection again and again, as soon as the one before is answered, whatever the answer. */
export async function hammer({ port, token, connections, seconds }: Hammering): Promise<Hammered> {
  const request = `POST /metrics/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`;
  const untilMs = performance.now() + seconds * 1000;
  const statuses: Record<string, number> = {};
  let broken = 0;
  const keepPosting = (): Promise<void> =>
    new Promise((resolve) => {
      const socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
      let received = '';
      let isDone = false;
      socket.on('connect', () => socket.write(request));
      socket.on('data', (data) => {
        received += data.toString('latin1');
        const [head, status, length] = ANSWER_HEAD.exec(received) ?? [];
        if (head === undefined || status === undefined || received.length < head.length + Number(length)) return;
        received = '';
        statuses[status] = (statuses[status] ?? 0) + 1;
        isDone = performance.now() >= untilMs;
        if (isDone) socket.destroy();
        else socket.write(request);
      });
      socket.on('error', () => undefined);
      socket.on('close', () => {
        if (!isDone) broken += 1;
        resolve();
      });
    });
  await Promise.all(Array.from({ length: connections }, keepPosting));
  return { statuses, broken };
}
