// What an event costs where it is kept: `npm run bench:storage -- [days] [sessions that begin in a minute]`.
import { measureStorage } from './cases/storage.js';

const [days = 7, sessionsPerMinute = 2] = process.argv.slice(2).map(Number);
for (const { what, value, unit } of await measureStorage(days, sessionsPerMinute)) {
  console.log(`${what.padEnd(80)} ${value.toFixed(1).padStart(12)} ${unit}`);
}
