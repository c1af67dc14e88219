/** Prints what happens in a form that reads as a story, and ends the app once, however often it is told to. */

export interface Order {
  readonly id: number;
  readonly item: string;
}

export function tell(chapter: string, sentence: string): void {
  console.log(`${chapter.padEnd(14)} ${sentence}`);
}

/** Ctrl-C reaches every process of the terminal, and the sidecar tells its app as well: the second signal changes nothing. */
export function onceTold(close: () => Promise<void>): void {
  let told = false;
  const end = (): void => {
    if (told) return;
    told = true;
    close().then(
      () => process.exit(0),
      (error: Error) => {
        console.error(`could not end cleanly: ${error.message}`);
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
}
