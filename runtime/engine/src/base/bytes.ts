/** Buffer's own conversions, which `toString` and `write` reach only after looking at their arguments. */
type RawBuffer = Buffer & {
  latin1Slice(start: number, end: number): string;
  latin1Write(text: string, offset: number): number;
};

export function latin1Slice(buffer: Buffer, start: number, end: number): string {
  return (buffer as RawBuffer).latin1Slice(start, end);
}

/** Writes one byte per character and returns how many were written. */
export function latin1Write(buffer: Buffer, text: string, offset: number): number {
  return (buffer as RawBuffer).latin1Write(text, offset);
}
