import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GrpcCode, GrpcStatusError } from '@outrigger/engine';
import { DialectProbe, UNIMPLEMENTED } from './dialect.js';

const failing =
  (code: number, options = {}) =>
  async (): Promise<string> => {
    throw new GrpcStatusError(code as 0, 'no', options);
  };

describe('dialect probe', () => {
  it('tries the dialects in order and keeps the first that answers', async () => {
    const probe = new DialectProbe(['dapr', 'layotto']);
    const asked: string[] = [];
    const ask = async (dialect: string): Promise<string> => {
      asked.push(dialect);
      return dialect === 'dapr' ? failing(GrpcCode.UNIMPLEMENTED)() : 'hello';
    };
    assert.equal(await probe.run(ask), 'hello');
    assert.equal(await probe.run(ask), 'hello');
    assert.deepEqual(asked, ['dapr', 'layotto', 'layotto']);
    probe.forget();
    await probe.run(ask);
    assert.deepEqual(asked.slice(3), ['dapr', 'layotto']);
  });

  it('says so when no dialect implements the method', async () => {
    const probe = new DialectProbe(['dapr', 'layotto']);
    assert.equal(await probe.run(failing(GrpcCode.UNIMPLEMENTED)), UNIMPLEMENTED);
    assert.equal(probe.kept, undefined);
  });

  it('takes an error of the app as an answer, but not a connection that failed', async () => {
    const probe = new DialectProbe(['dapr']);
    await assert.rejects(probe.run(failing(GrpcCode.UNAVAILABLE, { reset: 'connect' })));
    assert.equal(probe.kept, undefined);
    await assert.rejects(probe.run(failing(GrpcCode.INTERNAL)));
    assert.equal(probe.kept, 'dapr');
  });
});
