/**
 * Finds out which route took a request. Express tells a route's own part (`request.route.path`), and of the routers that it
 * lies in only which part of the path they took (`request.baseUrl`: `/tenants/42`), and takes that back on the way out, so that
 * an error handler does not see it any more. So it is noted when Express sets it, with the parameters of that moment.
 *
 * @returns what the route is, asked later: `/tenants/:tenant/users/:id`; undefined where no route took the request
 */
export function watchRoute(request: object): () => string | undefined {
  const mounts = new Map<string, string>();
  // Something else than nothing where the recorder itself lies in a router.
  const around: unknown = Reflect.get(request, 'baseUrl');
  let base = typeof around === 'string' ? around : '';
  let template = extend('', '', base, Reflect.get(request, 'params'));
  mounts.set(base, template);
  let route: string | undefined;
  intercept(request, 'baseUrl', (value) => {
    if (typeof value !== 'string') return;
    template = mounts.get(value) ?? extend(template, base, value, Reflect.get(request, 'params'));
    mounts.set(value, template);
    base = value;
  });
  intercept(request, 'route', (value) => {
    const path = pathOf(value);
    if (path !== undefined) route = join(template, path);
  });
  return () => route;
}

/** Tells of every value that is assigned to a property, which goes on as if it were a plain one. */
function intercept(target: object, name: string, onSet: (value: unknown) => void): void {
  let current: unknown = Reflect.get(target, name);
  // Another recorder may be told of it already.
  const others = Object.getOwnPropertyDescriptor(target, name)?.set;
  Object.defineProperty(target, name, {
    configurable: true,
    enumerable: true,
    get: () => current,
    set: (value: unknown) => {
      current = value;
      others?.call(target, value);
      onSet(value);
    },
  });
}

/** The template of a mount below another: what it adds to the path, its parameters' values replaced by their names. */
function extend(parentTemplate: string, parent: string, mounted: string, params: unknown): string {
  if (!mounted.startsWith(parent)) return '/:mount';
  let added = mounted.slice(parent.length);
  const given = typeof params === 'object' && params !== null ? Object.entries(params) : [];
  for (const [name, value] of given.reverse()) {
    // With `mergeParams` those of the routers around are here, too.
    if (`${parentTemplate}/`.includes(`:${name}/`)) continue;
    const replaced = replaceLast(added, valueText(value), `:${name}`);
    // A value that is not found in the path as it is: rather no path than one with an id.
    if (replaced === undefined) return `${parentTemplate}/:${name}`;
    added = replaced;
  }
  return parentTemplate + added;
}

/** As it stands in the path, decoded. A wildcard has one text for each segment. */
function valueText(value: unknown): string {
  try {
    return Array.isArray(value) ? value.join('/') : String(value);
  } catch {
    return ''; // What `app.param` has put in its place, and has no text.
  }
}

/** Replaces the last segments that are the text, or else its last place within a segment; undefined where there is none. */
function replaceLast(path: string, text: string, name: string): string | undefined {
  const decoded = decode(path);
  const whole = `${decoded}/`.lastIndexOf(`/${text}/`);
  const at = whole < 0 ? decoded.lastIndexOf(text) : whole + 1;
  if (at < 0 || text === '') return undefined;
  return decoded.slice(0, at) + name + decoded.slice(at + text.length);
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // Express refuses such a path itself.
  }
}

function pathOf(route: unknown): string | undefined {
  if (typeof route !== 'object' || route === null || !('path' in route)) return undefined;
  const { path } = route;
  return Array.isArray(path) ? path.map(String).join('|') : String(path);
}

/** The route `/` of a router is the router's own place. */
function join(mount: string, path: string): string {
  return path === '/' && mount !== '' ? mount : mount + path;
}
