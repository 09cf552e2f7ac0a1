import { arch, cpus, totalmem, type } from 'node:os';

/** What a result was measured on, in one line. */
export function describeMachine(): string {
  const processors = cpus();
  const model = processors[0]?.model.trim() ?? 'unknown processor';
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${processors.length} × ${model}, ${memory} GiB, ${type()} ${arch()}, Node.js ${process.version}`;
}
