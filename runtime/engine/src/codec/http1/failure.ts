/** Why a message was refused: the status a server answers with, and one sentence that names what is wrong. */
export interface Http1Failure {
  readonly status: number;
  readonly sentence: string;
}

export function failure(status: number, sentence: string): Http1Failure {
  return { status, sentence };
}

/** Results of the parsers where a position cannot be given. */
export const INCOMPLETE = -1;
export const FAILED = -2;
