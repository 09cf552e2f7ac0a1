import { Migration } from '@mikro-orm/migrations';

/** A delta is read once, soon, and deleted: to compress it costs Postgres more than a third of what inserting its rows does. */
export class Migration20261128000001_outbox_uncompressed extends Migration {
  override up(): void {
    this.addSql('alter table summary_outbox alter column delta set storage external');
  }

  override down(): void {
    this.addSql('alter table summary_outbox alter column delta set storage extended');
  }
}
