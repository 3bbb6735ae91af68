import { describe, expect, it } from 'vitest';
import { routeOf } from './pages';

describe('addresses', () => {
  it('name their pages', () => {
    for (const [path, name, parts] of [
      ['/', '', []],
      ['/index.html', '', []],
      ['/map', 'map', []],
      ['/map/', 'map', []],
      ['/pair/a%2Fb/eu-west-1', 'pair', ['a/b', 'eu-west-1']],
      ['/region/%C3%9Cn%C3%AF%20%25', 'region', ['Ünï %']],
    ] as const) {
      const route = routeOf(path, '?x=1');
      expect([route.page?.name, route.address.parts, route.address.params.get('x')]).toEqual([name, parts, '1']);
    }
  });

  it('that name none are known as such', () => {
    for (const path of ['/pair', '/pair/a', '/pair/a/', '/pair//b', '/pair/a/b/c', '/pair/%/b', '/other', '/map/x']) {
      expect([path, routeOf(path, '').page]).toEqual([path, null]);
    }
  });
});
