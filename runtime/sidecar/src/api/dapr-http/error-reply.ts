/** An error as Dapr's HTTP API answers it (dapr/kit errors, pkg/messages/api_error.go). */
import type { ErrorDetail, OutriggerError, ServerStream } from '@outrigger/engine';
import { respondJson } from '@outrigger/engine';
import type { ErrorCounter } from '../error-counter.js';
import { type ErrorView, errorView } from '../error-view.js';

/** Details as the JSON that Dapr makes of them; members in Dapr's order, which is alphabetical. */
function detailJson(detail: ErrorDetail): object {
  const type = { '@type': `type.googleapis.com/google.rpc.${detail.type}` };
  switch (detail.type) {
    case 'ErrorInfo': {
      const { domain, reason, metadata } = detail;
      return { ...type, domain, metadata: Object.keys(metadata).length === 0 ? null : metadata, reason };
    }
    case 'ResourceInfo':
      return {
        ...type,
        description: detail.description,
        owner: detail.owner,
        resource_name: detail.resourceName,
        resource_type: detail.resourceType,
      };
    case 'BadRequest':
      return { ...type, field_violations: detail.fieldViolations };
    case 'Help':
      return { ...type, links: detail.links.map(({ url, description }) => ({ description, url })) };
  }
}

export function errorJson(view: ErrorView): object {
  const details = view.details.map(detailJson);
  return { errorCode: view.code, message: view.text, ...(details.length === 0 ? {} : { details }) };
}

/** Answers an exchange whose response has not begun. */
export type AnswerError = (stream: ServerStream, error: OutriggerError) => void;

export function createAnswerError(count: ErrorCounter): AnswerError {
  return (stream, error) => {
    const view = errorView(error, 'dapr-http');
    count(view);
    respondJson(stream, view.http, errorJson(view));
  };
}
