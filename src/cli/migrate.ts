import { type Environment, loadServersConfig } from '../config.js';
import { migrate } from '../store/migrate.js';

/** `metrics migrate`: brings the schema up to date. */
export async function runMigrate(env: Environment, json: boolean): Promise<number> {
  const migrations = await migrate(loadServersConfig(env).databaseUrl);
  if (json) process.stdout.write(`${JSON.stringify({ migrations })}\n`);
  else if (migrations.length === 0) process.stdout.write('The schema is up to date\n');
  else for (const name of migrations) process.stdout.write(`${name}\n`);
  return 0;
}
