import * as fc from 'fast-check';

/** Seed of every property in this process; `FC_SEED` repeats a run. */
const seed = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31));
fc.configureGlobal({ seed });
console.log(`fast-check seed: ${seed}`);
