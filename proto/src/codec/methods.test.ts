import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Dapr, type GetStateRequest, GetStateRequestSchema, type GetStateResponse } from '../dapr/runtime/v1.js';
import { Health } from '../grpc/health/v1.js';
import { Runtime } from '../layotto/runtime/v1.js';
import { codecOf } from './codec-of.js';
import type { MethodInfo } from './message-codec.js';
import { methodsOf } from './methods.js';

describe('methodsOf', () => {
  it('gives path, kind and codecs of every method', () => {
    const methods = methodsOf(Dapr);
    assert.equal(Object.keys(methods).length, Dapr.methods.length);
    assert.equal(methods.getState.path, '/dapr.proto.runtime.v1.Dapr/GetState');
    assert.equal(methods.getState.request, codecOf(GetStateRequestSchema));
    assert.equal(methods.getState.response.typeName, 'dapr.proto.runtime.v1.GetStateResponse');
    assert.equal(methodsOf(Runtime).getNextId.path, '/spec.proto.runtime.v1.Runtime/GetNextId');
  });

  it('tells the four kinds apart', () => {
    assert.equal(methodsOf(Dapr).getState.kind, 'unary');
    assert.equal(methodsOf(Dapr).subscribeConfiguration.kind, 'server-stream');
    assert.equal(methodsOf(Dapr).encryptAlpha1.kind, 'bidi');
    assert.equal(methodsOf(Runtime).putFile.kind, 'client-stream');
    assert.equal(methodsOf(Health).watch.kind, 'server-stream');
  });

  it('is typed by the service', () => {
    const method: MethodInfo<GetStateRequest, GetStateResponse> = methodsOf(Dapr).getState;
    // @ts-expect-error There is no such method.
    assert.equal(methodsOf(Dapr).getNothing, undefined);
    // @ts-expect-error The request of GetState is not that of SaveState.
    const other: MethodInfo<GetStateRequest, GetStateResponse> = methodsOf(Dapr).saveState;
    assert.notEqual(method, other);
  });

  it('makes the table of a service once', () => {
    assert.equal(methodsOf(Dapr), methodsOf(Dapr));
  });
});
