import type { Page } from 'playwright-core';

/**
 * Runs in the page. Requests and response times are looked at as tables, whose rows are the intervals that have something:
 * with the demo each has, by day and night. 24 hours are 96 quarters of an hour.
 */
const FIND_MISSING = `(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const missing = [];
  const need = (name, isThere) => isThere || missing.push(name);
  if (all('.dashboard').length === 0) return ['everything'];
  const cards = all('.headlines .card, #business .card');
  need('numbers', cards.length === 10);
  for (const card of cards) {
    const name = card.querySelector('h3').textContent;
    need(name, Number(card.querySelector('.number data').value) > 0);
    need(name + ', change', card.dataset.number === undefined || card.querySelector('.change') !== null);
  }
  for (const id of ['requests', 'times']) {
    document.querySelector('#' + id + ' header button[aria-pressed=false]')?.click();
    const rows = all('#' + id + ' tbody tr').length;
    need(id + ', ' + rows + ' of 96 intervals', rows >= 96);
  }
  for (const id of ['users', 'events']) need(id, all('#' + id + ' canvas').length > 0);
  for (const id of ['endpoints', 'features']) need(id, all('#' + id + ' tbody tr').length >= 6);
  need('services', all('#services tbody tr').length === 6 && all('#services [data-label=CPU], #services [data-label=Pool]').every((cell) => !cell.textContent.includes('–')));
  need('alerts', all('#alerts').length === 1 && all('#alerts .nothing').length === 0);
  need('pipeline', all('#pipeline [data-projection]').length === 3);
  return missing;
})()`;

/**
 * What the page does not show yet of a demo, with the range that its link opens; empty where it is full: each panel has its
 * numbers, from the first interval to the last, and what is compared with the day before has a change beside it.
 */
export async function missingOnPage(page: Page): Promise<string[]> {
  const missing: unknown = await page.evaluate(FIND_MISSING);
  return Array.isArray(missing) ? missing.map(String) : [String(missing)];
}

/** Whether it says of each projection that it is up to date. */
export async function isUpToDate(page: Page): Promise<boolean> {
  return (await page.locator('[data-projection] b').allTextContents()).every((lag) => lag === 'up to date');
}
