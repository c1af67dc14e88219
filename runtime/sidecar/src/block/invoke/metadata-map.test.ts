import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HeaderList, Metadata } from '@outrigger/engine';
import { traceOfMetadata } from '../../api/trace.js';
import { fieldValue, httpToMetadata, metadataToHttp, passMetadata } from './metadata-map.js';

describe('header fields as metadata', () => {
  it('gives permanent fields the prefix dapr-, keeps the others, leaves out what frames a call', () => {
    assert.deepEqual(
      httpToMetadata([
        'content-type',
        'a/b',
        'x-custom',
        '1',
        'x-custom',
        '2',
        'grpc-timeout',
        '1S',
        'user-agent',
        'curl',
      ]),
      ['dapr-content-type', 'a/b', 'x-custom', '1', 'x-custom', '2'],
    );
  });

  it('leaves out values that metadata cannot carry', () => {
    assert.deepEqual(httpToMetadata(['x', 'caf\xe9', 'y-bin', 'not base64!', 'z-bin', 'AAEC', 'accept', '\t']), [
      'z-bin',
      'AAEC',
    ]);
  });

  it('adds the trace in its binary form', () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const flat = httpToMetadata(['traceparent', traceparent]);
    assert.ok(flat.includes('grpc-trace-bin') && flat.includes('traceparent'));
    const binary = new Metadata(new HeaderList(['grpc-trace-bin', flat[flat.indexOf('grpc-trace-bin') + 1] as string]));
    assert.equal(traceOfMetadata(binary).traceparent, traceparent);
    assert.deepEqual(httpToMetadata(['traceparent', 'nonsense']), ['traceparent', 'nonsense']);
  });
});

describe('metadata as header fields', () => {
  it('renames reserved names and leaves out binary entries and content fields', () => {
    assert.deepEqual(
      metadataToHttp([
        'x',
        '1',
        'y-bin',
        'AAEC',
        'content-type',
        'application/grpc',
        'content-length',
        '1',
        'grpc-x',
        '2',
      ]),
      ['x', '1', 'dapr-grpc-x', '2'],
    );
  });

  it('passes from call to call but for what frames one', () => {
    assert.deepEqual(
      passMetadata(['x', '1', 'y-bin', 'AAEC', 'te', 'trailers', 'grpc-encoding', 'gzip', 'grpc-status', '0']),
      ['x', '1', 'y-bin', 'AAEC'],
    );
  });

  it('takes no value from an app that would end its field', () => {
    for (const value of ['a\r', 'a\nb', 'a\0', 'Ω']) assert.equal(fieldValue(value), undefined);
    assert.equal(fieldValue('application/json; charset=utf-8'), 'application/json; charset=utf-8');
  });
});
