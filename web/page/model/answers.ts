// What the service answers, as it declares it itself: a field that changes there does not compile here.
export type { Dashboard, DashboardSeries, TopEndpoint } from '../../../src/queries/dashboard.js';
export type { Series, SplitSeries } from '../../../src/queries/dashboard-axis.js';
export type { Change, HeadlineNumber } from '../../../src/queries/dashboard-comparison.js';
export type { AlertEntry, AlertsAnswer, SilenceEntry, SilencesAnswer } from '../../../src/queries/get-alerts.js';
export type { OperationalStatus } from '../../../src/queries/get-status.js';
export type { ServiceHealth, ServiceStatus, ServicesHealth } from '../../../src/queries/services-health.js';
