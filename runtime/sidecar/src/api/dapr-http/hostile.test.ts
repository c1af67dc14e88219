import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { exchange } from '../testing/http-exchange.js';
import { createTestSurfaces } from '../testing/surfaces.js';

/** Whatever comes in, a fault of the sidecar is never the answer. */
async function survives(method: string, path: string, body: string | Uint8Array): Promise<void> {
  const { httpHandler } = createTestSurfaces();
  const { status, text } = await exchange(httpHandler, { method, path, body }, 7);
  assert.ok(status < 600 && !text.includes('ERR_INTERNAL'), `${method} ${path} ${String(body)}: ${status} ${text}`);
}

const paths = [
  '/v1.0/state/store',
  '/v1.0/state/store/bulk',
  '/v1.0/state/store/transaction',
  '/v1.0/state/plain/transaction',
  '/v1.0-alpha1/state/store/query',
  '/v1.0-alpha1/lock/locks',
  '/v1.0-alpha1/unlock/locks',
] as const;

/** JSON that is nearly what the routes want: their members with values of any kind. */
const nearly = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<unknown>(
      null,
      true,
      0,
      -1,
      1e300,
      Number.MAX_SAFE_INTEGER,
      '',
      'a||b',
      'first-write',
      'upsert',
      'delete',
    ),
    fc.string(),
    fc.array(tie('value'), { maxLength: 3 }),
    tie('object'),
  ),
  object: fc.dictionary(
    fc.constantFrom(
      ...['key', 'KEY', 'value', 'etag', 'metadata', 'options', 'concurrency', 'consistency', 'keys', 'parallelism'],
      ...['operations', 'operation', 'request', 'ttlInSeconds', 'filter', 'EQ', 'AND', 'IN', 'sort', 'page', 'limit'],
      ...['token', 'order', 'resourceId', 'lockOwner', 'expiryInSeconds', '__proto__', 'constructor'],
    ),
    tie('value'),
    { maxKeys: 5 },
  ),
}));

describe('Dapr HTTP, asked by somebody hostile', () => {
  it('survives any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), fc.uint8Array({ maxLength: 60 }), (path, bytes) =>
        survives('POST', path, bytes),
      ),
      { numRuns: 200 },
    );
  });

  it('survives any JSON', async () => {
    const body = fc.oneof(
      fc.json(),
      nearly.value.map((value) => JSON.stringify(value)),
      fc.array(nearly.object, { maxLength: 3 }).map((value) => JSON.stringify(value)),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), body, (path, text) => survives('POST', path, text)),
      { numRuns: 800 },
    );
  });

  it('survives any path and query', async () => {
    const piece = fc.constantFrom(
      ...[
        '/',
        '..',
        '.',
        '%2F',
        '%',
        '%zz',
        '%ff',
        '+',
        '||',
        '?',
        '&',
        '=',
        'metadata.',
        'key',
        'v1.0',
        'state',
        'store',
        'secrets',
        'configuration',
        'bulk',
        'subscribe',
        'metadata',
        'healthz',
        '__proto__',
        ' ',
        'é',
        '\u{1f600}',
      ],
    );
    const path = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'HEAD', 'BREW'),
        path,
        (method, target) => survives(method, target, '{}'),
      ),
      { numRuns: 500 },
    );
  });

  it('survives nesting and length without slowing down', async () => {
    const deep = (open: string, close: string): string => open.repeat(200_000) + close.repeat(200_000);
    for (const path of paths) {
      await survives('POST', path, deep('[', ']'));
      await survives('POST', path, deep('{"filter":', '}'));
      await survives('POST', path, `[${'{"key":"k","value":1},'.repeat(5_000)}{}]`);
    }
  });
});
