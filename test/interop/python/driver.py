"""Drives the unmodified Dapr Python SDK (client and gRPC app) against running sidecars.

Environment: APP_PORT (this program serves the app of the first sidecar there), DAPR_HTTP_PORT and DAPR_GRPC_PORT of that
sidecar, OTHER_GRPC_PORT and OTHER_HTTP_PORT of a second sidecar of the same namespace, TEST_CONTROL (an HTTP address that
writes configuration). Prints one line per case: `CASE block/case ok` or `CASE block/case FAILED reason`.
"""

import asyncio
import json
import os
import queue
import threading
import time
import traceback
import urllib.error
import urllib.request

import grpc
from dapr.aio.clients import DaprClient as AsyncDaprClient
from dapr.clients import DaprClient
from dapr.clients.exceptions import DaprHttpError
from dapr.clients.grpc.client import DaprGrpcClient
from dapr.clients.grpc._request import TransactionalStateOperation, TransactionOperationType
from dapr.clients.grpc._response import TopicEventResponse
from dapr.clients.grpc._state import Concurrency, StateItem, StateOptions
from dapr.proto import api_service_v1, api_v1
from dapr.ext.grpc import App, InvokeMethodRequest, InvokeMethodResponse, Rule

WAIT_SECONDS = 20
STORE = 'statestore'
PUBSUB = 'pubsub'

app = App()
events = queue.Queue()
retried = queue.Queue()
seen_retry = set()
routed = queue.Queue()
dead = queue.Queue()
raw = queue.Queue()
late = queue.Queue()
healthy = threading.Event()
healthy.set()
probed = threading.Event()


@app.subscribe(pubsub_name=PUBSUB, topic='python-orders')
def on_order(event):
    events.put((event.ID() if callable(getattr(event, 'ID', None)) else None, event.Data(), event.content_type))


@app.subscribe(pubsub_name=PUBSUB, topic='python-retry')
def on_retry(event):
    retried.put(event.EventID())
    if event.EventID() not in seen_retry:
        seen_retry.add(event.EventID())
        return TopicEventResponse('retry')
    return TopicEventResponse('success')


@app.subscribe(pubsub_name=PUBSUB, topic='python-routed', rule=Rule('event.type == "special"', 1))
def on_special(event):
    routed.put(('special', event.Data()))


@app.subscribe(pubsub_name=PUBSUB, topic='python-routed', rule=Rule('event.type != "special"', 2))
def on_ordinary(event):
    routed.put(('ordinary', event.Data()))


@app.subscribe(pubsub_name=PUBSUB, topic='python-doomed', dead_letter_topic='python-dead')
def on_doomed(_event):
    return TopicEventResponse('drop')


@app.subscribe(pubsub_name=PUBSUB, topic='python-dead')
def on_dead(event):
    dead.put(event.Data())


@app.subscribe(pubsub_name=PUBSUB, topic='python-raw', metadata={'rawPayload': 'true'})
def on_raw(event):
    raw.put(event.Data())


@app.subscribe(pubsub_name=PUBSUB, topic='python-late')
def on_late(event):
    late.put((event.Data(), healthy.is_set()))


def answer_probe():
    probed.set()
    if not healthy.is_set():
        raise RuntimeError('not well')


app.register_health_check(answer_probe)


@app.method(name='echo')
def echo(request: InvokeMethodRequest) -> InvokeMethodResponse:
    return InvokeMethodResponse(request.data, request.content_type)


@app.method(name='headers')
def headers(request: InvokeMethodRequest) -> InvokeMethodResponse:
    return InvokeMethodResponse(json.dumps(request.metadata.get('x-tenant')), 'application/json')


@app.method(name='token')
def token(request: InvokeMethodRequest) -> InvokeMethodResponse:
    return InvokeMethodResponse(json.dumps(request.metadata.get('dapr-api-token')), 'application/json')


