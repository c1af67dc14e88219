/** Events and answers as Dapr's messages carry them: callbacks and streams share these. */
import type { JsonObject } from '@bufbuild/protobuf';
import type {
  TopicEventBulkRequest,
  TopicEventBulkRequestEntry,
  TopicEventRequest,
} from '@outrigger/proto/dapr/runtime/v1';
import { TopicEventResponse_TopicEventResponseStatus as Status } from '@outrigger/proto/dapr/runtime/v1/enums';
import { type EventBatch, type Reply, SUCCESS } from '../../block/pubsub/subscriber.js';
import { entryContentType, type TopicEvent } from '../../block/pubsub/topic-event.js';

/** `type` of a batch. */
const BULK_TYPE = 'com.dapr.event.sent.bulk';

/** Throws EventDataError when the data cannot be put into the message. */
export function topicEventRequest(event: TopicEvent): TopicEventRequest {
  return {
    $typeName: 'dapr.proto.runtime.v1.TopicEventRequest',
    id: event.id,
    source: event.source,
    type: event.type,
    specVersion: event.specVersion,
    dataContentType: event.dataContentType,
    data: event.data(),
    topic: event.topic,
    pubsubName: event.pubsubName,
    path: event.path,
    extensions: event.extensions() as JsonObject,
  };
}

export function topicEventBulkRequest(batch: EventBatch): TopicEventBulkRequest {
  return {
    $typeName: 'dapr.proto.runtime.v1.TopicEventBulkRequest',
    id: batch.id,
    entries: batch.entries.map(({ entryId, event }) => bulkEntry(entryId, event)),
    metadata: { ...batch.metadata },
    topic: batch.topic,
    pubsubName: batch.pubsubName,
    type: BULK_TYPE,
    path: batch.path,
  };
}

function bulkEntry(entryId: string, event: TopicEvent): TopicEventBulkRequestEntry {
  return {
    $typeName: 'dapr.proto.runtime.v1.TopicEventBulkRequestEntry',
    entryId,
    event:
      event.rawBytes === undefined
        ? {
            case: 'cloudEvent',
            value: {
              $typeName: 'dapr.proto.runtime.v1.TopicEventCERequest',
              id: event.id,
              source: event.source,
              type: event.type,
              specVersion: event.specVersion,
              dataContentType: event.dataContentType,
              data: event.data(),
              extensions: event.extensions() as JsonObject,
            },
          }
        : { case: 'bytes', value: event.rawBytes },
    contentType: entryContentType(event),
    metadata: { ...event.metadata },
  };
}

/** `dropAsked`: the app's DROP counts with status success, as in Dapr's callbacks; not so on streams. */
export function replyOf(status: Status, dropAsked = true): Reply {
  switch (status) {
    case Status.SUCCESS:
      return SUCCESS;
    case Status.RETRY:
      return { answer: 'retry', asked: true, reason: 'RETRY status returned from app' };
    case Status.DROP:
      return { answer: 'drop', asked: dropAsked, reason: 'DROP status returned from app' };
    default:
      return { answer: 'retry', reason: `unknown status returned from app: ${status}` };
  }
}
