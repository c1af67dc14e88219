import { MessageChannel } from 'node:worker_threads';

/** Timers of the clock do not keep a process alive; a command that waits for one must. Returns what ends it. */
export function keepAlive(): () => void {
  const { port1 } = new MessageChannel();
  // A port with a listener holds the event loop.
  port1.on('message', () => {});
  return () => port1.close();
}
