import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import '../../support/seed.js';
import { memoizedRoutes, routeOf } from '../../../src/store/route.js';

const test = suite('route');

const ROUTES: readonly [endpoint: string, route: string][] = [
  ['/', '/'],
  ['/users/42', '/users/:id'],
  ['/users/42/items/7?page=2', '/users/:id/items/:id'],
  ['/users/me', '/users/me'],
  ['/v1/users', '/v1/users'],
  ['/orders/3f2504e0-4f89-11d3-9a0c-0305e82c3301', '/orders/:id'],
  ['/orders/01ARZ3NDEKTSV4RRFFQ69G5FAV', '/orders/:id'],
  ['/commits/9fceb02d0ae598e95dc970b74767f19372d61af8', '/commits/:id'],
  ['/files/aB3dE5gH7jK9mN1pQ3sT5', '/files/:id'],
  ['/a-rather-long-word-without-digits', '/a-rather-long-word-without-digits'],
  ['/reset?token=secret', '/reset'],
  ['/page#part', '/page'],
  ['?q=1', '/'],
  ['/a\tb\nc', '/a?b?c'],
  ['/users/:id', '/users/:id'],
  ['/12/', '/:id/'],
  ['/patients/anna@example.org/files', '/patients/:id/files'],
  ['/patients/anna%40example.org', '/patients/:id'],
  ['/phones/+41791234567', '/phones/:id'],
  ['/geo/203.0.113.77', '/geo/:id'],
  ['/geo/203.0.113.77:443', '/geo/:id'],
  ['/geo/2001:db8::1', '/geo/:id'],
  ['/geo/[2001:db8::1]:443', '/geo/:id'],
  ['/@scope/package', '/@scope/package'],
  ['/v1.2.3/users', '/v1.2.3/users'],
  ['/a:b/users', '/a:b/users'],
];
for (const [endpoint, route] of ROUTES) {
  test(`${JSON.stringify(endpoint)} is the route ${route}`, () => {
    assert.is(routeOf(endpoint), route);
  });
}

test('a route is never longer than its column, tears no character, and is its own route', () => {
  const part = fc.oneof(fc.nat().map(String), fc.string({ unit: 'grapheme', maxLength: 9 }), fc.constant('😀😀'));
  fc.assert(
    fc.property(fc.array(part, { maxLength: 90 }), (parts) => {
      const route = routeOf(`/${parts.join('/')}`);
      assert.ok([...route].length <= 255);
      assert.ok(route.isWellFormed() || !parts.every((each) => each.isWellFormed()));
      assert.is.not(route, '');
    }),
  );
});

test('remembered routes are the same, and what is remembered is bounded', () => {
  const remembered = memoizedRoutes(2);
  for (const [endpoint, route] of [...ROUTES, ...ROUTES]) assert.is(remembered(endpoint), route);
});

test.run();
