import 'uplot/dist/uPlot.min.css';
import './styles/font.css';
import './styles/base.css';
import './styles/frame.css';
import './styles/states.css';
import './styles/panels.css';
import './styles/tables.css';
import './styles/charts.css';
import { render } from 'preact';
import { Page } from './state/page.js';
import { applyTheme } from './state/theme.js';
import { App } from './view/app.js';

applyTheme();
const page = new Page();
page.start();
const root = document.getElementById('page');
if (root !== null) render(<App page={page} />, root);
