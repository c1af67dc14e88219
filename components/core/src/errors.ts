/** Why a component refused or failed; blocks map each kind to the row of the error table and the dialect's own code. */
export type ComponentErrorKind =
  | 'etag-mismatch' // the item has another etag, or first-write met an existing item
  | 'etag-invalid' // not an etag of this store
  | 'not-found'
  | 'too-large'
  | 'invalid' // the request cannot be served by this component as it stands
  | 'unsupported' // the component lacks the feature
  | 'disk-full'
  | 'unavailable' // may work later
  | 'closed' // draining or closed
  | 'corrupt'; // stored data cannot be read

export class ComponentError extends Error {
  readonly kind: ComponentErrorKind;

  constructor(kind: ComponentErrorKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ComponentError';
    this.kind = kind;
  }
}
