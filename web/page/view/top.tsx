import { useState } from 'preact/hooks';
import type { Dashboard, TopEndpoint } from '../model/answers.js';
import { count, exact, milliseconds, percent, plural, words } from '../model/format.js';
import { Nothing, Panel } from './panel.js';

/** Rows before somebody asks for all. */
const FEW = 6;

interface EndpointsProps {
  readonly endpoints: readonly TopEndpoint[];
  readonly showsService: boolean;
}

/** The endpoints with the most requests. */
export function TopEndpoints({ endpoints, showsService }: EndpointsProps) {
  const [isAll, setAll] = useState(false);
  const most = Math.max(1, ...endpoints.map(({ requests }) => requests));
  return (
    <Panel id="endpoints" title="Top endpoints">
      {endpoints.length === 0 ? (
        <Nothing>No requests in this range</Nothing>
      ) : (
        <table class="ranked long">
          <thead>
            <tr>
              <th scope="col">Endpoint</th>
              <th scope="col" class="figure">
                Requests
              </th>
              <th scope="col" class="figure">
                Errors
              </th>
              <th scope="col" class="figure">
                p95
              </th>
            </tr>
          </thead>
          <tbody>
            {endpoints.slice(0, isAll ? undefined : FEW).map((each) => (
              <tr key={`${each.service_name} ${each.method} ${each.endpoint}`}>
                <th scope="row" title={`${each.method} ${each.endpoint} of ${each.service_name}`}>
                  <Share of={each.requests / most} />
                  <span class="name">
                    <span class="method">{each.method}</span> {each.endpoint}
                    {showsService && <span class="soft of">{each.service_name}</span>}
                  </span>
                </th>
                <td class="figure">
                  <data value={each.requests}>{count(each.requests)}</data>
                </td>
                <td class={`figure ${each.errors > 0 ? '' : 'soft'}`}>{percent(each.error_rate)}</td>
                <td class="figure">{milliseconds(each.p95_response_time_ms)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <More amount={endpoints.length} isAll={isAll} toggle={() => setAll(!isAll)} />
    </Panel>
  );
}

interface FeaturesProps {
  readonly features: Dashboard['top']['features'];
  readonly note: string | undefined;
}

/** The features that are used most. */
export function TopFeatures({ features, note }: FeaturesProps) {
  const [isAll, setAll] = useState(false);
  const most = Math.max(1, ...features.map(({ uses }) => uses));
  return (
    <Panel id="features" title="Top features" note={note}>
      {features.length === 0 ? (
        <Nothing>No features were used in this range</Nothing>
      ) : (
        <table class="ranked">
          <thead>
            <tr>
              <th scope="col">Feature</th>
              <th scope="col" class="figure">
                Uses
              </th>
              <th scope="col" class="figure">
                Users
              </th>
            </tr>
          </thead>
          <tbody>
            {features.slice(0, isAll ? undefined : FEW).map(({ feature, uses, users }) => (
              <tr key={feature}>
                <th scope="row" title={feature}>
                  <Share of={uses / most} />
                  <span class="name">{words(feature)}</span>
                </th>
                <td class="figure" title={exact(uses)}>
                  {count(uses)}
                </td>
                <td class="figure" title={exact(users)}>
                  {count(users)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <More amount={features.length} isAll={isAll} toggle={() => setAll(!isAll)} />
    </Panel>
  );
}

/** A bar behind a row: its share of the largest. */
function Share({ of }: { readonly of: number }) {
  return (
    <svg class="share" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
      <rect width={Math.max(0.5, of * 100)} height="1" />
    </svg>
  );
}

function More({ amount, isAll, toggle }: { readonly amount: number; readonly isAll: boolean; toggle(): void }) {
  if (amount <= FEW) return null;
  return (
    <button type="button" class="link more" aria-expanded={isAll} onClick={toggle}>
      {isAll ? 'Fewer' : `All ${plural(amount, 'row')}`}
    </button>
  );
}
