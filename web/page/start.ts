import { Page } from './state/page.js';
import { applyTheme } from './state/theme.js';

/**
 * The page's state, which asks for its numbers as soon as this module is evaluated: that is before the modules of its views are,
 * whose making then goes on while the answer is on its way.
 */
export const page = new Page();

applyTheme();
page.start();
