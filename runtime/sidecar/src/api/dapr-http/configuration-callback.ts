/** Configuration updates on their way to the app: `POST /configuration/{store}/{key}`, one call for each key that changed. */
import type { ConfigurationChange } from '@outrigger/components-core';
import { type GrpcClient, HeaderList } from '@outrigger/engine';
import type { InvokeRequest } from '@outrigger/proto/dapr/common/v1';
import { HTTPExtension_Verb } from '@outrigger/proto/dapr/common/v1/enums';
import * as AppCallback from '@outrigger/proto/dapr/runtime/v1/app-callback';
import type { AppChannel } from '../../app/channel.js';
import { AppCallError, callApp } from '../../app/http-call.js';

/** What an app may answer to an update; nobody reads it. */
const ANSWER_BYTES_MAX = 64 * 1024;

/** `value`, `version`, `metadata`, each left out when empty, as Dapr's JSON. */
export function itemJson({ value, version, metadata }: Omit<ConfigurationChange, 'key'>): object {
  return {
    ...(value === '' ? {} : { value }),
    ...(version === '' ? {} : { version }),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
  };
}

/** Resolves when input may be sent to the app; rejects when the signal aborts. */
function receptive(app: AppChannel, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.reject(signal.reason);
  if (app.receptive) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const end = (settle: () => void): void => {
      stop();
      signal.removeEventListener('abort', onAbort);
      settle();
    };
    const onAbort = (): void => end(() => reject(signal.reason));
    const stop = app.onReceptive((is) => {
      if (is) end(resolve);
    });
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

async function send(app: AppChannel, method: string, body: Uint8Array, signal: AbortSignal): Promise<void> {
  if (app.grpc !== undefined) return sendOverGrpc(app.grpc, method, body, signal);
  const headers = HeaderList.of({ 'content-type': 'application/json' });
  const options = { method: 'POST', path: `/${method}`, headers, body, signal, bytesMax: ANSWER_BYTES_MAX };
  const { status } = await callApp(app, options);
  if (status !== 200) throw new Error(`error sending configuration item to application, status ${status}`);
}

async function sendOverGrpc(client: GrpcClient, method: string, body: Uint8Array, signal: AbortSignal): Promise<void> {
  const request: InvokeRequest = {
    $typeName: 'dapr.proto.common.v1.InvokeRequest',
    method,
    data: { $typeName: 'google.protobuf.Any', typeUrl: '', value: new Uint8Array(body) },
    contentType: 'application/json',
    httpExtension: {
      $typeName: 'dapr.proto.common.v1.HTTPExtension',
      verb: HTTPExtension_Verb.POST,
      querystring: '',
    },
  };
  await client.unary(AppCallback.onInvoke, request, { signal });
}

/** Sends one batch. An app that cannot be reached is waited for; an app that answers otherwise than 200 has had its chance. */
export async function sendConfigurationUpdate(
  app: AppChannel,
  storeName: string,
  id: string,
  changes: readonly ConfigurationChange[],
  signal: AbortSignal,
): Promise<void> {
  const items = Object.fromEntries(changes.map((change) => [change.key, itemJson(change)]));
  const body = Buffer.from(JSON.stringify({ id, items }));
  const errors: unknown[] = [];
  for (const { key } of changes) {
    const method = `configuration/${encodeURI(`${storeName}/${key}`).replace(/[?#]/g, encodeURIComponent)}`;
    for (;;) {
      await receptive(app, signal);
      try {
        await send(app, method, body, signal);
        break;
      } catch (error) {
        if (signal.aborted) throw error;
        if (error instanceof AppCallError && error.unprocessed) {
          app.unreachable();
          continue;
        }
        errors.push(error);
        break;
      }
    }
  }
  if (errors.length > 0) throw errors[0];
}
