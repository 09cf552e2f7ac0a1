import 'uplot/dist/uPlot.min.css';
import './styles/font.css';
import './styles/base.css';
import './styles/frame.css';
import './styles/states.css';
import './styles/panels.css';
import './styles/tables.css';
import './styles/charts.css';
import { render } from 'preact';
// Before the views: it asks for the numbers, and the views are made while the answer is on its way.
import { page } from './start.js';
import { App } from './view/app.js';

const root = document.getElementById('page');
if (root !== null) render(<App page={page} />, root);
