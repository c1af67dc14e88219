/** The shared directory of a namespace: ours alone, on a disk of this machine, with paths short enough for sockets. */
import {
  constants,
  type FileHandle,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  statfs,
  unlink,
} from 'node:fs/promises';
import { join } from 'node:path';
import { ComponentError } from '@outrigger/components-core';
import { makeFolders } from '@outrigger/components-core/support';

/** sun_path of struct sockaddr_un, its final NUL excluded; Node cuts a longer path off without a word. */
const socketPathBytesMax: number = process.platform === 'linux' ? 107 : 103;

/**
 * File systems that other machines write to (statfs f_type). A socket in them connects processes of one machine only, so
 * the owner on another machine would be taken for dead.
 */
const networkFileSystems = new Map<number, string>([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xfe534d42, 'SMB2'],
  [0xff534d42, 'CIFS'],
  [0x01021997, '9P'],
  [0x00c36400, 'Ceph'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x5346414f, 'AFS'],
  [0x19830326, 'FhGFS'],
  [0x7461636f, 'OCFS2'],
  [0x01161970, 'GFS2'],
]);

export interface SharedDirectory {
  /** With links resolved. */
  readonly path: string;
  /** A path for bind and connect, short enough. */
  socketPath(name: string): string;
  close(): Promise<void>;
}

const generationFile = 'generation';

/** Creates the directory if need be and checks it. Throws ComponentError `invalid` with the way to mend it. */
export async function openSharedDirectory(wanted: string): Promise<SharedDirectory> {
  try {
    makeFolders(wanted, 0o700);
  } catch (error) {
    const reason = (error as Error).message;
    const text = `the directory ${wanted} cannot be made: ${reason}; set OUTRIGGER_HOME to one that can`;
    throw new ComponentError('unavailable', text, { cause: error });
  }
  const path = await realpath(wanted);
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await check(path, handle);
  } catch (error) {
    await handle.close();
    throw error;
  }
  return {
    path,
    socketPath: (name) => {
      const plain = join(path, name);
      if (Buffer.byteLength(plain) <= socketPathBytesMax) return plain;
      // The kernel resolves it to the same directory, whatever that is called.
      if (process.platform === 'linux') return `/proc/self/fd/${handle.fd}/${name}`;
      throw new ComponentError(
        'invalid',
        `the path ${plain} is longer than the ${socketPathBytesMax} bytes a socket may have; set OUTRIGGER_HOME to a shorter one`,
      );
    },
    close: () => handle.close(),
  };
}

async function check(path: string, handle: FileHandle): Promise<void> {
  const { uid, mode } = await handle.stat();
  const own = process.getuid?.();
  if (own !== undefined && uid !== own) {
    throw new ComponentError(
      'invalid',
      `${path} belongs to user ${uid} and this is user ${own}; set OUTRIGGER_HOME to a directory of your own`,
    );
  }
  if (own !== undefined && (mode & 0o077) !== 0) {
    const found = (mode & 0o777).toString(8);
    throw new ComponentError('invalid', `${path} is open to other users (mode ${found}); run: chmod 700 ${path}`);
  }
  const name = networkFileSystems.get((await statfs(path)).type);
  if (name !== undefined) {
    throw new ComponentError(
      'invalid',
      `${path} is on a network file system (${name}); set OUTRIGGER_HOME to a local disk`,
    );
  }
}

/** The generation that the last owner took over with; 0 when there was none. */
export async function readGeneration(directory: SharedDirectory): Promise<number> {
  let content: string;
  try {
    content = await readFile(join(directory.path, generationFile), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
  if (/^\d{1,15}\n$/.test(content)) return Number(content);
  // Guessing could make a second owner.
  throw new ComponentError(
    'corrupt',
    `${join(directory.path, generationFile)} is damaged; stop every sidecar of this namespace and delete that file`,
  );
}

export async function writeGeneration(directory: SharedDirectory, generation: number): Promise<void> {
  const path = join(directory.path, generationFile);
  const temporary = `${path}.${generation}`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(`${generation}\n`);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  const folder = await open(directory.path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Numbers of the files `<prefix>.<number>`. */
export async function numbered(directory: SharedDirectory, prefix: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir(directory.path)) {
    const match = /^([a-z]+)\.(\d{1,15})$/.exec(name);
    if (match?.[1] === prefix) found.push(Number(match[2]));
  }
  return found;
}

export async function removeIfThere(directory: SharedDirectory, name: string): Promise<void> {
  try {
    await unlink(join(directory.path, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
