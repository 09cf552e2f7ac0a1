// How long after its 202 an event is in the summary: `npm run bench:freshness -- [events per second] [seconds]`.
import { measureFreshness } from './cases/freshness.js';

const [rate = 1_000, seconds = 10] = process.argv.slice(2).map(Number);
console.log(`${rate * seconds} events at ${rate}/s, from the 202 to the summary:`);
for (const { what, value, unit } of await measureFreshness(rate, seconds)) {
  console.log(`${what}: ${value.toFixed(0)} ${unit}`);
}
