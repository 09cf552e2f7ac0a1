/** Folding the log into tables, by the projector and by a rebuild, against COPY of the same rows into the same tables. */

import { migrate } from '../../src/store/migrate.js';
import { CommandProcess } from '../../test/support/command-process.js';
import { testPool } from '../../test/support/database.js';
import { testDatabase } from '../../test/support/servers.js';
import { type FoldStage, openFoldStage, project, withDatabase } from '../fold-stage.js';
import type { BenchCase, BenchOptions, Sample, Sides } from '../harness/case.js';
import { median } from '../harness/results.js';
import { type CopiedRows, copyRows, makePartitions, readRows } from '../references/copy-rows.js';

async function copy(stage: FoldStage, rows: CopiedRows): Promise<Sample> {
  return await withDatabase(stage, async (pool) => {
    await makePartitions(pool, rows);
    return { value: (rows.count / (await copyRows(pool, rows))) * 1000 };
  });
}

async function prepareProjecting(options: BenchOptions): Promise<Sides> {
  const stage = await openFoldStage(options);
  // The first run of ours is for its rows.
  const rows = await withDatabase(stage, async (pool, url) => {
    await project(stage, pool, url);
    return await readRows(pool);
  });
  const servers: Record<string, number>[] = [];
  return {
    ours: async () => {
      const projected = await withDatabase(stage, (pool, url) => project(stage, pool, url));
      servers.push(projected.servers);
      return projected.sample;
    },
    reference: () => copy(stage, rows),
    figures: async () =>
      Object.keys(stage.processes).map((name) => ({
        what: `${name} meanwhile, processor time of an event`,
        value: median(servers.map((each) => each[name] ?? 0)),
        unit: 'µs',
      })),
    close: stage.close,
  };
}

async function prepareRebuild(options: BenchOptions): Promise<Sides> {
  const stage = await openFoldStage(options);
  const database = await testDatabase({ server: stage.postgres });
  await migrate(database.url);
  const pool = testPool(database.url, 1);
  await project(stage, pool, database.url);
  const rows = await readRows(pool, ['api_metrics']);
  return {
    ours: async () => {
      const startMs = performance.now();
      const command = new CommandProcess(['rebuild', 'api_metrics', '--nice-ratio', '0', '--json'], {
        ...stage.env,
        DATABASE_URL: database.url,
      });
      const status = await command.ended();
      if (status !== 0) throw new Error(`The rebuild ended with ${status}: ${command.output}`);
      return { value: (rows.count / (performance.now() - startMs)) * 1000 };
    },
    reference: () => copy(stage, rows),
    close: async () => {
      await pool.end();
      await database.drop();
      await stage.close();
    },
  };
}

export const folding: readonly BenchCase[] = [
  {
    name: 'projecting',
    title: 'projecting 1,000,000 mixed events into three tables and Redis, against COPY of the same rows',
    unit: 'events/s',
    goal: { atLeast: 0.7 },
    prepare: prepareProjecting,
  },
  {
    name: 'rebuild',
    title: 'the command `rebuild api_metrics` over 1,000,000 mixed events, against COPY of the same rows',
    unit: 'rows/s',
    goal: { atLeast: 0.7 },
    prepare: prepareRebuild,
  },
];
