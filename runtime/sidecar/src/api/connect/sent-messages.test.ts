import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MessageSink } from '@outrigger/engine';
import { sentMessages } from './sent-messages.js';

const never = new AbortController().signal;

describe('sent messages', () => {
  it('come one by one, each send waiting until its message was taken', async () => {
    const log: string[] = [];
    const run = async (sink: MessageSink<unknown>): Promise<void> => {
      for (const message of ['a', 'b']) {
        await sink.send(message);
        log.push(`sent ${message}`);
      }
    };
    for await (const message of sentMessages(run, never)) log.push(`got ${message}`);
    assert.deepEqual(log, ['got a', 'sent a', 'got b', 'sent b']);
  });

  it('end with what the handler throws', async () => {
    const fault = new Error('fault');
    const run = async (sink: MessageSink<unknown>): Promise<void> => {
      await sink.send('a');
      throw fault;
    };
    const got: unknown[] = [];
    await assert.rejects(async () => {
      for await (const message of sentMessages(run, never)) got.push(message);
    }, fault);
    assert.deepEqual(got, ['a']);
  });

  it('end at once with the reason of the signal, and the handler is not left waiting', async () => {
    const controller = new AbortController();
    const reason = new Error('deadline');
    let ended!: (how: string) => void;
    const handler = new Promise<string>((resolve) => {
      ended = resolve;
    });
    const run = async (sink: MessageSink<unknown>): Promise<void> => {
      try {
        for (;;) await sink.send('a');
      } catch (error) {
        ended((error as Error).message);
      }
    };
    await assert.rejects(async () => {
      for await (const _ of sentMessages(run, controller.signal)) controller.abort(reason);
    }, reason);
    assert.equal(await handler, 'the call has ended');
  });

  it('end when nobody asks any more', async () => {
    let ended!: (how: string) => void;
    const handler = new Promise<string>((resolve) => {
      ended = resolve;
    });
    const run = async (sink: MessageSink<unknown>): Promise<void> => {
      try {
        for (;;) await sink.send('a');
      } catch (error) {
        ended((error as Error).message);
      }
    };
    for await (const _ of sentMessages(run, never)) break;
    assert.equal(await handler, 'the call has ended');
  });

  it('never begin for a call that has ended already', async () => {
    let ran = false;
    const run = async (): Promise<void> => {
      ran = true;
    };
    const reason = new Error('gone');
    await assert.rejects(sentMessages(run, AbortSignal.abort(reason)).next(), reason);
    assert.equal(ran, false);
  });
});
