// The page at /: headline numbers and services, asked for every two seconds with the token of the address or the form.
const POLL_INTERVAL_MS = 2_000;
const element = (id) => document.getElementById(id);

let token = tokenOfAddress() ?? sessionStorage.getItem('token') ?? '';
let timer;

/** `#token=…` is taken out of the address at once, so that it stays in no history and no picture of the screen. */
function tokenOfAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given === null) return undefined;
  history.replaceState(null, '', location.pathname);
  return given;
}

class Refused extends Error {}

async function ask(path) {
  const response = await fetch(path, { headers: { authorization: `Bearer ${token}` } });
  if (response.status === 401 || response.status === 403) throw new Refused();
  if (!response.ok) throw new Error(`The service answers ${response.status}`);
  return await response.json();
}

async function refresh() {
  try {
    const [summary, health] = await Promise.all([ask('/metrics/summary'), ask('/metrics/services/health')]);
    sessionStorage.setItem('token', token);
    element('login').hidden = true;
    showNumbers(summary);
    showServices(health.services);
    const note = summary.degraded ? ' · from Postgres, Redis is away' : '';
    element('state').textContent = `As of ${new Date(summary.generated_at).toLocaleTimeString()}${note}`;
    timer = setTimeout(refresh, POLL_INTERVAL_MS);
  } catch (error) {
    if (error instanceof Refused) return askForToken(token === '' ? 'A token is needed' : 'The token is not valid');
    element('state').textContent = `The service cannot be reached: ${error.message}`;
    timer = setTimeout(refresh, POLL_INTERVAL_MS);
  }
}

function askForToken(why) {
  sessionStorage.removeItem('token');
  element('state').textContent = why;
  element('login').hidden = false;
  element('token').focus();
}

element('login').addEventListener('submit', (event) => {
  event.preventDefault();
  clearTimeout(timer);
  token = element('token').value.trim();
  refresh();
});

const number = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
/** Two digits of what is small: a request in five minutes is 0.0033/s, not 0. */
const small = new Intl.NumberFormat('en', {
  maximumFractionDigits: 1,
  maximumSignificantDigits: 2,
  roundingPriority: 'morePrecision',
});
const perSecond = (value) => (value === null ? '–' : small.format(value));
const whole = (value) => (value === null ? '–' : number.format(value));
const percent = (value) => (value === null ? '–' : `${number.format(value * 100)} %`);
const milliseconds = (value) => (value === null ? '–' : `${number.format(value)} ms`);
const bytes = (value) => (value === null ? '–' : `${number.format(value / 1_048_576)} MiB`);

function showNumbers({ users, api, system, business }) {
  const numbers = [
    ['Active users today', whole(users.active.daily)],
    ['Active users, 7\u00a0days', whole(users.active.weekly)],
    ['Logins, 24\u00a0h', whole(users.logins)],
    ['Registrations, 24\u00a0h', whole(users.registrations)],
    ['Requests, 24\u00a0h', whole(api.requests)],
    ['Error rate, 24\u00a0h', percent(api.error_rate)],
    ['Response time, mean, 24\u00a0h', milliseconds(api.avg_response_time_ms)],
    ['Response time, p95, 24\u00a0h', milliseconds(api.p95_response_time_ms)],
    ['Services healthy', `${system.healthy} of ${system.services}`],
    ['Appointments, 24\u00a0h', whole(business.appointments_created)],
    ['Notifications, 24\u00a0h', whole(business.notifications_sent)],
    ['Devices registered, 24\u00a0h', whole(business.device_registrations)],
  ];
  element('numbers').replaceChildren(
    ...numbers.map(([name, value]) => {
      const box = make('div', '', 'number');
      box.append(make('b', value), make('span', name));
      return box;
    }),
  );
}

function showServices(services) {
  const rows = services.map((service) => {
    const row = make('tr');
    row.title = service.reasons.join('; ');
    const cells = [
      service.service_name,
      service.status,
      perSecond(service.request_rate),
      percent(service.error_rate),
      milliseconds(service.avg_response_time_ms),
      milliseconds(service.p95_response_time_ms),
      service.cpu_usage === null ? '–' : `${whole(service.cpu_usage)} %`,
      bytes(service.memory_usage),
      new Date(service.last_seen_at).toLocaleTimeString(),
    ];
    row.append(...cells.map((cell) => make('td', cell)));
    return row;
  });
  if (rows.length === 0) {
    const row = make('tr');
    const cell = make('td', 'No service has reported yet.');
    cell.colSpan = 9;
    row.append(cell);
    rows.push(row);
  }
  element('services').replaceChildren(...rows);
}

/** Text always goes in as text: names come from publishers. */
function make(tag, text = '', className = '') {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

refresh();
