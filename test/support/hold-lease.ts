// A process of its own that takes a lease and says so: `node hold-lease.js <database url> <lock>`.
import { Lease } from '../../src/store/lease.js';
import type { LockName } from '../../src/store/locks.js';

const [url = '', name = ''] = process.argv.slice(2);
const lease = await Lease.tryAcquire(url, name as LockName);
console.log(lease === undefined ? 'refused' : 'held');
