/** The longest that a timer of Node.js waits; one that is to wait longer does not wait at all. */
export const MAX_TIMER_MS = 2_147_483_647;
