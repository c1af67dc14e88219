import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { publishThroughKills } from '../harness/kill-restart.js';

describe('events through the embedded pub/sub', () => {
  it('arrive, every one that was acknowledged, though both sidecars are killed on the way', async (t) => {
    const outcome = await publishThroughKills({ messages: 4_000, batch: 100, killEvery: 1_500 });
    t.diagnostic(JSON.stringify(outcome));
    assert.equal(outcome.kills, 2);
  });
});
