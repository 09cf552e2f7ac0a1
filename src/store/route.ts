/**
 * A path segment that is an id: digits, a UUID, a ULID, a long hexadecimal or a long mixed token; or that names a person: an
 * address of email or of IP, a telephone number.
 */
const ID_SEGMENT =
  /^(?:\+?\d+|[^/]+(?:@|%40)[^/]+|\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?|\[?(?=[^/]*:[^/]*:)[0-9a-f:.]{3,}\]?(?::\d+)?|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9A-HJKMNP-TV-Z]{26}|[0-9a-f]{16,}|(?=[^/]*\d)(?=[^/]*[a-zA-Z])[A-Za-z0-9_-]{20,})$/i;
/** Width of the column; `:id` may be longer than the id that it replaces. */
const MAX_ROUTE_CHARACTERS = 255;
const CONTROL = /[\u0000-\u001f\u007f]/g;

/**
 * The route of an endpoint: without its query string, ids in its path replaced by `:id`, control characters by `?`.
 * It is what endpoints are grouped by and labelled with, so that neither ids nor secrets in a query become a label.
 */
export function routeOf(endpoint: string): string {
  const end = endpoint.search(/[?#]/);
  const path = end === -1 ? endpoint : endpoint.slice(0, end);
  const segments = path.split('/').map((segment) => (ID_SEGMENT.test(segment) ? ':id' : segment));
  const route = segments.join('/').replace(CONTROL, '?');
  if (route === '') return '/';
  // Cut by code points, as Postgres counts, so that no pair of surrogates is torn.
  return route.length > MAX_ROUTE_CHARACTERS ? [...route].slice(0, MAX_ROUTE_CHARACTERS).join('') : route;
}

/** Remembers routes, since a service has few endpoints and many requests. Bounded; full, it starts over. */
export function memoizedRoutes(maxEntries: number): (endpoint: string) => string {
  const known = new Map<string, string>();
  return (endpoint) => {
    const found = known.get(endpoint);
    if (found !== undefined) return found;
    const route = routeOf(endpoint);
    if (known.size >= maxEntries) known.clear();
    known.set(endpoint, route);
    return route;
  };
}