def case(name):
    def run(check):
        try:
            check()
            print(f'CASE {name} ok', flush=True)
        except Exception as error:  # every failure is reported, none ends the run
            reason = ' '.join(traceback.format_exception_only(type(error), error)).strip().replace('\n', ' ')
            print(f'CASE {name} FAILED {reason}', flush=True)
            traceback.print_exc()
        return check

    return run


def status_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return error.code(), error.details()
    except Exception as error:
        code = getattr(error, 'code', None)
        details = getattr(error, 'details', None)
        if callable(code):
            return code(), details() if callable(details) else details
        raise
    raise AssertionError('the call succeeded')


def wait_until(condition, what):
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f'{what} within {WAIT_SECONDS} s'
        time.sleep(0.05)


def app_is_healthy():
    """What the sidecar thinks of this app, by its own readiness."""
    url = f'http://127.0.0.1:{os.environ["DAPR_HTTP_PORT"]}/v1.0/healthz'
    try:
        return urllib.request.urlopen(url, timeout=WAIT_SECONDS).status == 204
    except urllib.error.HTTPError:
        return False


def write_configuration(key, value):
    url = f'{os.environ["TEST_CONTROL"]}/configuration/{key}'
    request = urllib.request.Request(url, data=value.encode(), method='POST')
    urllib.request.urlopen(request, timeout=WAIT_SECONDS).read()


