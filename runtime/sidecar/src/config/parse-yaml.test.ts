import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '@outrigger/engine';
import fc from 'fast-check';
import { NESTING_MAX, parseYaml, TREE_NODES_MAX } from './parse-yaml.js';
import { Problems, problemText } from './problem.js';
import { createTimeSlice } from './time-slice.js';
import { toPlain, valueText } from './tree.js';

async function parse(text: string) {
  const problems = new Problems();
  const trees = await parseYaml(text, 'file.yaml', problems, createTimeSlice(new FakeClock()));
  return { trees, plain: trees.map(toPlain), problems: problems.list.map(problemText) };
}

describe('parseYaml', () => {
  it('reads several documents and leaves empty ones out', async () => {
    const { plain, problems } = await parse('a: 1\n---\n---\n# nothing\n---\nb: [x, true, null]\n...\n');
    assert.deepEqual(problems, []);
    assert.deepEqual(plain, [{ a: 1 }, { b: ['x', true, null] }]);
  });

  it('reads JSON, tabs included', async () => {
    const { plain, problems } = await parse('{\n\t"a": {"b": [1, "two"]}\n}\n');
    assert.deepEqual(problems, []);
    assert.deepEqual(plain, [{ a: { b: [1, 'two'] } }]);
  });

  it('knows the line and column of every value, across documents', async () => {
    const { trees } = await parse('a: 1\n---\nb:\n  - c: deep\n');
    const [, second] = trees;
    assert.equal(second?.kind, 'map');
    const list = second.entries[0]?.value;
    assert.equal(list?.kind, 'list');
    const map = list.items[0];
    assert.equal(map?.kind, 'map');
    assert.deepEqual(map.entries[0]?.keyOrigin, { source: 'file.yaml', line: 4, column: 5 });
    assert.deepEqual(map.entries[0]?.value.origin, { source: 'file.yaml', line: 4, column: 8 });
  });

  it('names the place of a syntax error and keeps the other documents', async () => {
    const { plain, problems } = await parse('a: 1\n---\nb: [1\n---\nc: 3\n');
    assert.equal(problems.length, 1);
    assert.match(problems[0] as string, /^file\.yaml:\d+:\d+: error: not valid YAML: /);
    assert.deepEqual(plain, [{ a: 1 }, { c: 3 }]);
  });

  it('names both places of a key that is there twice', async () => {
    const { problems } = await parse('spec:\n  type: a\n  version: v1\n  type: b\n');
    assert.deepEqual(problems, ['file.yaml:4:3: error: the key "type" is here twice; first in line 2']);
  });

  it('resolves aliases and merge keys, own entries first', async () => {
    const { plain, problems } = await parse('base: &b {x: 1, y: 2}\none: *b\ntwo:\n  <<: *b\n  y: 3\n');
    assert.deepEqual(problems, []);
    assert.deepEqual(plain, [{ base: { x: 1, y: 2 }, one: { x: 1, y: 2 }, two: { x: 1, y: 3 } }]);
  });

  it('refuses an alias without anchor, one that contains itself, and unknown tags', async () => {
    assert.deepEqual((await parse('a: *nope\n')).problems, [
      'file.yaml:1:4: error: the alias *nope has no anchor before it',
    ]);
    assert.deepEqual((await parse('a: &x\n  b: *x\n')).problems, [
      'file.yaml:2:6: error: the alias *x contains itself',
    ]);
    assert.match((await parse('a: !!binary aGk=\n')).problems[0] as string, /the tag tag:yaml.org,2002:binary is not/);
  });

  it('refuses a document whose aliases multiply', async () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 9; i++)
      lines.push(`a${i}: &a${i} [${Array.from({ length: 10 }, () => `*a${i - 1}`).join(', ')}]`);
    const { trees, problems } = await parse(lines.join('\n'));
    assert.deepEqual(trees, []);
    assert.match(problems[0] as string, new RegExp(`more than ${TREE_NODES_MAX} values`));
  });

  it('refuses deep nesting, whatever it is written with', async () => {
    for (const step of ['[', '- ', '? ', '{a: ', '{"a":']) {
      const { trees, problems } = await parse(step.repeat(100_000));
      assert.deepEqual(trees, [], step);
      assert.match(problems[0] as string, new RegExp(`nested more than ${NESTING_MAX} levels deep`), step);
    }
  });

  it('accepts nesting up to the limit', async () => {
    const depth = NESTING_MAX - 1;
    const { problems } = await parse('['.repeat(depth) + ']'.repeat(depth));
    assert.deepEqual(problems, []);
  });

  it('never throws and stays within its limits, whatever the text', async () => {
    const piece = fc.constantFrom(
      'a',
      ': ',
      '- ',
      '\n',
      '  ',
      '[',
      ']',
      '{',
      '}',
      ',',
      '"',
      "'",
      '&x ',
      '*x',
      '<<',
      '|',
      '---\n',
      '\t',
      '#',
      '!',
      '? ',
      '%',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 60 }), async (pieces) => {
        await parse(pieces.join(''));
      }),
      { numRuns: 500 },
    );
  });

  it('gives back every JSON value', async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })), async (value) => {
        fc.pre(!('<<' in value));
        const { plain, problems } = await parse(JSON.stringify(value));
        assert.deepEqual(problems, []);
        assert.equal(JSON.stringify(plain[0]), JSON.stringify(sorted(JSON.parse(JSON.stringify(value)))));
      }),
      { numRuns: 200 },
    );
  });
});

describe('valueText', () => {
  it('writes values as Dapr does: text as it is, the rest as JSON', async () => {
    const { trees } = await parse(
      '- plain text\n- "quoted: 1"\n- 1.10\n- 12345678901234567890\n- true\n- ~\n- {b: 1, a: [x]}\n',
    );
    const [list] = trees;
    assert.equal(list?.kind, 'list');
    assert.deepEqual(list.items.map(valueText), [
      'plain text',
      'quoted: 1',
      '1.1',
      '12345678901234567890',
      'true',
      '',
      '{"a":["x"],"b":1}',
    ]);
  });
});

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}
