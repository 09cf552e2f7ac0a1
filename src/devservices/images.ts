import type { ServerKind } from './types.js';

/** One server as a container: the only place where images are named. */
export interface Image {
  name: string;
  port: number;
  command: string[];
  env: Record<string, string>;
  /** The folder in the container that outlives it. */
  data: string;
}

export const IMAGES: Readonly<Record<ServerKind, Image>> = {
  nats: {
    name: 'nats:2.12-alpine',
    port: 4222,
    command: ['--jetstream', '--store_dir', '/data'],
    env: {},
    data: '/data',
  },
  postgres: {
    name: 'postgres:17-alpine',
    port: 5432,
    command: [],
    env: { POSTGRES_PASSWORD: 'postgres', POSTGRES_DB: 'metrics_db' },
    data: '/var/lib/postgresql/data',
  },
  redis: {
    name: 'redis:8-alpine',
    port: 6379,
    command: ['--appendonly', 'yes', '--save', '', '--maxmemory-policy', 'noeviction'],
    env: {},
    data: '/data',
  },
};
