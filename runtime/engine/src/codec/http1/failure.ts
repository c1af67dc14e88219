/** Why a message was refused: the status a server answers with, and one sentence that names what is wrong. */
export interface Http1Failure {
  /** UNANSWERED: the connection is closed without a word. */
  readonly status: number;
  readonly sentence: string;
}

export function failure(status: number, sentence: string): Http1Failure {
  return { status, sentence };
}

/** Stands for the status where the peer speaks another protocol: an answer in HTTP would be noise to it. */
export const UNANSWERED = 0;

/** Results of the parsers where a position cannot be given. */
export const INCOMPLETE = -1;
export const FAILED = -2;