def cases(client, other, grpc_client):
    @case('state/save and get')
    def _():
        client.save_state(STORE, 'py-1', 'value one')
        got = client.get_state(STORE, 'py-1')
        assert got.data == b'value one', got.data
        assert got.etag, 'no etag'

    @case('state/missing key is empty')
    def _():
        assert client.get_state(STORE, 'py-none').data == b''

    @case('state/bulk save and bulk get')
    def _():
        client.save_bulk_state(STORE, [StateItem('py-b1', '1'), StateItem('py-b2', '2')])
        items = {item.key: item.data for item in client.get_bulk_state(STORE, ['py-b1', 'py-b2', 'py-b3']).items}
        assert items['py-b1'] == b'1' and items['py-b2'] == b'2' and items['py-b3'] == b'', items

    @case('state/delete')
    def _():
        client.save_state(STORE, 'py-d', 'x')
        client.delete_state(STORE, 'py-d')
        assert client.get_state(STORE, 'py-d').data == b''

    @case('state/etag mismatch is ABORTED')
    def _():
        client.save_state(STORE, 'py-e', 'x')
        options = StateOptions(concurrency=Concurrency.first_write)
        code, _details = status_of(lambda: client.save_state(STORE, 'py-e', 'y', etag='0', options=options))
        assert code == grpc.StatusCode.ABORTED, code
        assert client.get_state(STORE, 'py-e').data == b'x'

    @case('state/etag match')
    def _():
        client.save_state(STORE, 'py-em', 'x')
        etag = client.get_state(STORE, 'py-em').etag
        client.save_state(STORE, 'py-em', 'y', etag=etag, options=StateOptions(concurrency=Concurrency.first_write))
        assert client.get_state(STORE, 'py-em').data == b'y'

    @case('state/transaction')
    def _():
        client.execute_state_transaction(
            STORE,
            [
                TransactionalStateOperation(key='py-t1', data='one', operation_type=TransactionOperationType.upsert),
                TransactionalStateOperation(key='py-e', data='', operation_type=TransactionOperationType.delete),
            ],
        )
        assert client.get_state(STORE, 'py-t1').data == b'one'
        assert client.get_state(STORE, 'py-e').data == b''

    @case('state/transaction aborts as a whole')
    def _():
        client.save_state(STORE, 'py-ta', 'before')
        code, _details = status_of(
            lambda: client.execute_state_transaction(
                STORE,
                [
                    TransactionalStateOperation(key='py-ta2', data='new'),
                    TransactionalStateOperation(key='py-ta', data='after', etag='0'),
                ],
            )
        )
        assert code in (grpc.StatusCode.ABORTED, grpc.StatusCode.INTERNAL), code
        assert client.get_state(STORE, 'py-ta').data == b'before'
        assert client.get_state(STORE, 'py-ta2').data == b''

    @case('state/ttl')
    def _():
        client.save_state(STORE, 'py-ttl', 'x', state_metadata={'ttlInSeconds': '1'})
        assert client.get_state(STORE, 'py-ttl').data == b'x'
        deadline = time.monotonic() + WAIT_SECONDS
        while client.get_state(STORE, 'py-ttl').data != b'':
            assert time.monotonic() < deadline, 'did not expire'
            time.sleep(0.1)

    if os.environ['EMBEDDED_COMPONENTS'] == 'true':

        @case('state/query')
        def _():
            for index, city in enumerate(['Rome', 'Oslo', 'Rome']):
                body = json.dumps({'person': {'city': city, 'index': index}})
                client.save_state(STORE, f'py-q{index}', body, state_metadata={'contentType': 'application/json'})
            query = {
                'filter': {'EQ': {'person.city': 'Rome'}},
                'sort': [{'key': 'person.index', 'order': 'DESC'}],
            }
            results = client.query_state(STORE, json.dumps(query)).results
            assert [result.key for result in results] == ['py-q2', 'py-q0'], results

    @case('state/large value, and one beyond the limit')
    def _():
        large = 'x' * (3 << 20)
        client.save_state(STORE, 'py-large', large)
        assert client.get_state(STORE, 'py-large').data == large.encode()
        code, details = status_of(lambda: client.save_state(STORE, 'py-large', 'x' * (5 << 20)))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED, (code, details)
        client.delete_state(STORE, 'py-large')

    @case('state/missing store')
    def _():
        code, details = status_of(lambda: client.get_state('nostore', 'k'))
        assert code == grpc.StatusCode.INVALID_ARGUMENT, code
        assert 'state store nostore is not found' in details, details

    @case('pubsub/publish and receive')
    def _():
        client.publish_event(PUBSUB, 'python-orders', json.dumps({'id': 7}), data_content_type='application/json')
        _id, data, content_type = events.get(timeout=WAIT_SECONDS)
        assert json.loads(data) == {'id': 7}, data
        assert content_type == 'application/json', content_type

    @case('pubsub/retry is redelivered')
    def _():
        client.publish_event(PUBSUB, 'python-retry', 'again')
        first = retried.get(timeout=WAIT_SECONDS)
        assert retried.get(timeout=WAIT_SECONDS) == first

    @case('pubsub/streaming subscription')
    def _():
        received = queue.Queue()

        def handle(message):
            received.put(message.data())
            return TopicEventResponse('success')

        close = client.subscribe_with_handler(PUBSUB, 'python-stream', handle)
        try:
            client.publish_event(PUBSUB, 'python-stream', json.dumps({'n': 1}), data_content_type='application/json')
            assert received.get(timeout=WAIT_SECONDS) == {'n': 1}
        finally:
            close()

    # The SDK's asyncio client sends no API token with streams.
    if 'DAPR_API_TOKEN' not in os.environ:

        @case('pubsub/asyncio client, state and a streaming subscription')
        def _():
            async def use():
                async with AsyncDaprClient() as aio:
                    await aio.save_state(STORE, 'py-aio', 'x')
                    state = await aio.get_state(STORE, 'py-aio')
                    assert state.data == b'x', state.data
                    subscription = await aio.subscribe(PUBSUB, 'python-aio')
                    try:
                        await aio.publish_event(PUBSUB, 'python-aio', 'streamed')
                        message = await asyncio.wait_for(anext(aiter(subscription)), WAIT_SECONDS)
                        assert message.data() == 'streamed', message.data()
                        await subscription.respond_success(message)
                    finally:
                        await subscription.close()

            asyncio.run(use())

    @case('pubsub/bulk publish')
    def _():
        response = client.publish_events(PUBSUB, 'python-orders', ['a', 'b', 'c'])
        assert not response.failed_entries, response.failed_entries
        got = {events.get(timeout=WAIT_SECONDS)[1] for _n in range(3)}
        assert got == {b'a', b'b', b'c'}, got

    @case('pubsub/routing rule')
    def _():
        special = {'cloudevent.type': 'special'}
        client.publish_event(PUBSUB, 'python-routed', 'one', publish_metadata=special)
        client.publish_event(PUBSUB, 'python-routed', 'two')
        got = {routed.get(timeout=WAIT_SECONDS) for _n in range(2)}
        assert got == {('special', b'one'), ('ordinary', b'two')}, got

    @case('pubsub/dropped goes to the dead letter topic')
    def _():
        client.publish_event(PUBSUB, 'python-doomed', 'lost')
        assert dead.get(timeout=WAIT_SECONDS) == b'lost'

    @case('pubsub/raw payload')
    def _():
        client.publish_event(PUBSUB, 'python-raw', b'\x00\xffraw', publish_metadata={'rawPayload': 'true'})
        assert raw.get(timeout=WAIT_SECONDS) == b'\x00\xffraw'

    if os.environ['EMBEDDED_COMPONENTS'] == 'true':

        @case('pubsub/published through the other sidecar')
        def _():
            other.publish_event(PUBSUB, 'python-orders', 'from afar')
            assert events.get(timeout=WAIT_SECONDS)[1] == b'from afar'

    @case('pubsub/missing component')
    def _():
        code, details = status_of(lambda: client.publish_event('nopubsub', 't', 'x'))
        assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND), code
        assert 'nopubsub' in details, details

    @case('invoke/own app through its sidecar')
    def _():
        response = client.invoke_method('python-app', 'echo', b'hello', content_type='text/plain', http_verb='POST')
        assert response.data == b'hello', response.data

    @case('invoke/through two sidecars')
    def _():
        response = other.invoke_method('python-app', 'echo', b'two hops', content_type='text/plain', http_verb='POST')
        assert response.data == b'two hops', response.data
        assert response.content_type == 'text/plain', response.content_type

    @case('invoke/unknown app fails')
    def _():
        try:
            client.invoke_method('no-such-app', 'echo', b'', http_verb='POST')
        except DaprHttpError as error:
            assert error.status_code == 500 and 'ERR_DIRECT_INVOKE' in str(error), error
        else:
            raise AssertionError('the call succeeded')

    @case('invoke/over gRPC with metadata')
    def _():
        response = grpc_client.invoke_method('python-app', 'headers', b'', metadata=(('x-tenant', 'blue'),))
        assert json.loads(response.data) == ['blue'], response.data
        assert response.content_type == 'application/json', response.content_type

    @case('invoke/over gRPC a missing method and a missing app fail')
    def _():
        code, _details = status_of(lambda: grpc_client.invoke_method('python-app', 'nothing', b''))
        assert code in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNKNOWN), code
        code, details = status_of(lambda: grpc_client.invoke_method('no-such-app', 'echo', b''))
        assert code == grpc.StatusCode.INTERNAL and 'no-such-app' in details, (code, details)

    @case('configuration/get')
    def _():
        write_configuration('py-c1', 'blue')
        items = client.get_configuration('configstore', ['py-c1']).items
        assert items['py-c1'].value == 'blue', items

    @case('configuration/watch')
    def _():
        changes = queue.Queue()
        subscription = client.subscribe_configuration(
            'configstore', ['py-c2'], lambda _id, response: changes.put(response.items)
        )
        write_configuration('py-c2', 'green')
        while True:
            items = changes.get(timeout=WAIT_SECONDS)
            if 'py-c2' in items and items['py-c2'].value == 'green':
                break
        assert client.unsubscribe_configuration('configstore', subscription)

    @case('configuration/missing store')
    def _():
        code, details = status_of(lambda: client.get_configuration('noconfig', ['k']))
        assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION), (code, details)

    @case('lock/try, refuse, unlock')
    def _():
        assert client.try_lock('lockstore', 'py-r', 'me', 60).success
        assert not client.try_lock('lockstore', 'py-r', 'you', 60).success
        assert client.unlock('lockstore', 'py-r', 'you').status.name in ('lock_belongs_to_others', 'lock_belong_to_others')
        assert client.unlock('lockstore', 'py-r', 'me').status.name == 'success'
        assert client.unlock('lockstore', 'py-r', 'me').status.name == 'lock_does_not_exist'

    @case('secrets/get')
    def _():
        assert client.get_secret('secrets', 'db-password').secret == {'db-password': 'pa55'}

    @case('secrets/bulk')
    def _():
        assert client.get_bulk_secret('secrets').secrets['db-password'] == {'db-password': 'pa55'}

    @case('secrets/missing store')
    def _():
        code, details = status_of(lambda: client.get_secret('nosecrets', 'k'))
        assert code == grpc.StatusCode.INVALID_ARGUMENT, (code, details)

    @case('metadata/get and set')
    def _():
        client.set_metadata('colour', 'red')
        metadata = client.get_metadata()
        assert metadata.application_id == 'python-app', metadata.application_id
        assert metadata.extended_metadata['colour'] == 'red', metadata.extended_metadata
        assert any(component.name == 'statestore' for component in metadata.registered_components)

    @case('health/deliveries wait while the app is not well')
    def _():
        assert probed.wait(WAIT_SECONDS), 'the app was not asked for its health'
        healthy.clear()
        try:
            wait_until(lambda: not app_is_healthy(), 'the sidecar did not notice')
            client.publish_event(PUBSUB, 'python-late', 'patient')
        finally:
            healthy.set()
        assert late.get(timeout=WAIT_SECONDS) == (b'patient', True)

    if 'DAPR_API_TOKEN' in os.environ:

        @case('security/calls without the API token are refused')
        def _():
            url = f'http://127.0.0.1:{os.environ["DAPR_HTTP_PORT"]}/v1.0/metadata'
            try:
                urllib.request.urlopen(url, timeout=WAIT_SECONDS)
            except urllib.error.HTTPError as error:
                assert error.code == 401, error.code
            else:
                raise AssertionError('the call succeeded')
            with grpc.insecure_channel(f'127.0.0.1:{os.environ["DAPR_GRPC_PORT"]}') as channel:
                stub = api_service_v1.DaprStub(channel)
                code, _details = status_of(lambda: stub.GetMetadata(api_v1.GetMetadataRequest()))
            assert code == grpc.StatusCode.UNAUTHENTICATED, code

        @case('security/the app gets its own token')
        def _():
            response = grpc_client.invoke_method('python-app', 'token', b'')
            assert json.loads(response.data) == [os.environ['APP_API_TOKEN']], response.data

    @case('not served/bindings and jobs say so')
    def _():
        code, details = status_of(lambda: client.invoke_binding('b', 'create', b'x'))
        assert code == grpc.StatusCode.UNIMPLEMENTED and 'InvokeBinding' in details, (code, details)
        code, details = status_of(lambda: client.get_job('j'))
        assert code == grpc.StatusCode.UNIMPLEMENTED and 'GetJob' in details, (code, details)


class TokenOnStreams(grpc.UnaryStreamClientInterceptor):
    """The SDK sends no API token with calls that answer with a stream (dapr/clients/grpc/interceptors.py)."""

    def intercept_unary_stream(self, continuation, call_details, request):
        token = ('dapr-api-token', os.environ['DAPR_API_TOKEN'])
        return continuation(call_details._replace(metadata=[*(call_details.metadata or []), token]), request)


def main():
    threading.Thread(target=app.run, args=(int(os.environ['APP_PORT']),), daemon=True).start()
    interceptors = [TokenOnStreams()] if 'DAPR_API_TOKEN' in os.environ else []
    with DaprClient(interceptors=interceptors) as client:
        client.wait(WAIT_SECONDS)
        urllib.request.urlopen(
            urllib.request.Request(f'{os.environ["TEST_CONTROL"]}/subscribed', method='POST'), timeout=WAIT_SECONDS
        ).read()
        with DaprClient(f'127.0.0.1:{os.environ["OTHER_GRPC_PORT"]}') as other:
            with DaprGrpcClient() as grpc_client:
                cases(client, other, grpc_client)
    print('DONE', flush=True)
    os._exit(0)


main()
