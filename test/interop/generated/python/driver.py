"""Drives the Python client that is generated from this repository's protos, both packages of it, against a running sidecar.

Environment: DAPR_GRPC_PORT, GENERATED_CLIENT (the folder of the generated code). Prints one line per case:
`CASE package/case ok` or `CASE package/case FAILED reason`.
"""

import importlib
import os
import pathlib
import queue
import sys
import threading
import traceback

import grpc
from google.rpc import error_details_pb2, status_pb2

GENERATED = pathlib.Path(os.environ['GENERATED_CLIENT'])
sys.path.insert(0, str(GENERATED))
# Nothing compiles Python beforehand: this finds out whether the rest of the client loads, too.
for path in sorted(GENERATED.rglob('*_pb2*.py')):
    importlib.import_module('.'.join(path.relative_to(GENERATED).with_suffix('').parts))

from dapr.proto.common.v1 import common_pb2 as dapr_common
from dapr.proto.runtime.v1 import configuration_pb2 as dapr_configuration
from dapr.proto.runtime.v1 import dapr_pb2_grpc
from dapr.proto.runtime.v1 import state_pb2 as dapr_state
from spec.proto.runtime.v1 import runtime_pb2 as layotto
from spec.proto.runtime.v1 import runtime_pb2_grpc as layotto_grpc

WAIT_SECONDS = 20
AGAIN_SECONDS = 0.1
# Not UTF-8: a client must take it for bytes.
VALUE = b'\x00\xffpython'


def check(name):
    def run(case):
        try:
            case()
            print(f'CASE {name} ok')
        except Exception as error:  # whatever it is, the case failed by it
            print(f'CASE {name} FAILED {type(error).__name__}: {error}'.replace('\n', ' '))
            traceback.print_exc()

    return run


def equal(got, want):
    if got != want:
        raise AssertionError(f'got {got!r}, want {want!r}')


def failure(call, request):
    try:
        call(request, timeout=WAIT_SECONDS)
    except grpc.RpcError as error:
        return error
    raise AssertionError('the call succeeded')


def missing_store(error):
    equal((error.code(), error.details()), (grpc.StatusCode.INVALID_ARGUMENT, 'state store nostore is not found'))


def reasons_of(error):
    bytes_of_status = dict(error.trailing_metadata())['grpc-status-details-bin']
    reasons = []
    for detail in status_pb2.Status.FromString(bytes_of_status).details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            reasons.append(info.reason)
    return reasons


def dapr_cases(client, writer):
    @check('dapr/save and get')
    def _():
        items = [dapr_common.StateItem(key='dapr-python', value=VALUE)]
        client.SaveState(dapr_state.SaveStateRequest(store_name='statestore', states=items), timeout=WAIT_SECONDS)
        got = client.GetState(dapr_state.GetStateRequest(store_name='statestore', key='dapr-python'), timeout=WAIT_SECONDS)
        equal((got.data, got.etag != ''), (VALUE, True))

    @check('dapr/missing store, with its reason in the details')
    def _():
        error = failure(client.GetState, dapr_state.GetStateRequest(store_name='nostore', key='k'))
        missing_store(error)
        equal(reasons_of(error), ['DAPR_STATE_NOT_FOUND'])

    @check('dapr/watch a configuration: id, change, end')
    def _():
        request = dapr_configuration.SubscribeConfigurationRequest(store_name='configstore', keys=['dapr-python'])
        stream = client.SubscribeConfiguration(request, timeout=WAIT_SECONDS)
        first = next(stream)
        equal((first.id != '', len(first.items)), (True, 0))
        items = [layotto.ConfigurationItem(key='dapr-python', content='green')]
        writer.SaveConfiguration(
            layotto.SaveConfigurationRequest(store_name='configstore', items=items), timeout=WAIT_SECONDS
        )
        second = next(stream)
        equal((second.id, second.items['dapr-python'].value), (first.id, 'green'))
        ended = client.UnsubscribeConfiguration(
            dapr_configuration.UnsubscribeConfigurationRequest(store_name='configstore', id=first.id),
            timeout=WAIT_SECONDS,
        )
        equal((ended.ok, list(stream)), (True, []))


def layotto_cases(client):
    @check('layotto/save and get')
    def _():
        items = [layotto.StateItem(key='layotto-python', value=VALUE)]
        client.SaveState(layotto.SaveStateRequest(store_name='statestore', states=items), timeout=WAIT_SECONDS)
        got = client.GetState(
            layotto.GetStateRequest(store_name='statestore', key='layotto-python'), timeout=WAIT_SECONDS
        )
        equal((got.data, got.etag != ''), (VALUE, True))

    @check('layotto/missing store')
    def _():
        missing_store(failure(client.GetState, layotto.GetStateRequest(store_name='nostore', key='k')))

    @check('layotto/watch a configuration: change')
    def _():
        requests = queue.Queue()
        requests.put(
            layotto.SubscribeConfigurationRequest(store_name='configstore', app_id='python', keys=['colour'])
        )
        stream = client.SubscribeConfiguration(iter(requests.get, None), timeout=WAIT_SECONDS)
        received = []
        told = threading.Event()

        def receive():
            try:
                received.append(next(stream))
            except Exception as error:  # raised below
                received.append(error)
            told.set()

        threading.Thread(target=receive, daemon=True).start()
        # Layotto's stream does not say from when on it watches: change the value until it tells of one.
        count = 0
        while not told.is_set():
            items = [layotto.ConfigurationItem(key='colour', content=f'green {count}', tags={'by': 'python'})]
            client.SaveConfiguration(
                layotto.SaveConfigurationRequest(store_name='configstore', app_id='python', items=items),
                timeout=WAIT_SECONDS,
            )
            count += 1
            told.wait(AGAIN_SECONDS)
        requests.put(None)
        first = received[0]
        if isinstance(first, Exception):
            raise first
        item = first.items[0]
        equal((first.app_id, item.key, item.content[:6], item.tags['by']), ('python', 'colour', 'green ', 'python'))

    @check('layotto/next ids follow each other')
    def _():
        request = layotto.GetNextIdRequest(
            store_name='sequencer', key='python', options=layotto.SequencerOptions(increment='STRONG')
        )
        first = client.GetNextId(request, timeout=WAIT_SECONDS).next_id
        second = client.GetNextId(request, timeout=WAIT_SECONDS).next_id
        equal((first > 0, second), (True, first + 1))


with grpc.insecure_channel(f'127.0.0.1:{os.environ["DAPR_GRPC_PORT"]}') as channel:
    runtime = layotto_grpc.RuntimeStub(channel)
    dapr_cases(dapr_pb2_grpc.DaprStub(channel), runtime)
    layotto_cases(runtime)
print('DONE')
