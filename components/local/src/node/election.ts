/**
 * Who owns the directory. Generation N is owned by the process that made the name `owner.N` for a socket which it listens
 * on. A candidate
 *   1. reads G from the file `generation`,
 *   2. connects to owner.G, owner.G+1, … A connection: that is the owner. Refused: that one is over. The first name that
 *      is not there, N, is the one to take,
 *   3. listens on a socket under a name of its own, and gives it the name owner.N by link(2), which fails when the name
 *      exists: somebody else was faster, begin again,
 *   4. reads `generation` again. N or more: names were cleaned up meanwhile and N came free a second time; give it up and
 *      begin again. Less: it is the owner. It writes N into `generation`, and only then removes names below N.
 * An owner closes its socket last, after its last write; a process that dies closes it too.
 *
 * Never two owners. Let X < Y both have passed step 4 and X be alive. A name appears with its socket listening already, so
 * "refused" means over for good: there is no moment between taking a name and answering on it, and no process id that
 * another pid namespace could read otherwise. If Y connected to name X in step 2, the name was X's (then it answered) or
 * a dead one that somebody removed before X's link; but names are removed only when `generation` is greater, and then X
 * gave up in step 4. If Y did not, Y read G > X, written by an owner Z with X < Z < Y. Either X took its name after that
 * write, and gave up in step 4; or before, and then X and Z were two owners, with a shorter chain: by induction there are
 * none. Finally step 2 looks at every greater name as well, so that a lost `generation` file makes no second owner.
 *
 * A stopped process (SIGSTOP) is alive: its kernel accepts connections, and nobody takes over. Every file of the log is
 * created exclusively, so that even a mistake here could not make two processes write into one file.
 */
import { randomBytes } from 'node:crypto';
import { link, readdir } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { numbered, readGeneration, removeIfThere, type SharedDirectory, writeGeneration } from './directory.js';

export type ElectionResult =
  | { readonly role: 'owner'; readonly generation: number; readonly server: Server }
  | { readonly role: 'participant'; readonly generation: number; readonly socket: Socket };

/** Steps that an election may take before it is tried again later: a bound for what should not happen. */
const roundsMax = 1000;
const backlog = 511;

type Probe = { readonly socket: Socket } | 'over' | 'absent' | 'again';

/** Connects, or tells a socket that nobody listens on from a name that is not there. Rejects when neither can be told. */
function probe(path: string): Promise<Probe> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const onError = (error: NodeJS.ErrnoException): void => {
      socket.destroy();
      if (error.code === 'ECONNREFUSED') resolve('over');
      else if (error.code === 'ENOENT') resolve('absent');
      // Its process is ending right now, or has more callers than it can take: not over yet, or not at all.
      else if (error.code === 'ECONNRESET' || error.code === 'EAGAIN') resolve('again');
      else reject(error);
    };
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.off('error', onError);
      socket.pause();
      resolve({ socket });
    });
  });
}

function probeOwner(directory: SharedDirectory, generation: number): Promise<Probe> {
  return probe(directory.socketPath(`owner.${generation}`));
}

function listen(path: string, onConnection: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ pauseOnConnect: true }, onConnection);
    server.once('error', reject);
    server.listen({ path, backlog }, () => {
      server.off('error', reject);
      // An accept that fails (too many open files) is no reason to end: the participant tries again.
      server.on('error', () => {});
      resolve(server);
    });
  });
}

/**
 * Finds the owner or becomes it. Connections that come in before the caller is ready are handed to `onConnection`, paused.
 * Rejects when the directory cannot be used. `beforeLink` is for tests: time passes between steps 2 and 3.
 */
export async function elect(
  directory: SharedDirectory,
  onConnection: (socket: Socket) => void,
  beforeLink: (generation: number) => Promise<void> = async () => {},
): Promise<ElectionResult> {
  for (let round = 0; round < roundsMax; round++) {
    const known = await readGeneration(directory);
    let next = Math.max(1, known);
    let found = await probeOwner(directory, next);
    // Nobody is left of an earlier generation when its name is gone: it was cleaned up, or there was none yet.
    while (found === 'over' || (found === 'absent' && next === known)) found = await probeOwner(directory, ++next);
    if (found === 'again') {
      await new Promise((resolve) => setImmediate(resolve));
      continue;
    }
    if (found !== 'absent') return { role: 'participant', generation: next, socket: found.socket };
    const beyond = await ownerBeyond(directory, next);
    if (beyond === 'again') continue;
    if (beyond !== undefined) return { role: 'participant', ...beyond };
    await beforeLink(next);
    const server = await take(directory, next, onConnection);
    if (server !== undefined) return { role: 'owner', generation: next, server };
  }
  throw new Error(`no owner could be found for ${directory.path} in ${roundsMax} attempts`);
}

async function ownerBeyond(
  directory: SharedDirectory,
  next: number,
): Promise<{ generation: number; socket: Socket } | 'again' | undefined> {
  for (const generation of await numbered(directory, 'owner')) {
    if (generation <= next) continue;
    const found = await probeOwner(directory, generation);
    if (typeof found === 'object') return { generation, socket: found.socket };
    if (found === 'again') return 'again';
  }
  return undefined;
}

/** Steps 3 and 4; undefined: begin again. */
async function take(
  directory: SharedDirectory,
  generation: number,
  onConnection: (socket: Socket) => void,
): Promise<Server | undefined> {
  const candidate = `candidate.${randomBytes(8).toString('hex')}`;
  const early: Socket[] = [];
  let accept = (socket: Socket): void => void early.push(socket);
  const server = await listen(directory.socketPath(candidate), (socket) => accept(socket));
  let isOwner = false;
  try {
    await link(join(directory.path, candidate), join(directory.path, `owner.${generation}`));
    isOwner = (await readGeneration(directory)) < generation;
    // Its number was used before; nobody may take it for the owner's.
    if (!isOwner) await removeIfThere(directory, `owner.${generation}`);
  } catch (error) {
    // EEXIST: somebody was faster. ENOENT: a new owner tidied up.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST' && code !== 'ENOENT') throw error;
  } finally {
    await removeIfThere(directory, candidate);
    accept = onConnection;
    if (!isOwner) {
      server.close();
      for (const socket of early) socket.destroy();
    }
  }
  if (!isOwner) return undefined;
  for (const socket of early) onConnection(socket);
  return server;
}

/** What an owner does after its election: its number is noted, then the names of those before it are removed. */
export async function settle(directory: SharedDirectory, generation: number): Promise<void> {
  await writeGeneration(directory, generation);
  for (const earlier of await numbered(directory, 'owner')) {
    if (earlier < generation) await removeIfThere(directory, `owner.${earlier}`);
  }
  for (const name of await readdir(directory.path)) {
    const isLeft =
      /^candidate\.[0-9a-f]{16}$/.test(name) && (await probe(directory.socketPath(name)).catch(() => 'unknown'));
    // A candidate that does not listen yet loses its name, and begins again.
    if (isLeft === 'over') await removeIfThere(directory, name);
    else if (typeof isLeft === 'object') isLeft.socket.destroy();
  }
}
