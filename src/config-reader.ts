import { accessSync, constants } from 'node:fs';
import { join, resolve } from 'node:path';
import { ConfigError, type ConfigProblem } from './config-error.js';
import { weaknessOf } from './config-secrets.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The service's own configuration files. This file is dist/src/config-reader.js when it runs. */
export const CONFIG_FOLDER = resolve(import.meta.dirname, '../../config');

/** Reads single variables and collects what is wrong with them, by name. */
export class EnvReader {
  readonly problems: ConfigProblem[] = [];

  constructor(private readonly env: Environment) {}

  /** Where patients' data may be: what is fine on a developer's machine may be refused. */
  get isProduction(): boolean {
    return this.env.NODE_ENV === 'production';
  }

  /**
   * An empty variable counts as unset, as in a copied `.env.example`. Quotes around a value are no part of it: Node.js and
   * Docker Compose take them away when they read `.env`, `docker run --env-file` does not, and all shall mean the same.
   */
  raw(name: string): string | undefined {
    const text = this.env[name]?.trim() ?? '';
    const [, , quoted] = /^(["'`])((?:(?!\1).)*)\1$/s.exec(text) ?? [];
    const value = quoted?.trim() ?? text;
    return value === '' ? undefined : value;
  }

  problem(name: string, detail: string): void {
    this.problems.push({ name, detail });
  }

  text(name: string, fallback: string): string {
    return this.raw(name) ?? fallback;
  }

  optional<K extends string>(key: K, name: string): { [P in K]?: string } {
    const value = this.raw(name);
    const found: { [P in K]?: string } = {};
    if (value !== undefined) found[key] = value;
    return found;
  }

  /** A key must have its length everywhere, and in production be hard to guess. */
  checkSecret(name: string, secret: string, minBytes: number): void {
    const weakness =
      this.isProduction || Buffer.byteLength(secret) < minBytes ? weaknessOf(secret, minBytes) : undefined;
    if (weakness !== undefined) this.problem(name, weakness);
  }

  /** A text that only production asks to be hard to guess. */
  token<K extends string>(key: K, name: string, minBytes: number): { [P in K]?: string } {
    const found = this.optional(key, name);
    const token = found[key];
    const weakness = token === undefined || !this.isProduction ? undefined : weaknessOf(token, minBytes);
    if (weakness !== undefined) this.problem(name, weakness);
    return found;
  }

  readableFile<K extends string>(key: K, name: string): { [P in K]?: string } {
    const found = this.optional(key, name);
    const path = found[key];
    if (path !== undefined) this.checkReadable(name, path, 'names a file that cannot be read');
    return found;
  }

  checkReadable(name: string, path: string, detail: string): void {
    try {
      accessSync(path, constants.R_OK);
    } catch {
      this.problem(name, detail);
    }
  }

  /** What a configuration file says, or `fallback` and a problem for each fault in it. */
  file<T>(name: string, shipped: string, load: (path: string) => T, fallback: T): T {
    try {
      return load(this.text(name, join(CONFIG_FOLDER, shipped)));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      for (const fault of error.problems) this.problem(name, `${fault.name}: ${fault.detail}`);
      return fallback;
    }
  }

  number(name: string, fallback: number, min: number, max: number): number {
    const text = this.raw(name);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (Number.isFinite(value) && value >= min && value <= max) return value;
    this.problem(name, `must be a number from ${min} to ${max}`);
    return fallback;
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    const value = this.number(name, fallback, min, max);
    if (Number.isInteger(value)) return value;
    this.problem(name, 'must be a whole number');
    return fallback;
  }

  boolean(name: string, fallback: boolean): boolean {
    const text = this.raw(name)?.toLowerCase();
    if (text === undefined) return fallback;
    if (['true', '1', 'yes'].includes(text)) return true;
    if (['false', '0', 'no'].includes(text)) return false;
    this.problem(name, 'must be true or false');
    return fallback;
  }

  list(name: string, fallback: string): readonly string[] {
    const items = this.text(name, fallback)
      .split(',')
      .map((item) => item.trim());
    return items.filter((item) => item !== '');
  }
}
