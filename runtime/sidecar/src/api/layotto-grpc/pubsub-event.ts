/** Events and answers as Layotto's messages carry them: the broker's metadata in place of Dapr's extensions. */
import type { TopicEventRequest } from '@outrigger/proto/layotto/runtime/v1';
import { TopicEventResponse_TopicEventResponseStatus as Status } from '@outrigger/proto/layotto/runtime/v1/enums';
import { type Reply, SUCCESS } from '../../block/pubsub/subscriber.js';
import type { TopicEvent } from '../../block/pubsub/topic-event.js';

/** Throws EventDataError when the data cannot be put into the message. */
export function topicEventRequest(event: TopicEvent): TopicEventRequest {
  return {
    $typeName: 'spec.proto.runtime.v1.TopicEventRequest',
    id: event.id,
    source: event.source,
    type: event.type,
    specVersion: event.specVersion,
    dataContentType: event.dataContentType,
    data: event.data(),
    topic: event.topic,
    pubsubName: event.pubsubName,
    metadata: { ...event.metadata },
  };
}

export function replyOf(status: Status): Reply {
  switch (status) {
    case Status.SUCCESS:
      return SUCCESS;
    case Status.RETRY:
      return { answer: 'retry', asked: true, reason: 'RETRY status returned from app' };
    case Status.DROP:
      return { answer: 'drop', asked: true, reason: 'DROP status returned from app' };
    default:
      return { answer: 'retry', reason: `unknown status returned from app: ${status}` };
  }
}
