import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CRASHES_MAX } from './crash-guard.js';
import { SUCCESS } from './subscriber.js';
import { Scene } from './testing/scene.js';

const lost = { answer: 'retry', reason: 'connection lost', lost: true } as const;

describe('a connection that breaks before the answer', () => {
  it('has the event sent once more at once when the app still listens', async () => {
    const scene = new Scene();
    scene.app.auto = () => (scene.app.deliveries.length === 1 ? lost : SUCCESS);
    await scene.start({ deadLetterTopic: 'dead' });
    await scene.publish('x');
    assert.equal(scene.app.deliveries.length, 2);
    assert.equal(scene.published.length, 1);
  });

  it('counts as a failure when the second connection breaks too', async () => {
    const scene = new Scene();
    scene.app.auto = () => lost;
    await scene.start({ deadLetterTopic: 'dead' });
    await scene.publish('x');
    assert.equal(scene.app.deliveries.length, 2);
    assert.equal(scene.published.at(-1)?.topic, 'dead');
  });

  it('gives the event back when the app is gone, until it has happened too often', async () => {
    const scene = new Scene();
    scene.app.auto = () => {
      scene.app.listening = false;
      return lost;
    };
    await scene.start({ deadLetterTopic: 'dead' });
    await scene.publish('poison');
    for (let crash = 1; crash <= CRASHES_MAX; crash++) {
      await scene.pass(2_000);
      assert.equal(scene.published.length, 1, `dead-lettered after ${crash} crashes`);
      scene.app.listening = true;
      scene.app.receptive.set(true);
    }
    await scene.pass(2_000);
    assert.equal(scene.app.deliveries.length, CRASHES_MAX + 1);
    assert.equal(scene.published.at(-1)?.topic, 'dead');
  });

  it('is seen in batches as well', async () => {
    const scene = new Scene();
    scene.app.autoBatch = () => {
      scene.app.listening = false;
      return lost;
    };
    await scene.start({ deadLetterTopic: 'dead', bulk: { messagesMax: 2, awaitMs: 100 } });
    await scene.publish('1');
    await scene.publish('2');
    await scene.pass(1_000);
    assert.deepEqual([scene.app.batches.length, scene.published.length], [1, 2]);
    scene.app.autoBatch = undefined;
    scene.app.listening = true;
    scene.app.receptive.set(true);
    await scene.pass(2_000);
    assert.equal(scene.app.batches.length, 2);
  });
});
