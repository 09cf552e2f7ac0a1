import { nuid } from 'nats';

/**
 * An id for an event whose publisher gave none: 22 letters and digits that no other process makes. Those of one process
 * ascend, so that the tables' index of ids grows at one place; random ones touch all of it, and are longer.
 */
export function newId(): string {
  return nuid.next();
}
