import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { IncomingMessage } from '@outrigger/components-core';
import { EventDataError, readEvent, type TopicEvent } from './topic-event.js';

const message = (data: string | Uint8Array, more: Partial<IncomingMessage> = {}): IncomingMessage => ({
  id: 'm1',
  topic: 'orders',
  data: typeof data === 'string' ? Buffer.from(data) : data,
  metadata: {},
  attempt: 1,
  ...more,
});
const read = (from: IncomingMessage, rawPayload = false): TopicEvent =>
  readEvent(from, { pubsubName: 'bus', rawPayload }).routed('/path');
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

describe('an event from a message', () => {
  it('has the attributes of the envelope, and goes to HTTP apps as it came', () => {
    const text = '{ "id":"1","source":"s","type":"t","specversion":"1.0","datacontenttype":"text/plain","data":"hi" }';
    const event = read(message(text));
    assert.deepEqual(
      [event.id, event.source, event.type, event.specVersion, event.dataContentType, event.topic, event.pubsubName],
      ['1', 's', 't', '1.0', 'text/plain', 'orders', 'bus'],
    );
    assert.equal(textOf(event.body), text);
    assert.equal(textOf(event.data()), 'hi');
    assert.equal(event.path, '/path');
  });

  it('is refused when it is no JSON object', () => {
    for (const text of ['', 'x', '[]', 'null', '{"a":1}}']) assert.throws(() => read(message(text)), SyntaxError, text);
  });

  it('keeps every digit of JSON data', () => {
    const event = read(message('{"datacontenttype":"application/json","data": {"n": 9007199254740993} }'));
    assert.equal(textOf(event.data()), '{"n": 9007199254740993}');
  });

  it('decodes base64 data, strictly', () => {
    assert.equal(textOf(read(message('{"data_base64":"aGk="}')).data()), 'hi');
    for (const bad of ['"aGk"', '"a*k="', '5']) {
      assert.throws(() => read(message(`{"data_base64":${bad}}`)).data(), EventDataError, bad);
    }
  });

  it("gives other types' data to nobody over gRPC, as Dapr does", () => {
    assert.equal(read(message('{"datacontenttype":"foo/bar","data":"x"}')).data().length, 0);
  });

  it('cannot give text data that is no text', () => {
    assert.throws(() => read(message('{"datacontenttype":"text/plain","data":5}')).data(), EventDataError);
  });

  it('has the members that no field carries as extensions', () => {
    const event = read(message('{"id":"1","data":1,"topic":"t","time":"x","own":{"a":[1]}}'));
    assert.deepEqual(event.extensions(), { topic: 't', time: 'x', own: { a: [1] } });
  });

  it('has attributes only where they are text', () => {
    const event = read(message('{"id":5,"source":null}'));
    assert.deepEqual([event.id, event.source], ['', '']);
  });

  it('wraps raw payload, with an id that survives redelivery', () => {
    const event = read(message(Uint8Array.of(1, 2), { metadata: { traceid: traceparent, tracestate: 'a=b' } }), true);
    assert.deepEqual(JSON.parse(textOf(event.body)), {
      data_base64: 'AQI=',
      datacontenttype: 'application/octet-stream',
      id: 'm1',
      pubsubname: 'bus',
      source: 'Dapr',
      specversion: '1.0',
      topic: 'orders',
      traceid: traceparent,
      traceparent,
      tracestate: 'a=b',
      type: 'com.dapr.event.sent',
    });
    assert.deepEqual([...event.data()], [1, 2]);
    assert.deepEqual(event.trace, { traceparent, tracestate: 'a=b' });
    assert.deepEqual([...(event.rawBytes ?? [])], [1, 2]);
  });

  it('is rebuilt from metadata when the message is in binary mode', () => {
    const metadata = { ce_id: '7', ce_Source: 's', ce_type: 't', ce_specversion: '1.0', other: 'x' };
    const event = read(message(Uint8Array.of(9), { contentType: 'application/octet-stream', metadata }));
    assert.deepEqual([event.id, event.source, event.type], ['7', 's', 't']);
    assert.deepEqual([...event.data()], [9]);
    assert.equal(event.metadata['content-type'], 'application/octet-stream');
  });

  it('takes its trace from the envelope, else from the message', () => {
    const other = '00-11111111111111111111111111111111-2222222222222222-00';
    const metadata = { traceparent: other };
    assert.equal(read(message(`{"traceparent":"${traceparent}"}`, { metadata })).trace.traceparent, traceparent);
    assert.equal(read(message(`{"traceid":"${traceparent}"}`, { metadata })).trace.traceparent, traceparent);
    assert.equal(read(message('{"traceid":""}', { metadata })).trace.traceparent, other);
    assert.equal(read(message('{"traceid":{"not":"text"}}')).trace.traceparent, undefined);
    assert.equal(read(message('{"traceid":"garbage\\r\\nx: y"}')).trace.traceparent, undefined);
  });

  it('names its component in the metadata', () => {
    assert.deepEqual(read(message('{}', { metadata: { a: 'b' } })).metadata, { a: 'b', pubsubName: 'bus' });
  });
});
