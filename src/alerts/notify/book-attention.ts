import { alertIdOf } from '../alert.js';
import type { AlertBook } from '../alert-book.js';
import type { Attention } from './decide.js';

/** What the book says of silences and acknowledgements. */
export function attentionOf(book: () => Pick<AlertBook, 'silencesOf' | 'find'>): Attention {
  return {
    isSilenced: (alert, nowMs) => book().silencesOf(alert, nowMs).length > 0,
    isAcknowledged: (alert) => book().find(alertIdOf(alert))?.acknowledged !== undefined,
  };
}
