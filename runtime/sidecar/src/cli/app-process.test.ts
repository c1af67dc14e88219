import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { systemClock } from '@outrigger/engine';
import fc from 'fast-check';
import type { LineWriter } from '../telemetry/line-writer.js';
import { pipeLines, startApp } from './app-process.js';
import { CliError } from './cli-error.js';

class Collector implements LineWriter {
  text = '';
  full = false;
  drains: (() => void)[] = [];

  write(text: string): boolean {
    this.text += text;
    return !this.full;
  }

  onDrain(listener: () => void): void {
    this.drains.push(listener);
  }

  async flushed(): Promise<void> {}
  flushSync(): void {}
}

async function pipe(chunks: readonly Buffer[]): Promise<string> {
  const stream = new PassThrough();
  const out = new Collector();
  pipeLines(stream, '> ', [out]);
  for (const chunk of chunks) stream.write(chunk);
  const ended = new Promise((resolve) => stream.on('end', resolve));
  stream.end();
  await ended;
  return out.text;
}

describe('the output of an app', () => {
  it('has the prefix before each line, wherever its bytes are split', async () => {
    const text = 'one\n\nzwei – drei\nlast without newline ✓';
    const bytes = Buffer.from(text);
    const whole = text
      .split('\n')
      .map((line) => `> ${line}\n`)
      .join('');
    for (let i = 0; i <= bytes.length; i++) {
      assert.equal(await pipe([bytes.subarray(0, i), bytes.subarray(i)]), whole);
    }
  });

  it('is the same for every way to cut it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'grapheme', maxLength: 20 })), async (pieces) => {
        const chunks = pieces.map((piece) => Buffer.from(piece));
        assert.equal(await pipe(chunks), await pipe([Buffer.concat(chunks)]));
      }),
      { numRuns: 100 },
    );
  });

  it('is cut where a line has no end', async () => {
    const lines = (await pipe([Buffer.alloc(200 * 1024, 'x')])).trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => line.length - 2),
      [65_536, 65_536, 65_536, 8_192],
    );
  });

  it('waits when nobody reads', async () => {
    const stream = new PassThrough();
    const out = new Collector();
    out.full = true;
    pipeLines(stream, '', [out]);
    stream.write('one\n');
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(stream.isPaused(), true);
    out.full = false;
    for (const drain of out.drains) drain();
    assert.equal(stream.isPaused(), false);
    stream.destroy();
  });
});

describe('an app', () => {
  const spec = (command: readonly string[], out: LineWriter) => ({
    command,
    cwd: '/',
    env: {},
    prefix: '',
    out: [out],
    stdin: 'ignore' as const,
  });

  it('ends with its code, its output written', async () => {
    const out = new Collector();
    const app = await startApp(
      spec([process.execPath, '-e', 'console.log("hello"); process.exit(3)'], out),
      systemClock,
    );
    assert.deepEqual(await app.ended, { code: 3, signal: null });
    assert.equal(out.text, 'hello\n');
  });

  it('has an environment of its own, without PATH when there is none', async () => {
    const out = new Collector();
    const app = await startApp(
      spec([process.execPath, '-e', 'console.log(JSON.stringify(process.env.PATH ?? null))'], out),
      systemClock,
    );
    await app.ended;
    assert.equal(out.text, 'null\n');
  });

  it('that cannot be started says why', async () => {
    for (const [command, code, message] of [
      [['/no/such/command'], 127, 'the command "/no/such/command" was not found'],
      [['/etc/passwd'], 126, 'the command "/etc/passwd" cannot be executed'],
    ] as const) {
      await assert.rejects(startApp(spec(command, new Collector()), systemClock), (error: unknown) => {
        assert.ok(error instanceof CliError);
        assert.deepEqual([error.exitCode, error.message], [code, message]);
        return true;
      });
    }
  });
});
