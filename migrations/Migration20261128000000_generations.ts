import { Migration } from '@mikro-orm/migrations';

/**
 * How often rows of the past were changed in the tables, by a rebuild that found differences or because a person was
 * erased. What is folded of the tables remembers the generation that it was folded of, and is folded anew where it differs.
 */
export class Migration20261128000000_generations extends Migration {
  override up(): void {
    this.addSql('alter table projection_checkpoints add column generation bigint not null default 0');
  }

  override down(): void {
    this.addSql('alter table projection_checkpoints drop column generation');
  }
}
