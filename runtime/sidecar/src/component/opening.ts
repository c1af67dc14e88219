/**
 * Bringing one document's component up, attempt after attempt, each bounded by initTimeout, with growing pauses between
 * them. Says when its time is over (`late`), but goes on trying until it succeeds, cannot succeed, or is cancelled.
 */
import type { Clock, Timer } from '@outrigger/engine';
import type { ComponentDocument } from '../config/model.js';
import { ComponentInitError, logName } from './component-errors.js';
import type { OpenedComponent } from './open-component.js';

export const RETRY_FIRST_MS = 500;
export const RETRY_MAX_MS = 30_000;

export interface OpeningEvents {
  /** Called at most once; nothing follows. */
  opened(opened: OpenedComponent): void;
  /** Each attempt that failed; `permanent` errors are the last. */
  failed(error: ComponentInitError, retryInMs: number | undefined): void;
  /** initTimeout has passed since the beginning and the component is not up. At most once. */
  late(error: ComponentInitError): void;
}

export class Opening {
  readonly document: ComponentDocument;
  readonly #attempt: (signal: AbortSignal) => Promise<OpenedComponent>;
  readonly #events: OpeningEvents;
  readonly #clock: Clock;
  #attempts = 0;
  #controller: AbortController | undefined;
  #lastError: ComponentInitError | undefined;
  #retry: Timer | undefined;
  #late: Timer | undefined;
  #over = false;

  constructor(
    document: ComponentDocument,
    attempt: (signal: AbortSignal) => Promise<OpenedComponent>,
    events: OpeningEvents,
    clock: Clock,
  ) {
    this.document = document;
    this.#attempt = attempt;
    this.#events = events;
    this.#clock = clock;
  }

  start(): void {
    this.#late = this.#clock.after(this.document.initTimeoutMs, () => {
      this.#late = undefined;
      this.#events.late(this.#lastError ?? this.#timeoutError());
    });
    void this.#try();
  }

  /** Something that the last attempt lacked has come (a secret store): no need to wait for the next one. */
  hurry(): void {
    if (this.#retry === undefined) return;
    this.#retry.cancel();
    this.#retry = undefined;
    void this.#try();
  }

  cancel(): void {
    this.#finish();
    this.#controller?.abort(new Error('cancelled'));
  }

  async #try(): Promise<void> {
    const controller = new AbortController();
    this.#controller = controller;
    this.#attempts++;
    const expiry = this.#clock.after(this.document.initTimeoutMs, () => controller.abort(this.#timeoutError()));
    let error: unknown;
    try {
      const opened = await raceAbort(this.#attempt(controller.signal), controller.signal);
      // Cancelled in the same turn: the attempt's own check of the signal came first, so what it made is still ours to close.
      if (this.#over) return void Promise.resolve(opened.component.close()).catch(() => {});
      this.#finish();
      return this.#events.opened(opened);
    } catch (caught) {
      error = caught;
    } finally {
      expiry.cancel();
    }
    if (!this.#over) this.#failed(asInitError(error));
  }

  #failed(error: ComponentInitError): void {
    this.#lastError = error;
    if (error.permanent) {
      const late = this.#late !== undefined;
      this.#finish();
      this.#events.failed(error, undefined);
      if (late) this.#events.late(error);
      return;
    }
    const ceiling = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(this.#attempts - 1, 10));
    // Between half and all of it, so that sidecars that lost the same broker do not come back in step.
    const pauseMs = Math.round(ceiling * (0.5 + this.#clock.random() / 2));
    this.#retry = this.#clock.after(pauseMs, () => {
      this.#retry = undefined;
      void this.#try();
    });
    this.#events.failed(error, pauseMs);
  }

  #finish(): void {
    this.#over = true;
    this.#retry?.cancel();
    this.#late?.cancel();
    this.#retry = this.#late = undefined;
  }

  #timeoutError(): ComponentInitError {
    return new ComponentInitError('INIT_COMPONENT_FAILURE', `init timeout for component ${logName(this.document)}`);
  }
}

/** Rejects with the signal's reason as soon as it aborts; a component that ignores the signal is not waited for. */
function raceAbort(work: Promise<OpenedComponent>, signal: AbortSignal): Promise<OpenedComponent> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    work.then(resolve, reject);
  });
}

function asInitError(error: unknown): ComponentInitError {
  if (error instanceof ComponentInitError) return error;
  return new ComponentInitError('INIT_COMPONENT_FAILURE', error instanceof Error ? error.message : String(error), {
    cause: error,
  });
}
