import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HeaderList, type RequestHead } from '@outrigger/engine';
import { NO_RETRY } from '../policy/retry.js';
import type { Route, VirtualHost } from './route.js';
import { REMEMBERED_MAX, RouteTable } from './route-table.js';

const route = (name: string): Route => ({ name, cluster: `c:${name}`, timeoutMs: 0, retry: NO_RETRY, filters: null });
const to = (path: string): RequestHead => ({
  method: 'GET',
  scheme: 'http',
  authority: 'a',
  path,
  headers: new HeaderList(),
});

describe('route table', () => {
  const orders: VirtualHost = {
    name: 'orders',
    rules: [
      { match: (head) => head.path.startsWith('/v2/'), route: route('v2') },
      { match: null, route: route('v1') },
    ],
  };

  it('takes the first rule that matches', () => {
    const table = new RouteTable([orders]);
    assert.equal(table.match('orders', to('/v2/x'))?.name, 'v2');
    assert.equal(table.match('orders', to('/x'))?.name, 'v1');
  });

  it('knows no route for an unknown name', () => {
    assert.equal(new RouteTable([orders]).match('other', to('/')), undefined);
  });

  it('makes virtual hosts on demand, once; listed ones win', () => {
    let made = 0;
    const table = new RouteTable([orders], (name) => {
      made++;
      return name === '' ? undefined : { name, rules: [{ match: null, route: route(name) }] };
    });
    assert.equal(table.match('a', to('/')), table.match('a', to('/other')));
    assert.equal(made, 1);
    assert.equal(table.match('orders', to('/'))?.name, 'v1');
    assert.equal(table.match('', to('/')), undefined);
  });

  it('bounds what it remembers', () => {
    const table = new RouteTable([], (name) => ({ name, rules: [{ match: null, route: route(name) }] }));
    const first = table.virtualHost('0');
    for (let i = 1; i <= REMEMBERED_MAX; i++) table.virtualHost(String(i));
    assert.notEqual(table.virtualHost('0'), first);
  });
});
