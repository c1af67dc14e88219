import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CEL_CHARS_MAX, compileCondition } from './cel.js';
import { compileRouter } from './routing.js';

const event = {
  type: 'order',
  id: '1',
  data: { count: 1, price: 2.5, name: 'aaa', tags: ['x', 'y'], 'a-b': null },
};

describe('a routing condition', () => {
  it('sees the members of the event', async () => {
    const cases: Readonly<Record<string, boolean>> = {
      'event.type == "order"': true,
      'event.type == "order" && event.data.count > 1': false,
      'event.data.count == 1': true,
      'event.data.price >= 2.5': true,
      'event["data"]["a-b"] == null': true,
      'has(event.subject)': false,
      'event.data.tags.exists(t, t == "y")': true,
      '"x" in event.data.tags': true,
      'event.data.name.startsWith("aa") && !event.data.name.endsWith("b")': true,
      'event.data.name.matches("^a+$")': true,
      'size(event.data.tags) == 2': true,
      'event.type == "order" || event.missing == 1': true,
    };
    for (const [expression, expected] of Object.entries(cases)) {
      assert.equal((await compileCondition(expression))(event), expected, expression);
    }
  });

  it('is refused when it is not CEL, too long, or nested too deeply', async () => {
    await assert.rejects(compileCondition('event.type =='), /is not CEL/);
    await assert.rejects(compileCondition(`"${'x'.repeat(CEL_CHARS_MAX)}" == event.id`), /more than 4096/);
    const deep = `${'('.repeat(2000)}true${')'.repeat(2000)}`;
    await compileCondition(deep).then(
      (condition) => assert.equal(condition(event), true),
      (error) => assert.match(error.message, /is not CEL/),
    );
  });

  it('fails on what the event does not have, and on what is no answer', async () => {
    const missing = await compileCondition('event.missing == 1');
    assert.throws(() => missing(event), /cannot be evaluated.*missing/);
    const text = await compileCondition('event.type');
    assert.throws(() => text(event), /does not yield true or false/);
    const other = await compileCondition('other == 1');
    assert.throws(() => other(event), /cannot be evaluated/);
  });

  it('is not kept busy by a pattern that backtracks', async () => {
    const condition = await compileCondition('event.id.matches("^(a+)+$")');
    assert.equal(condition({ id: `${'a'.repeat(50_000)}b` }), false);
  });

  it('refuses an event on which it could take too many steps', async () => {
    const condition = await compileCondition('event.l.all(x, event.l.exists(y, y == x))');
    assert.equal(condition({ l: [1, 2, 3] }), true);
    assert.throws(() => condition({ l: Array.from({ length: 5_000 }, (_, index) => index) }), /could take .* steps/);
    const flat = await compileCondition('event.l.exists(x, x == 4999)');
    assert.equal(flat({ l: Array.from({ length: 5_000 }, (_, index) => index) }), true);
  });

  it('does not see what objects inherit', async () => {
    assert.equal((await compileCondition('has(event.constructor)'))(event), false);
  });
});

describe('routing rules', () => {
  it('send an event to the first that matches, else to the default path', async () => {
    const route = await compileRouter({
      rules: [
        { match: ' event.type == "order" ', path: '/orders' },
        { match: 'true', path: '/rest' },
      ],
      defaultPath: '/default',
    });
    assert.equal(route(event), '/orders');
    assert.equal(route({ type: 'other' }), '/rest');
  });

  it('leave an event without a path when none matches and there is no default', async () => {
    const rules = [{ match: 'event.type == "x"', path: '/x' }];
    assert.equal((await compileRouter({ rules, defaultPath: undefined }))(event), undefined);
    assert.equal((await compileRouter({ rules, defaultPath: '' }))(event), '');
  });

  it('take a rule without a condition for every event', async () => {
    const rules = [{ match: '', path: '/all' }];
    assert.equal((await compileRouter({ rules, defaultPath: '/default' }))(event), '/all');
  });
});
