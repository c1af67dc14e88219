import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HeaderList, type RequestHead } from '@outrigger/engine';
import { ConcurrencyGate } from './concurrency-gate.js';
import { gatedOpener } from './gated-opener.js';
import { type AppCallError, callApp } from './http-call.js';
import { FakeOpener, settled } from './testing/fake-opener.js';

const head = (): RequestHead => ({
  method: 'POST',
  scheme: 'http',
  authority: 'app',
  path: '/',
  headers: new HeaderList(),
});
const silent = { onHead() {}, onData() {}, onEnd() {}, onReset() {}, onDrain() {} };

describe('opener behind the concurrency gate', () => {
  it('sends a call that waited, body and all, when a place is free', async () => {
    const inner = new FakeOpener();
    const opener = gatedOpener(inner, new ConcurrencyGate(1));
    const first = callApp(opener, { method: 'POST', path: '/a', body: Buffer.from('one'), bytesMax: 100 });
    const second = callApp(opener, { method: 'POST', path: '/b', body: Buffer.from('two'), bytesMax: 100 });
    assert.equal(inner.calls.length, 1);
    inner.calls[0]?.answer(200, 'first');
    assert.equal((await first).body.toString(), 'first');
    assert.equal(inner.calls.length, 2);
    assert.equal(inner.calls[1]?.body, 'two');
    assert.equal(inner.calls[1]?.ended, true);
    inner.calls[1]?.answer(204);
    assert.equal((await second).status, 204);
  });

  it('gives the place back when a call is refused, reset by the app, or given up', async () => {
    const inner = new FakeOpener();
    const gate = new ConcurrencyGate(1);
    const opener = gatedOpener(inner, gate);
    const refused = callApp(opener, { method: 'GET', path: '/', bytesMax: 1 });
    inner.calls[0]?.refuse();
    await assert.rejects(refused, (error: AppCallError) => error.unprocessed);
    const stream = opener.open(head(), true, silent);
    stream.reset('cancel');
    stream.reset('cancel');
    assert.equal(inner.calls[1]?.resetReason, 'cancel');
    assert.equal(gate.running, 0);
  });

  it('takes a call that gives up while waiting out of the line', () => {
    const inner = new FakeOpener();
    const gate = new ConcurrencyGate(1);
    const opener = gatedOpener(inner, gate);
    opener.open(head(), true, silent);
    const waiting = opener.open(head(), true, silent);
    waiting.reset('cancel');
    assert.equal(gate.waiting, 0);
    inner.calls[0]?.answer(200);
    assert.equal(inner.calls.length, 1);
  });

  it('tells a waiting caller to stop writing, and to go on once its call is open', async () => {
    const inner = new FakeOpener();
    const opener = gatedOpener(inner, new ConcurrencyGate(1));
    opener.open(head(), true, silent);
    let drained = 0;
    const stream = opener.open(head(), false, { ...silent, onDrain: () => drained++ });
    assert.equal(stream.write(Buffer.from('part')), false);
    inner.calls[0]?.answer(200);
    assert.equal(drained, 1);
    assert.equal(inner.calls[1]?.body, 'part');
    assert.equal(stream.write(Buffer.from(' two')), true);
  });

  it('refuses calls past the line and past the bytes it may keep, as not processed', async () => {
    const inner = new FakeOpener();
    const opener = gatedOpener(inner, new ConcurrencyGate(1, 1), 10);
    opener.open(head(), true, silent);
    const large = callApp(opener, { method: 'POST', path: '/', body: Buffer.alloc(11), bytesMax: 1 });
    await assert.rejects(large, (error: AppCallError) => error.unprocessed && error.reason === 'refused');
    opener.open(head(), true, silent);
    const late = callApp(opener, { method: 'GET', path: '/', bytesMax: 1 });
    await assert.rejects(late, /calls wait for the app already/);
    await settled();
    assert.equal(inner.calls.length, 1);
  });
});

describe('a call to the app', () => {
  it('gives up with the reason of the signal and resets the stream', async () => {
    const inner = new FakeOpener();
    const controller = new AbortController();
    const call = callApp(inner, { method: 'GET', path: '/', signal: controller.signal, bytesMax: 1 });
    controller.abort(new Error('enough'));
    await assert.rejects(call, /enough/);
    assert.equal(inner.calls[0]?.resetReason, 'cancel');
  });

  it('refuses a response larger than allowed and resets the stream', async () => {
    const inner = new FakeOpener();
    const call = callApp(inner, { method: 'GET', path: '/', bytesMax: 3 });
    inner.calls[0]?.answer(200, 'four');
    await assert.rejects(call, (error: AppCallError) => error.reason === 'too-large' && !error.unprocessed);
    assert.equal(inner.calls[0]?.resetReason, 'too-large');
  });
});
