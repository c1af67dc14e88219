import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '@outrigger/engine';
import { createExternalSource, EXTERNAL_REFRESH_MS } from './external-source.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function watch(origin: string, answers: (readonly string[] | Error)[]) {
  const clock = new FakeClock();
  const asked: string[] = [];
  const lists: string[][] = [];
  const errors: string[] = [];
  const source = createExternalSource({
    clock,
    lookup: async (host) => {
      asked.push(host);
      const answer = answers[Math.min(asked.length, answers.length) - 1];
      if (answer === undefined || answer instanceof Error) throw answer ?? new Error('not asked for');
      return answer;
    },
  });
  const handle = source.watch(origin, {
    onEndpoints: (endpoints) => void lists.push(endpoints.map(({ address }) => address)),
    onError: (message) => void errors.push(message),
  });
  return { clock, asked, lists, errors, handle };
}

describe('endpoints of an external origin', () => {
  it('are the addresses of its name, with its port', async () => {
    const { lists } = watch('https://api.example.com:443', [['93.184.216.34', '2606:2800:220:1::1']]);
    await turn();
    assert.deepEqual(lists, [['93.184.216.34:443', '[2606:2800:220:1::1]:443']]);
  });

  it('need no look-up when the origin is an address', async () => {
    const { lists, asked } = watch('http://[::1]:8080', []);
    await turn();
    assert.deepEqual([lists, asked], [[['[::1]:8080']], []]);
  });

  it('leave out addresses that must not be called, whatever name points to them', async () => {
    const { lists, errors } = watch('http://metadata.example.com:80', [['169.254.169.254', '10.0.0.1']]);
    await turn();
    assert.deepEqual(lists, [['10.0.0.1:80']]);
    assert.match(errors[0] ?? '', /metadata\.example\.com is refused: 169\.254\.169\.254/);
  });

  it('refuse an address written into the URL too', async () => {
    const { lists, errors } = watch('http://[::ffff:a9fe:a9fe]:80', []);
    await turn();
    assert.deepEqual(lists, [[]]);
    assert.match(errors[0] ?? '', /refused/);
  });

  it('are resolved anew after a while, and survive a name server that fails', async () => {
    const { clock, lists, errors, asked, handle } = watch('http://a.example:80', [
      ['10.0.0.1'],
      new Error('SERVFAIL'),
      ['10.0.0.2'],
    ]);
    await turn();
    for (let i = 0; i < 2; i++) {
      clock.advance(EXTERNAL_REFRESH_MS);
      await turn();
    }
    assert.deepEqual(lists, [['10.0.0.1:80'], ['10.0.0.2:80']]);
    assert.deepEqual(errors, ['SERVFAIL']);
    handle.close();
    clock.advance(EXTERNAL_REFRESH_MS * 3);
    await turn();
    assert.equal(asked.length, 3);
    assert.equal(clock.pending, 0);
  });
});
