import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { Secret } from '@outrigger/components-core';
import { createLineWriter } from './line-writer.js';
import { createLogger, createLogSink, type LogFormat } from './logger.js';

function lines(format: LogFormat, level: 'info' | 'debug' = 'info') {
  const out: string[] = [];
  const log = createLogger({ format, level, appId: 'shop', version: '0.1.0' }, { write: (line) => out.push(line) });
  return { out, log };
}

describe('log formats', () => {
  it('daprd text is logrus text: time, level, msg, then the fields by name', () => {
    const { out, log } = lines('dapr-text');
    log.info('dapr initialized. Status: Running.');
    log.child({ scope: 'component' }).warn({ component: 'store' }, 'said "no"');
    log.error({ err: new Error('refused') }, 'word');
    const [first, second, third] = out.map((line) =>
      line.replace(/^time="[-\dT:.]+Z" /, '').replace(/instance=\S+/, 'instance=host'),
    );
    assert.equal(
      first,
      'level=info msg="dapr initialized. Status: Running." app_id=shop instance=host scope=dapr.runtime type=log ver=0.1.0\n',
    );
    assert.equal(
      second,
      'level=warning msg="said \\"no\\"" app_id=shop component=store instance=host scope=dapr.runtime.component type=log ver=0.1.0\n',
    );
    assert.equal(
      third,
      'level=error msg=word app_id=shop err=refused instance=host scope=dapr.runtime type=log ver=0.1.0\n',
    );
  });

  it("daprd JSON has Dapr's fields, each once", () => {
    const { out, log } = lines('dapr-json');
    log.child({ scope: 'a' }).child({ scope: 'b' }).warn('x');
    const parsed = JSON.parse(out[0] as string);
    assert.deepEqual(Object.keys(parsed).sort(), [
      'app_id',
      'instance',
      'level',
      'msg',
      'scope',
      'time',
      'type',
      'ver',
    ]);
    assert.deepEqual([parsed.level, parsed.scope, parsed.type], ['warning', 'dapr.runtime.b', 'log']);
    assert.equal((out[0] as string).match(/"scope"/g)?.length, 1);
  });

  it('for people is one short line, control characters made harmless', () => {
    const { out, log } = lines('pretty');
    log.child({ scope: 'component' }).info({ component: 'store', ms: 3 }, 'line one\nINFO forged \u001b[31m');
    assert.match(
      out[0] as string,
      /^\d\d:\d\d:\d\d\.\d{3} INFO {2}line one\\nINFO forged \?\[31m {2}component=store ms=3\n$/,
    );
  });

  it('honours the level', () => {
    const { out, log } = lines('json');
    log.debug('quiet');
    log.info('loud');
    assert.equal(out.length, 1);
    assert.equal(JSON.parse(out[0] as string).msg, 'loud');
  });

  it('never holds secrets or tokens', () => {
    for (const format of ['json', 'pretty', 'dapr-text', 'dapr-json'] as const) {
      const { out, log } = lines(format);
      const secret = new Secret('canary');
      log.info({ apiToken: 'canary', headers: { authorization: 'canary', 'dapr-api-token': 'canary' }, secret }, 'x');
      assert.doesNotMatch(out.join(''), /canary/);
      assert.match(out.join(''), /redacted/);
    }
  });
});

describe('the line writer', () => {
  it('keeps the order and waits for the last byte', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'outrigger-log-'));
    const file = path.join(folder, 'x.log');
    const sink = createLogSink({ format: 'json', level: 'info', appId: 'a', version: '0' }, file);
    const alive = setInterval(() => {}, 60_000);
    for (let i = 0; i < 2_000; i++) sink.log.info({ i }, 'x'.repeat(100));
    await sink.lines.flushed(10_000);
    clearInterval(alive);
    const numbers = readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).i);
    assert.deepEqual(
      numbers,
      Array.from({ length: 2_000 }, (_, i) => i),
    );
    sink.close();
    rmSync(folder, { recursive: true });
  });

  it('goes on when nobody can read', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'outrigger-log-'));
    const fd = openSync(path.join(folder, 'x'), 'w');
    closeSync(fd);
    const writer = createLineWriter(fd);
    writer.write('into nothing\n');
    await writer.flushed(1_000);
    assert.equal(writer.write('still here\n'), true);
    rmSync(folder, { recursive: true });
  });
});
