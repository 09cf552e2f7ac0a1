// A projector in a process of its own: `node run-projector.js <nats url> <database url> <holder>`.
import { Partitions } from '../../src/store/partitions.js';
import { Appender } from '../../src/stream/append.js';
import { ConnectionWatch, connectNats } from '../../src/stream/connection.js';
import { testPool } from './database.js';
import { newProjector } from './projection.js';

const [natsUrl = '', databaseUrl = '', holder = 'child'] = process.argv.slice(2);
const connection = await connectNats({ servers: [natsUrl] }, holder);
const watch = new ConnectionWatch(connection);
const manager = await connection.jetstreamManager({ timeout: 2_000 });
const appender = new Appender(connection, watch);
const pool = testPool(databaseUrl);
const log = { connection, watch, manager, appender, close: () => connection.close() };
const store = { url: databaseUrl, pool, partitions: new Partitions(pool), close: () => pool.end() };
newProjector(log, store, { holder }).start();
console.log('started');
