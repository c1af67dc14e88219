/** Every bound of the local components, in one place. The README explains those that a user can meet. */

const KiB = 1024;
const MiB = 1024 * KiB;

/** One value, message or configuration item. */
export const valueBytesMax: number = 32 * MiB;
/** Keys, topics, consumer ids, resources, store names. */
export const nameBytesMax: number = 64 * KiB;
/** One request, reply or push on the socket; one record of the log. */
export const frameBytesMax: number = 40 * MiB;
/** Operations of one transaction, entries of one bulk publish, items of one save. */
export const operationsMax: number = 10_000;

/** Writes that wait for the disk; beyond it a write fails as `unavailable`. */
export const queuedBytesMax: number = 128 * MiB;
/** A batch takes no further write once it has this many bytes. */
export const batchBytesGoal: number = 4 * MiB;
/** A segment of the log is followed by a new one when it has this many bytes. */
export const segmentBytesGoal: number = 64 * MiB;
/** The log is rewritten when it has more than this, and more than twice what is alive. */
export const compactBytesMin: number = 8 * MiB;
/** The log is rewritten when it has more segments than this (each start makes one). */
export const compactSegmentsMax: number = 16;
/** Damaged files that are set aside; further ones are deleted with a log line. */
export const damagedFilesMax: number = 8;

/** Values held in memory by the owner; the others are read from disk when asked for. */
export const cacheBytesMax: number = 32 * MiB;
/** Longer values are never held in memory. */
export const cacheValueBytesMax: number = 64 * KiB;

/** Keys of one state store. */
export const stateKeysMax: number = 2_000_000;
export const configurationItemsMax: number = 100_000;
/** Deletions that are remembered so that a watcher which was away learns of them. */
export const configurationTombstonesMax: number = 10_000;
export const locksMax: number = 1_000_000;
export const sequencesMax: number = 1_000_000;
/** Ids of a sequence that one write reserves. */
export const sequenceReserve: bigint = 100n;
/** Stores of one kind, by component name. */
export const storesMax: number = 1000;

export const topicsMax: number = 100_000;
/** Consumer ids of one topic. */
export const groupsMax: number = 1000;
/** Messages of one topic that some consumer has not settled; beyond it publishing fails as `unavailable`. */
export const topicMessagesMax: number = 1_000_000;
export const topicBytesMax: number = 1024 * MiB;
/** What a topic without any consumer keeps, the newest, for the consumers to come. */
export const unclaimedMessagesMax: number = 10_000;
export const unclaimedBytesMax: number = 64 * MiB;
export const unclaimedAgeMs: number = 24 * 3_600_000;
/** A consumer id that had no subscriber for so long is forgotten with its backlog. */
export const consumerIdleMs: number = 7 * 24 * 3_600_000;
/** Bytes of messages in flight to one subscription (one message may exceed it). */
export const inFlightBytesMax: number = 16 * MiB;
export const inFlightMessagesMax: number = 10_000;

export const registrationsMax: number = 10_000;
/** Participants whose applied requests are remembered. */
export const participantsMax: number = 4096;
/** How long after its connection closed. */
export const participantIdleMs: number = 10 * 60_000;
/** Requests of one participant that are not answered. */
export const requestsMax: number = 100_000;
/** Bytes of requests that wait for an answer in one participant. */
export const pendingBytesMax: number = 128 * MiB;
/** A request that no owner answered fails as `unavailable`. */
export const requestTimeoutMs: number = 15_000;
/** Bytes queued towards one participant: it is not read beyond the first, and cut off beyond the second. */
export const outgoingBytesHigh: number = 16 * MiB;
export const outgoingBytesMax: number = 256 * MiB;
export const connectionsMax: number = 1024;

/** After a takeover, deliveries and name lists wait this long for the participants to come back with what they hold. */
export const returnMs: number = 250;
/** Between two attempts of an election that failed for another reason than a competitor. */
export const electionPauseMs: number = 200;
/** A write that a full disk refused and that nobody waits for (settling a message) is tried again after this. */
export const settleRetryMs: number = 250;
