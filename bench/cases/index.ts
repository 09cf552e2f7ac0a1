import type { BenchCase, FigureCase } from '../harness/case.js';
import { folding } from './folding.js';
import { freshness } from './freshness.js';
import { growth } from './growth.js';
import { ingest } from './ingest.js';
import { memory } from './memory.js';
import { reading } from './reading.js';
import { storage } from './storage.js';

/** Everything that `npm run bench` measures, in its order. */
export const CASES: readonly (BenchCase | FigureCase)[] = [
  ...ingest,
  ...folding,
  ...reading,
  freshness,
  memory,
  growth,
  storage,
];
