import type { AlertsAnswer, Dashboard, OperationalStatus, ServicesHealth, SilencesAnswer } from '../model/answers.js';
import { beside } from '../model/beside.js';
import { dashboardPath, edgesOf, type Selection } from '../model/ranges.js';
import type { Api, Outcome } from './api.js';
import type { PageData } from './store.js';

/** How long the numbers that are there wait for what stands beside them. */
const BESIDE_MS = 5_000;

/** Asks for all that the page shows of a selection. What is beside the numbers may be missing; they may not. */
export async function askForPage(api: Api, selection: Selection): Promise<Outcome<PageData>> {
  const edges = new URLSearchParams(edgesOf(selection.range));
  const numbers = askForDashboard(api, selection);
  const soon = <T>(question: Promise<T>): Promise<T | undefined> => beside(question, numbers, BESIDE_MS);
  const [dashboard, alerts, silences, status, services] = await Promise.all([
    numbers,
    soon(api.get<AlertsAnswer>(`/metrics/alerts?${edges}`)),
    soon(api.get<SilencesAnswer>('/metrics/alerts/silences')),
    soon(api.status<OperationalStatus>()),
    // The dashboard of one service names no other.
    selection.service === undefined ? undefined : soon(api.get<ServicesHealth>('/metrics/services/health')),
  ]);
  if (dashboard.kind !== 'ok') return dashboard;
  const named = services?.kind === 'ok' ? services.value.services : dashboard.value.services;
  return {
    kind: 'ok',
    value: {
      dashboard: dashboard.value,
      selection,
      alerts: alerts?.kind === 'ok' ? alerts.value : null,
      silences: silences?.kind === 'ok' ? silences.value : null,
      status: status ?? null,
      serviceNames: named.map(({ service_name: name }) => name).sort(),
    },
  };
}

/** With the period before, unless that lies before what is kept. */
async function askForDashboard(api: Api, selection: Selection): Promise<Outcome<Dashboard>> {
  const compared = await api.get<Dashboard>(dashboardPath(selection, true));
  const tooOld = compared.kind === 'refused' && compared.pointers.length > 0;
  if (!tooOld || compared.pointers.some((pointer) => pointer !== 'compare')) return compared;
  return await api.get<Dashboard>(dashboardPath(selection, false));
}
