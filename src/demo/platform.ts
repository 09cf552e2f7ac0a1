/** One of the six services of a platform for clinics: what it runs on, and how it does at rest. */
export interface DemoService {
  readonly name: string;
  readonly version: string;
  /** Percent at rest; load adds to it. */
  readonly cpuPercent: number;
  readonly memoryMb: number;
  readonly poolMax: number;
}

const gateway: DemoService = { name: 'gateway', version: '4.1.2', cpuPercent: 9, memoryMb: 210, poolMax: 10 };
const appointments: DemoService = {
  name: 'appointments',
  version: '2.8.0',
  cpuPercent: 12,
  memoryMb: 340,
  poolMax: 20,
};
const patients: DemoService = { name: 'patients', version: '3.3.7', cpuPercent: 10, memoryMb: 420, poolMax: 20 };
const devices: DemoService = { name: 'devices', version: '1.9.4', cpuPercent: 15, memoryMb: 180, poolMax: 15 };
const notifications: DemoService = {
  name: 'notifications',
  version: '2.0.1',
  cpuPercent: 7,
  memoryMb: 150,
  poolMax: 8,
};
const billing: DemoService = { name: 'billing', version: '5.2.0', cpuPercent: 6, memoryMb: 260, poolMax: 12 };

export const SERVICES: readonly DemoService[] = [gateway, appointments, patients, devices, notifications, billing];

/** A kind of request, and how it goes when all is well. `:id` is some number. */
export interface Route {
  readonly service: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** What some are answered with instead, by mistake of the caller. */
  readonly mistake?: readonly [status: number, share: number];
  readonly medianMs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
}

function route(
  service: DemoService,
  line: `${string} ${string}`,
  medianMs: number,
  answer: Pick<Route, 'status' | 'mistake'>,
  bytes: readonly [request: number, response: number],
): Route {
  const [method = '', path = ''] = line.split(' ');
  return { service: service.name, method, path, medianMs, ...answer, requestBytes: bytes[0], responseBytes: bytes[1] };
}

export const ROUTES = {
  home: route(gateway, 'GET /', 18, { status: 200 }, [420, 14_000]),
  page: route(gateway, 'GET /pages/:id', 26, { status: 200, mistake: [404, 0.02] }, [460, 22_000]),
  signIn: route(gateway, 'POST /sessions', 95, { status: 201 }, [380, 900]),
  signInRefused: route(gateway, 'POST /sessions', 90, { status: 401 }, [380, 160]),
  signOut: route(gateway, 'DELETE /sessions/:id', 14, { status: 204 }, [340, 0]),
  signUp: route(gateway, 'POST /users', 140, { status: 201 }, [900, 600]),
  calendar: route(appointments, 'GET /appointments', 70, { status: 200 }, [400, 9_500]),
  slots: route(appointments, 'GET /slots', 110, { status: 200 }, [430, 6_200]),
  book: route(appointments, 'POST /appointments', 130, { status: 201, mistake: [409, 0.05] }, [850, 700]),
  record: route(patients, 'GET /patients/:id', 48, { status: 200, mistake: [404, 0.02] }, [390, 5_600]),
  history: route(patients, 'GET /patients/:id/history', 85, { status: 200 }, [390, 18_000]),
  note: route(patients, 'POST /patients/:id/notes', 60, { status: 201, mistake: [422, 0.03] }, [1_900, 300]),
  readings: route(devices, 'GET /devices/:id/readings', 40, { status: 200 }, [380, 12_000]),
  reading: route(devices, 'POST /devices/:id/readings', 12, { status: 202 }, [640, 80]),
  pair: route(devices, 'POST /devices', 75, { status: 201, mistake: [409, 0.04] }, [700, 350]),
  inbox: route(notifications, 'GET /messages', 35, { status: 200 }, [380, 4_300]),
  send: route(notifications, 'POST /messages', 80, { status: 202 }, [1_100, 120]),
  invoices: route(billing, 'GET /invoices', 55, { status: 200 }, [380, 5_200]),
  pay: route(billing, 'POST /payments', 240, { status: 201, mistake: [402, 0.03] }, [780, 420]),
} as const satisfies Readonly<Record<string, Route>>;

export type RouteName = keyof typeof ROUTES;

export const BROWSERS = ['chrome', 'chrome', 'chrome', 'safari', 'safari', 'firefox', 'edge'] as const;
