import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { publishThroughKills } from '../harness/kill-restart.js';

describe('100,000 events through the embedded pub/sub', () => {
  it('arrive, every one that was acknowledged, though both sidecars are killed ten times', async (t) => {
    const outcome = await publishThroughKills({ messages: 100_000, batch: 100, killEvery: 9_500 });
    t.diagnostic(JSON.stringify(outcome));
    assert.equal(outcome.kills, 10);
  });
});
