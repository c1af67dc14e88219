import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { adoptEvent, type Envelope, wrapEvent } from './cloud-event.js';

const envelope: Envelope = {
  topic: 'orders',
  pubsubName: 'bus',
  source: 'checkout',
  type: 'com.dapr.event.sent',
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  tracestate: 'a=b',
  wallMs: Date.UTC(2026, 1, 3, 4, 5, 6, 789),
  expiresWallMs: undefined,
};
const bytes = (text: string): Uint8Array => Buffer.from(text);
const wrapped = (
  data: string | Uint8Array,
  contentType: string,
  metadata: Record<string, string> = {},
  more: Partial<Envelope> = {},
): string =>
  wrapEvent(typeof data === 'string' ? bytes(data) : data, contentType, { ...envelope, ...more }, metadata).toString();
const parsed = (...args: Parameters<typeof wrapped>): Record<string, unknown> => JSON.parse(wrapped(...args));

describe('an envelope', () => {
  it('has the members and their order of Dapr', () => {
    assert.equal(
      wrapped('{"n":1}', 'application/json', { 'cloudevent.id': 'abc' }),
      '{"data":{"n":1},"datacontenttype":"application/json","id":"abc","pubsubname":"bus","source":"checkout",' +
        '"specversion":"1.0","time":"2026-02-03T04:05:06Z","topic":"orders",' +
        '"traceid":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",' +
        '"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","tracestate":"a=b",' +
        '"type":"com.dapr.event.sent"}',
    );
  });

  it('makes up an id', () => {
    const ids = [parsed('x', '')['id'], parsed('x', '')['id']];
    assert.match(ids[0] as string, /^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    assert.notEqual(ids[0], ids[1]);
  });

  it('has blank trace members without a trace, as Dapr does', () => {
    const { traceid, traceparent, tracestate } = parsed('x', '', {}, { traceparent: '', tracestate: '' });
    assert.deepEqual([traceid, traceparent, tracestate], ['', '', '']);
  });

  it('carries text as a string, by default as text/plain', () => {
    const event = parsed('häl"lo', '');
    assert.equal(event['datacontenttype'], 'text/plain');
    assert.equal(event['data'], 'häl"lo');
    assert.equal(parsed('<a/>', 'application/xml')['data'], '<a/>');
    assert.equal(parsed('x', 'foo/bar')['data'], 'x');
  });

  it('carries bytes as base64', () => {
    const event = parsed(Uint8Array.of(0, 255), 'application/octet-stream');
    assert.equal(event['data_base64'], 'AP8=');
    assert.equal('data' in event, false);
    assert.equal(parsed('x', 'application/cloudevents+protobuf')['data_base64'], 'eA==');
    assert.equal(parsed(Uint8Array.of(0x0a, 1, 0x61), 'application/x-protobuf')['data_base64'], 'CgFh');
    assert.equal(parsed('no message', 'application/x-protobuf')['data'], 'no message');
  });

  it('carries JSON as it was written, with every digit', () => {
    for (const json of [
      '9007199254740993',
      '1.10',
      '1e400',
      '[1,2.50]',
      '"x"',
      'null',
      '{"a":{"b":12345678901234567890}}',
    ]) {
      assert.ok(wrapped(json, 'application/json; charset=utf-8').includes(`"data":${json},`), json);
    }
  });

  it('carries what says it is JSON and is not as a string', () => {
    assert.equal(parsed('{"a":', 'application/json')['data'], '{"a":');
    assert.equal(parsed('', 'application/json')['data'], '');
  });

  it('takes attributes from metadata cloudevent.*, in any case', () => {
    const event = parsed('x', 'text/plain', {
      'cloudevent.id': 'i',
      'CloudEvent.Source': 's',
      'cloudevent.type': 't',
      'cloudevent.subject': 'sub',
      'cloudevent.traceid': 'ignored',
      'cloudevent.traceparent': 'tp',
      'cloudevent.tracestate': 'ts',
      'cloudevent.topic': 'other',
      'cloudevent.data': 'other',
    });
    const { id, source, type, subject, traceid, traceparent, tracestate, topic, data } = event;
    assert.deepEqual([id, source, type, subject, tracestate], ['i', 's', 't', 'sub', 'ts']);
    assert.deepEqual([traceid, traceparent], ['tp', 'tp']);
    assert.deepEqual([topic, data], ['orders', 'x']);
    assert.equal(parsed('x', '', { 'cloudevent.traceid': 'own' })['traceparent'], 'own');
  });

  it('says when it expires', () => {
    assert.equal(
      parsed('x', '', {}, { expiresWallMs: envelope.wallMs + 60_000 })['expiration'],
      '2026-02-03T04:06:06Z',
    );
    assert.equal('expiration' in parsed('x', ''), false);
    assert.equal(parsed('x', '', {}, { expiresWallMs: 1e18 })['expiration'], '9999-12-31T23:59:59Z');
  });

  it('is JSON whatever the data and the names are', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.string({ unit: 'binary' }), fc.string(), (data, topic, contentType) => {
        const event = JSON.parse(wrapEvent(data, contentType, { ...envelope, topic }, {}).toString());
        assert.equal(event.topic, topic);
      }),
    );
  });
});

describe('an adopted event', () => {
  const adopted = (json: string, more: Partial<Envelope> = {}): string | undefined =>
    adoptEvent(bytes(json), { ...envelope, ...more })?.toString();

  it('keeps what is given, and its digits, and gets our topic and pubsubname', () => {
    const text = adopted(
      '{"id":"1","specversion":"1.0","source":"s","type":"t","time":"2020","traceid":"x","tracestate":"y",' +
        '"topic":"forged","pubsubname":"forged","data":{"n":9007199254740993},"extra":1.10}',
    );
    assert.equal(
      text,
      '{"data":{"n":9007199254740993},"extra":1.10,"id":"1","pubsubname":"bus","source":"s","specversion":"1.0",' +
        '"time":"2020","topic":"orders","traceid":"x","tracestate":"y","type":"t"}',
    );
  });

  it('gets what is missing', () => {
    const event = JSON.parse(adopted('{"id":"1","source":null}') as string);
    assert.deepEqual(event, {
      id: '1',
      pubsubname: 'bus',
      source: 'Dapr',
      specversion: '1.0',
      time: '2026-02-03T04:05:06Z',
      topic: 'orders',
      traceid: envelope.traceparent,
      traceparent: envelope.traceparent,
      tracestate: 'a=b',
      type: 'com.dapr.event.sent',
    });
  });

  it('keeps its own traceparent when the request brings no trace', () => {
    const own = '00-11111111111111111111111111111111-2222222222222222-00';
    const event = JSON.parse(adopted(`{"traceparent":"${own}"}`, { traceparent: '' }) as string);
    assert.deepEqual([event.traceid, event.traceparent], [own, own]);
  });

  it('gets an expiry', () => {
    assert.match(adopted('{}', { expiresWallMs: envelope.wallMs }) as string, /"expiration":"2026-02-03T04:05:06Z"/);
  });

  it('is refused when it is no JSON object', () => {
    for (const text of ['', '{"}', '[]', 'null', '1', '"x"', '{} x']) assert.equal(adopted(text), undefined, text);
  });
});
